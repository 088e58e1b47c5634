"""A store of before there were several names: everybody goes on signing in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import column, insert, table

import ostiary_local
from ostiary import Storage, errors
from ostiary.hash_pool import HashPool
from ostiary.hashing import Argon2Parameters
from ostiary.storage import migrate
from ostiary.storage.store import Backend
from ostiary_local.errors import UsernameTaken
from ostiary_local.names import PROFILES
from ostiary_local.strategy import LocalStrategy

from .conftest import Local, open_store

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("provisioned", ["sqlite", "postgresql"], indirect=True),
]

CHEAPEST = Argon2Parameters(time_cost=5, memory_cost=7168)

NAMES = {
    # What the key of a name was: its compatible forms and its case folded.
    "ann": ("Ann", "ann"),
    "kim": ("Stra\u00dfe", "strasse"),
    "two": ("Ada  Lovelace", "ada  lovelace"),
    "www": ("Bob@Example.COM", "bob@example.com"),
    "tel": ("+33 6 12 34 56 78", "+33 6 12 34 56 78"),
    # No profile of PRECIS allows it any more, and none lets letters of two alphabets mix.
    "old": ("\u1100nn", "\u1100nn"),
    "mix": ("p\u0430ypal", "p\u0430ypal"),
}


@pytest.fixture
async def upgraded(tmp_path: Path, provisioned: Backend, storage: Storage, pool: HashPool) -> Local:
    """The plugin on a store whose accounts were made by its first version."""
    first = tmp_path / "first"
    first.mkdir()
    package = Path(ostiary_local.__file__).parent
    shutil.copy(package / "migrations" / "0001_accounts.py", first)
    await migrate.upgrade(provisioned, "local", Storage(storage.tables, first))
    store = await open_store(provisioned, pool, CHEAPEST)
    columns = ("kuid", "username", "name", "hash", "updater")
    times = ("password_set_at", "created_at", "updated_at")
    accounts = table("accounts", *map(column, (*columns, *times)))
    for number, (kuid, (username, name)) in enumerate(NAMES.items()):
        row = dict(
            zip(columns, (kuid, username, name, await store.hasher.hash("x"), "admin"), strict=True)
        )
        async with store.begin() as db:
            await db.execute(insert(accounts).values({**row, **dict.fromkeys(times, number)}))
    await migrate.upgrade(provisioned, "local", storage)
    store = await open_store(provisioned, pool, CHEAPEST)
    return Local(store, LocalStrategy(), provisioned, tmp_path)


async def test_everybody_signs_in_after_the_upgrade(upgraded: Local) -> None:
    for matching in (*PROFILES, "exact"):
        local = upgraded.configured(usernameMatching=matching)
        for kuid, (username, _) in NAMES.items():
            assert await local.login(username, "x") == kuid
            assert await local.get(kuid) == {"username": username}
    assert await upgraded.login("STRASSE", "x") == "kim"
    assert await upgraded.login("bob@EXAMPLE.com", "x") == "www"
    with pytest.raises(errors.LoginRefused):
        await upgraded.login("Ann", "wrong")


async def test_old_names_stay_their_users_and_may_be_written_again(upgraded: Local) -> None:
    for username in ("ANN", "bob@example.com", "+33 6 12 34 56 78"):
        with pytest.raises(UsernameTaken):
            await upgraded.create("eve", username=username, password="x")
    for kuid in ("two", "tel"):
        username = NAMES[kuid][0]
        assert await upgraded.update(kuid, username=username) == {"username": username}
    assert await upgraded.login("ada lovelace", "x") == "two"
    assert await upgraded.login("+33612345678", "x") == "tel"
    await upgraded.update("www", email="bob@example.com", verified=["bob@example.com"])
    assert (await upgraded.by_id("bob@example.com"))["kuid"] == "www"


async def test_look_alikes_of_old_names_are_refused_once_they_are_written_again(
    upgraded: Local,
) -> None:
    """Their skeletons are not known: look-alikes of them are found once they are written again."""
    lookalike = "\u0430\u0441\u0435"
    await upgraded.update("ann", username="ace")
    with pytest.raises(UsernameTaken):
        await upgraded.create("eve", username=lookalike, password="x")
