"""Credentials that a plugin changes by itself, for who has proved who they are in another way."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ostiary import Call, errors
from ostiary.patience import PATIENCE, Patience
from ostiary.services.sessions import Origin
from ostiary.services.subjects import Place
from ostiary.storage.tables import audit
from ostiary.testing.lock import lock
from ostiary.testing.packages import installed

pytestmark = pytest.mark.anyio

CALL = Call(
    kuid="ann",
    controller="lock/keys",
    action="change",
    args={"code": "1234", "other": "a secret"},
    headers={"x-door": "north"},
    state={"reset": True},
)


@pytest.fixture
def locks(tmp_path: Path) -> Iterator[None]:
    with installed(tmp_path / "toys", lock()):
        yield


@pytest.fixture
async def house(locks: None, open_house: Any) -> Any:
    house = await open_house("lock", "badge")
    credentials = {"lock": {"badge": "ann", "code": "1234"}, "badge": {"badge": "ann"}}
    await house.services.users.create(CALL, ("default",), {}, credentials, kuid="ann")
    await house.services.users.create(CALL, ("default",), {}, {}, kuid="bare")
    return house


@pytest.fixture
def mine(house: Any) -> Any:
    """The directory of the plugin ``lock``."""
    return house.services.directories.of("lock")


async def login(house: Any, code: str) -> str:
    fields = {"badge": "ann", "code": code}
    sign_in = house.services.logins.sign_in
    outcome = await sign_in("lock", fields, Call(), None, Origin("lock"), Place("192.0.2.1"))
    return str(outcome.issued.token)


async def test_they_are_changed_as_by_a_client(house: Any, mine: Any) -> None:
    seen = await mine.change_credentials("lock", "ann", {"code": "5678"}, CALL)
    assert seen == {"badge": "ann", "kuid": "ann"}
    assert await login(house, "5678")
    with pytest.raises(errors.LoginRefused):
        await login(house, "1234")
    (row,) = [row for row in await house.rows(audit) if row.event == "CredentialsChanged"]
    told = {"fields": ["code"], "action": "lock/keys:change"}
    assert (row.about, row.strategy, row.details) == ("ann", "lock", told)


async def test_every_session_of_the_user_ends(house: Any, mine: Any) -> None:
    """PWD-09: also that of who has stolen the password that is reset."""
    before = await login(house, "1234")
    await mine.change_credentials("lock", "ann", {"code": "5678"}, CALL)
    after = await mine.open_session("ann", CALL)
    await house.services.changes.catch_up()
    assert not await house.services.tokens.is_good(before)
    assert await house.services.tokens.is_good(after["jwt"])


async def test_what_the_hooks_refuse_changes_nothing(house: Any, mine: Any) -> None:
    token = await login(house, "1234")
    with pytest.raises(errors.CredentialsRejected):
        await mine.change_credentials("lock", "ann", {"code": "0000"}, CALL)
    await house.services.changes.catch_up()
    assert await house.services.tokens.is_good(token)
    assert await login(house, "1234")


@pytest.mark.parametrize("kuid", ["bare", "nobody", "-1", ""])
async def test_who_holds_none_has_none_to_change(house: Any, mine: Any, kuid: str) -> None:
    with pytest.raises(errors.NoCredentials):
        await mine.change_credentials("lock", kuid, {"code": "5678"}, CALL)


@pytest.mark.parametrize("strategy", ["badge", "nothing"])
async def test_those_of_another_plugin_are_out_of_reach(
    house: Any, mine: Any, strategy: str
) -> None:
    """ISO-15"""
    with pytest.raises(errors.UnknownStrategy):
        await mine.change_credentials(strategy, "ann", {"badge": "5678"}, CALL)
    assert await house.badge("badge", "ann") == "ann"


async def test_the_hooks_are_given_the_call_and_of_it_what_is_theirs(house: Any, mine: Any) -> None:
    """ISO-15"""
    module: Any = sys.modules["toy_lock"]
    module.calls.clear()
    await mine.change_credentials("lock", "ann", {"code": "5678"}, CALL)
    (given,) = module.calls
    assert (given.kuid, given.action, given.state) == ("ann", "change", {"reset": True})
    assert (given.args, given.headers) == ({"code": "1234"}, {})


async def test_nobody_is_asked_for_another_proof(house: Any, mine: Any) -> None:
    module: Any = sys.modules["toy_lock"]
    module.asked.clear()
    await mine.change_credentials("lock", "ann", {"code": "5678"}, CALL)
    assert module.asked == []


async def test_the_time_of_its_hooks_is_not_the_callers(house: Any, mine: Any) -> None:
    """ISO-10: they wait for hashes, as others do; each is limited by itself."""
    counted: list[int] = []
    patience = Patience(8.0)

    async def look(_kuid: str) -> None:
        counted.append(patience._waiting)

    house.during("lock", "update", look)
    mark = PATIENCE.set(patience)
    try:
        await mine.change_credentials("lock", "ann", {"code": "5678"}, CALL)
    finally:
        PATIENCE.reset(mark)
    assert counted == [1]
    assert patience._waiting == 0


async def give(house: Any, kuid: str, profile: str) -> None:
    await house.services.users.create(CALL, (profile,), {}, {}, kuid=kuid)
    await house.services.changes.catch_up()


async def test_authority_is_that_of_who_calls(house: Any, mine: Any) -> None:
    """AZ-20: nobody takes over who may do more; oneself and one's equals they may."""
    await give(house, "root", "admin")
    await give(house, "chief", "admin")
    for caller, target in (("root", "ann"), ("root", "chief"), ("ann", "bare"), ("ann", "ann")):
        await mine.check_authority(target, Call(kuid=caller))
    for caller, target in (("ann", "root"), ("-1", "root"), ("-1", "ann"), ("gone", "ann")):
        with pytest.raises(errors.TargetTooPowerful):
            await mine.check_authority(target, Call(kuid=caller))


async def test_where_anonymous_may_do_everything_they_may_this(house: Any, mine: Any) -> None:
    """AZ-20: as with --dev, until somebody closes it."""
    await give(house, "root", "admin")
    everything = {"controllers": {"*": {"actions": {"*": True}}}}
    await house.services.roles.put("anonymous", everything, None, force=True)
    await house.services.changes.catch_up()
    await mine.check_authority("root", Call())
