"""What a change of credentials ends: whoever came in by the old ones is out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ostiary import Call, errors
from ostiary.services.sessions import Origin
from ostiary.services.subjects import Place
from ostiary.storage.tables import audit
from ostiary.testing.lock import lock
from ostiary.testing.packages import installed

pytestmark = pytest.mark.anyio

CALL = Call(kuid="-1", controller="security", action="updateCredentials")
CODE = {"code": "5678"}


@pytest.fixture
def locks(tmp_path: Path) -> Iterator[None]:
    with installed(tmp_path / "toys", lock()):
        yield


@pytest.fixture
async def house(locks: None, open_house: Any) -> Any:
    house = await open_house("lock", "badge")
    for kuid in ("ann", "bob"):
        credentials = {"lock": {"badge": kuid, "code": "1234"}, "badge": {"badge": kuid}}
        await house.services.users.create(CALL, ("default",), {}, credentials, kuid=kuid)
    return house


@pytest.fixture
async def held(house: Any) -> SimpleNamespace:
    """What opens doors: two sessions of one user and a refreshed one, a key, another user's."""
    account = await house.services.accounts.find("ann")
    _, key = await house.services.api_keys.create(account, "a robot", None, author="ann", id=None)
    old = await login(house)
    session = await house.services.tokens.find(old)
    new = await house.services.tokens.refresh(session, None, Origin())
    return SimpleNamespace(
        own=await login(house),
        other=await login(house, "badge"),
        old=old,
        new=new.token,
        key=key,
        bobs=await login(house, kuid="bob"),
    )


async def login(house: Any, strategy: str = "lock", code: str = "1234", kuid: str = "ann") -> str:
    fields = {"badge": kuid, "code": code} if strategy == "lock" else {"badge": kuid}
    sign_in = house.services.logins.sign_in
    outcome = await sign_in(strategy, fields, Call(), None, Origin(strategy), Place("192.0.2.1"))
    return str(outcome.issued.token)


async def good(house: Any, held: SimpleNamespace) -> set[str]:
    """Return the names of what still opens a door, as the next request would find it."""
    await house.services.changes.catch_up()
    return {
        name for name, token in vars(held).items() if await house.services.tokens.is_good(token)
    }


async def id_of(house: Any, token: str) -> str:
    return str((await house.services.tokens.find(token)).id)


async def ended(house: Any) -> list[dict[str, Any] | None]:
    return [row.details for row in await house.rows(audit) if row.event == "SessionsEnded"]


EVERYTHING = {"own", "other", "old", "new", "key", "bobs"}


async def test_a_new_secret_ends_every_other_session_of_its_user(
    house: Any, held: SimpleNamespace
) -> None:
    """PWD-09: by whatever strategy it began; API keys and other people's sessions stay."""
    assert await good(house, held) == EVERYTHING
    keep = await id_of(house, held.own)
    await house.services.credentials.update("lock", "ann", CODE, CALL, keep=keep)
    assert await good(house, held) == {"own", "key", "bobs"}
    assert await ended(house) == [{"kept": keep}]


async def test_a_session_that_was_refreshed_stays_as_a_whole(
    house: Any, held: SimpleNamespace
) -> None:
    keep = await id_of(house, held.new)
    await house.services.credentials.update("lock", "ann", CODE, CALL, keep=keep)
    assert await good(house, held) == {"old", "new", "key", "bobs"}


async def test_what_somebody_else_changes_ends_them_all(house: Any, held: SimpleNamespace) -> None:
    """PWD-09"""
    await house.services.credentials.update("lock", "ann", CODE, CALL)
    assert await good(house, held) == {"key", "bobs"}
    assert await ended(house) == [None]


async def test_deleted_credentials_end_sessions_too(house: Any, held: SimpleNamespace) -> None:
    """PWD-09"""
    keep = await id_of(house, held.own)
    await house.services.credentials.delete("lock", "ann", keep=keep)
    assert await good(house, held) == {"own", "key", "bobs"}
    await house.services.credentials.delete("badge", "ann")
    assert await good(house, held) == {"key", "bobs"}


async def test_what_is_no_secret_ends_nothing(house: Any, held: SimpleNamespace) -> None:
    fields = {"badge": "annie", "colour": "red"}
    await house.services.credentials.update("lock", "ann", fields, CALL)
    assert await good(house, held) == EVERYTHING
    assert await ended(house) == []


async def test_where_no_field_is_secret_each_opens_the_account(
    house: Any, held: SimpleNamespace
) -> None:
    """PWD-09: a badge that is replaced was lost, perhaps."""
    await house.services.credentials.update("badge", "ann", {"badge": "another"}, CALL)
    assert await good(house, held) == {"key", "bobs"}


async def test_what_is_refused_ends_nothing(house: Any, held: SimpleNamespace) -> None:
    update, delete = house.services.credentials.update, house.services.credentials.delete
    with pytest.raises(errors.CredentialsRejected):
        await update("lock", "ann", {"code": "0000"}, CALL)
    await delete("badge", "bob")
    with pytest.raises(errors.NoCredentials):
        await delete("badge", "bob")
    assert await good(house, held) >= EVERYTHING - {"bobs"}
    assert await ended(house) == [None]


async def test_operators_may_leave_sessions_as_they_are(
    house: Any, held: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PWD-09: the setting."""
    monkeypatch.setattr(house.services.credentials, "_ends_sessions", False)
    await house.services.credentials.update("lock", "ann", CODE, CALL)
    await house.services.credentials.delete("badge", "ann")
    assert await good(house, held) == EVERYTHING
    assert await ended(house) == []


async def test_a_hook_that_fails_after_it_has_written_ends_them_as_well(
    house: Any, held: SimpleNamespace
) -> None:
    """PWD-09, AUTH-16: the old secret is gone, whatever the client was told."""

    async def fail(_kuid: str) -> None:
        raise ValueError

    house.during("lock", "updated", fail)
    keep = await id_of(house, held.own)
    with pytest.raises(errors.PluginUnexpectedError):
        await house.services.credentials.update("lock", "ann", CODE, CALL, keep=keep)
    assert await good(house, held) == {"own", "key", "bobs"}
    assert await login(house, code="5678")


async def test_a_login_under_way_with_the_old_secret_opens_nothing(house: Any, gate: Any) -> None:
    """TOK-13, PWD-09: the verdict is good, and about what is no more."""
    held_up = gate()
    house.during("lock", "verified", held_up)
    signing_in = asyncio.ensure_future(login(house))
    await held_up.reached.wait()
    await house.services.credentials.update("lock", "ann", CODE, CALL)
    held_up.open()
    with pytest.raises(errors.LoginRefused):
        await signing_in
    account = await house.services.accounts.find("ann")
    assert await house.services.sessions.of(account) == ([], 0)


async def test_a_login_that_ends_while_the_secret_is_changed_opens_nothing_for_long(
    house: Any, gate: Any
) -> None:
    """TOK-13, PWD-09: the hook has not yet written, or has, and the core does not know yet."""
    for step, code in (("update", "1234"), ("updated", "5678")):
        held_up = gate()
        house.during("lock", step, held_up)
        changing = asyncio.ensure_future(
            house.services.credentials.update("lock", "ann", {"code": "5678"}, CALL)
        )
        await held_up.reached.wait()
        token = await login(house, code=code)
        held_up.open()
        await changing
        await house.services.changes.catch_up()
        assert not await house.services.tokens.is_good(token)


async def test_an_order_of_several_steps_begun_before_is_over(house: Any) -> None:
    """TOK-13: what a later step could know of is no longer true."""
    since = await house.services.changes.newest()
    await house.services.credentials.update("lock", "ann", CODE, CALL)
    account = await house.services.accounts.find("ann")
    issued = await house.services.tokens.issue(
        account, None, Origin("lock"), unless_changed_since=since
    )
    assert issued is None


async def test_another_process_knows_at_its_next_request(
    house: Any, open_house: Any, held: SimpleNamespace
) -> None:
    """PWD-09: sessions that it has in memory too."""
    other = await open_house("lock", "badge")
    for token in vars(held).values():
        assert await other.services.tokens.is_good(token)
    await house.services.credentials.update("lock", "ann", CODE, CALL)
    assert other.services.changes.pending()
    assert await good(other, held) == {"key", "bobs"}
