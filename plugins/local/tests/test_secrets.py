"""What the plugin keeps: nothing that opens an account, in no place where it could be read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from ostiary import Storage, errors
from ostiary.hash_pool import HashPool
from ostiary.hashing import Argon2Parameters, Hasher
from ostiary.keys import MasterKey
from ostiary.storage import migrate
from ostiary.storage.store import Backend
from ostiary_local import accounts

if TYPE_CHECKING:
    from .conftest import Local

pytestmark = pytest.mark.anyio

CHEAPEST = Argon2Parameters(time_cost=5, memory_cost=7168)


async def test_no_answer_error_repr_or_log_holds_a_secret(
    local: Local, caplog: pytest.LogCaptureFixture
) -> None:
    """PWD-11, LEAK-05."""
    caplog.set_level(logging.DEBUG)
    secrets = ["first secret of ann", "second secret of ann", "wrong secret of ann"]
    first, second, wrong = secrets
    said: list[object] = [await local.create("ann", username="ann", password=first)]
    secrets.append(local.row("ann")["hash"])
    said.append(await local.update("ann", password=second))
    secrets.append(local.row("ann")["hash"])
    said += [await local.get("ann"), await local.verify({"username": "ann", "password": second})]
    said += [await accounts.of(local.store, "ann"), local, local.store.hasher, local.store]
    for attempt in (
        local.login("ann", wrong),
        local.login("nobody", wrong),
        local.create("ann", username="other", password=first),
        local.create("bob", username="ann", password=first),
        local.create("bob", username="bob", password=first + "x" * 4096),
        local.update("ann", username=" ", password=first),
    ):
        with pytest.raises(errors.OstiaryError) as refusal:
            await attempt
        said += [refusal.value, refusal.value.to_json(), *refusal.value.args]
        said.append(refusal.value.__cause__)
    text = "\n".join([*map(repr, said), *map(str, said), caplog.text])
    assert "ann" in text
    for secret in secrets:
        assert secret not in text


async def test_a_dump_is_worthless_without_the_master_key(local: Local, pool: HashPool) -> None:
    """PWD-12: whoever has every row, and knows the password, cannot even confirm it."""
    await local.create("ann", username="ann", password="secret")
    content = (local.folder / "local.db").read_bytes()
    content += (local.folder / "local.db-wal").read_bytes()
    assert b"ann" in content
    assert b"secret" not in content
    stranger = Hasher(MasterKey.random().pepper("local"), CHEAPEST, pool)
    assert not await stranger.matches(local.row("ann")["hash"], "secret")


async def test_the_revisions_build_the_tables(backend: Backend, storage: Storage) -> None:
    assert await migrate.drift(backend, "local", storage) == []
    assert await backend.revision("local") == migrate.head(storage)
