"""What a plugin may do with users: those of its own strategies, and no others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import update

from ostiary import Call, Newcomer, Verified, errors
from ostiary.arguments import Duration
from ostiary.services.sessions import Origin
from ostiary.services.subjects import Place
from ostiary.storage.tables import tokens, users
from ostiary.testing.packages import Package, badge, installed

pytestmark = pytest.mark.anyio

CALL = Call(address="192.0.2.7", user_agent="a browser")


@pytest.fixture
async def mine(house: Any) -> Any:
    """The directory of the plugin ``badge``."""
    await house.create("ann", badge="1")
    await house.create("bob", card="2")
    await house.services.changes.catch_up()
    return house.services.directories.of("badge")


def giving(verdict: Any) -> Callable[[str], Awaitable[Any]]:
    async def verify(_kuid: str) -> Any:
        return verdict

    return verify


async def login(house: Any, strategy: str = "badge", value: str = "1") -> str:
    given = {"badge": value}
    outcome = await house.services.logins.sign_in(
        strategy, given, CALL, None, Origin(strategy), Place()
    )
    return str(outcome.issued.token)


async def good(house: Any, token: str) -> bool:
    await house.services.changes.catch_up()
    return bool(await house.services.tokens.is_good(token))


async def test_it_opens_sessions_of_its_own_users_as_a_login_does(house: Any, mine: Any) -> None:
    opened = await mine.open_session("ann", CALL, lifetime=60_000)
    assert set(opened) == {"_id", "jwt", "expiresAt", "ttl"}
    assert (opened["_id"], opened["ttl"]) == ("ann", 60_000)
    (row,) = await house.rows(tokens)
    assert (row.strategy, row.agent, row.address) == ("badge", "a browser", "192.0.2.7")
    assert await good(house, opened["jwt"])


async def test_it_opens_none_for_anybody_else(house: Any, mine: Any) -> None:
    """ISO-11, AUTH-10"""
    await house.create("off", badge="3")
    async with house.store.begin() as db:
        await house.services.changes.record(db, "user", "off")
        await db.execute(update(users).where(users.c.kuid == "off").values(status="disabled"))
    await house.services.changes.catch_up()
    for kuid in ("bob", "off", "nobody", "-1"):
        with pytest.raises(errors.LoginRefused) as refused:
            await mine.open_session(kuid, CALL)
        assert str(refused.value) == "Wrong credentials."
    assert await house.rows(tokens) == []


@pytest.mark.parametrize("lifetime", [-5, 0.5, "soon"])
async def test_a_lifetime_is_a_number_of_milliseconds(mine: Any, lifetime: Any) -> None:
    """ISO-10"""
    with pytest.raises(errors.PluginUnexpectedError):
        await mine.open_session("ann", CALL, lifetime=lifetime)


async def test_the_hooks_around_logins_are_asked_too(
    open_house: Any, tmp_path: Any, house: Any
) -> None:
    source = (
        "from ostiary import errors, hookimpl\n"
        "@hookimpl\n"
        "async def ostiary_after_login(kuid, strategy_name):\n"
        "    raise errors.LoginRefused(f'{kuid} by {strategy_name}')\n"
    )
    await house.create("ann", badge="1")
    with installed(tmp_path / "packages", Package(name="guard", source=source)):
        guarded = await open_house("badge", "card", "guard")
        with pytest.raises(errors.LoginRefused, match="ann by badge"):
            await guarded.services.directories.of("badge").open_session("ann", CALL)


async def test_it_ends_the_sessions_that_it_has_named(house: Any, mine: Any) -> None:
    named = [(await mine.open_session("ann", CALL, session=name))["jwt"] for name in ("one", "two")]
    assert await mine.end_sessions("ann", session="one") == 1
    assert [await good(house, token) for token in named] == [False, True]
    assert await mine.end_sessions("ann", session="one") == 0


async def test_it_ends_no_session_of_another_plugin(house: Any, mine: Any) -> None:
    await house.give("ann", "card", "3")
    own, other = await login(house), await login(house, "card", "3")
    assert await mine.end_sessions("ann") == 1
    assert [await good(house, token) for token in (own, other)] == [False, True]
    assert await mine.end_sessions("bob") == 0


async def test_a_verdict_names_the_session_and_what_comes_of_it(house: Any, mine: Any) -> None:
    """Refreshed or derived, and derived from what is used up: all of it ends with the first."""
    service = house.services.tokens
    house.during("badge", "verify", giving(Verified("ann", session="sid")))
    first = await service.find(await login(house))
    refreshed = await service.refresh(first, None, Origin())
    hour = Duration(3_600_000)
    once = await service.derive(
        await service.find(refreshed.token), hour, Origin(), single_use=True
    )
    last = await service.derive(await service.find(once.token), hour, Origin(), single_use=False)
    house.during("badge", "verify", giving(Verified("ann", session="other")))
    other = await login(house)
    assert {row.foreign_session for row in await house.rows(tokens)} == {"sid", "other"}
    assert await mine.end_sessions("ann", session="sid") == 2
    for token, there in ((refreshed.token, False), (last.token, False), (other, True)):
        assert await good(house, token) is there


@pytest.mark.parametrize("name", [5, "x" * 513, ["sid"]])
async def test_a_session_is_named_by_a_short_text(house: Any, mine: Any, name: Any) -> None:
    """ISO-10"""
    house.during("badge", "verify", giving(Verified("ann", session=name)))
    with pytest.raises(errors.InvalidVerdict):
        await login(house)
    with pytest.raises(errors.PluginUnexpectedError):
        await mine.open_session("ann", CALL, session=name)


async def test_a_verdict_may_give_other_profiles(house: Any, mine: Any) -> None:
    await house.create("root")
    house.during("badge", "verify", giving(Verified("ann", profiles=("admin", "default"))))
    token = await login(house)
    user = await mine.find("ann")
    assert user.profile_ids == ("admin", "default")
    session = await house.services.tokens.find(token)
    assert session.account.user.profile_ids == ("admin", "default")
    house.during("badge", "verify", giving(Verified("ann", profiles=("default", "admin"))))
    before = await house.services.changes.newest()
    await login(house)
    assert await house.services.changes.newest() == before, "the same profiles are no change"


async def test_who_is_refused_after_the_verdict_is_given_nothing_by_it(
    house: Any, mine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AZ-20: neither profiles nor a user of their own."""

    async def refuse(*_: Any, **__: Any) -> None:
        raise errors.LoginRefused("No.")

    monkeypatch.setattr(house.services.logins._hooks, "after", refuse)
    house.during("badge", "verify", giving(Verified("ann", profiles=("admin",))))
    with pytest.raises(errors.LoginRefused):
        await login(house)
    assert (await mine.find("ann")).profile_ids == ("default",)
    before = await house.kuids()
    house.during("badge", "verify", giving(Newcomer({"badge": "9"}, {"profileIds": ["admin"]})))
    with pytest.raises(errors.LoginRefused):
        await login(house)
    assert await house.kuids() == before


async def test_the_last_administrator_is_made_no_other(house: Any, mine: Any) -> None:
    """ADM-10"""
    await house.services.users.update("ann", {}, "-1", ("admin",))
    await house.services.changes.catch_up()
    house.during("badge", "verify", giving(Verified("ann", profiles=("default",))))
    with pytest.raises(errors.LastAdministrator):
        await login(house)
    assert (await mine.find("ann")).profile_ids == ("admin",)


@pytest.mark.parametrize("profiles", [(), (5,), "admin", ("no-such-profile",), 5])
async def test_profiles_that_nobody_can_have_refuse_the_login(
    house: Any, mine: Any, profiles: Any
) -> None:
    """ISO-10"""
    house.during("badge", "verify", giving(Verified("ann", profiles=profiles)))
    with pytest.raises(errors.PluginImplementationError):
        await login(house)
    assert (await mine.find("ann")).profile_ids == ("default",)


async def test_who_is_refused_is_given_no_profiles(house: Any, mine: Any) -> None:
    """ISO-11"""
    house.during("badge", "verify", giving(Verified("bob", profiles=("admin",))))
    with pytest.raises(errors.LoginRefused):
        await login(house)
    assert (await mine.find("bob")).profile_ids == ("default",)


async def test_credentials_that_change_meanwhile_give_no_profiles(
    house: Any, mine: Any, gate: Any
) -> None:
    """TOK-14"""
    number = await house.services.changes.newest()
    await house.services.credentials.update("badge", "ann", {"badge": "9"}, Call())
    await house.services.changes.catch_up()
    assign = house.services.logins._assignments.assign
    assert await assign("badge", "ann", ("admin",), number) is None
    assert (await mine.find("ann")).profile_ids == ("default",)


async def test_a_refusal_keeps_to_itself_what_is_for_the_log() -> None:
    refusal = errors.LoginRefused("Wrong.", kuid="ann", reason="a-reason")
    assert (refusal.kuid, refusal.reason) == ("ann", "a-reason")
    for shown in (str(refusal), repr(refusal), str(refusal.to_json()), str(refusal.args)):
        assert "ann" not in shown
        assert "a-reason" not in shown
    with pytest.raises(ValueError, match="www_authenticate"):
        errors.LoginRefused("Wrong.", www_authenticate="a\r\nset-cookie: b=c")


async def test_the_core_says_to_the_log_why_an_account_stays_shut(house: Any, mine: Any) -> None:
    house.during("badge", "verify", giving(Verified("bob")))
    with pytest.raises(errors.LoginRefused) as refused:
        await login(house)
    assert isinstance(refused.value, errors.LoginRefusal)
    assert (refused.value.kuid, refused.value.reason) == (
        "bob",
        "the user has no such credentials any more",
    )


def test_a_plugin_that_meets_every_login_is_one_that_must_not_get_lost(tmp_path: Any) -> None:
    """Decision 26"""
    from ostiary import __version__
    from ostiary.plugin_loading import load_plugins
    from ostiary.plugins import PluginError

    hook = "\n\n@hookimpl\nasync def ostiary_{0}_login(strategy_name):\n    pass\n"
    for when in ("before", "after"):
        with installed(tmp_path / when, badge("meeting", hook.format(when))):
            (plugin,) = load_plugins({}, ["meeting"], dev=False, version=__version__).loaded
        assert plugin.wraps
    wrapper = "\n\n@hookimpl(wrapper=True)\ndef ostiary_before_login():\n    return (yield)\n"
    with (
        installed(tmp_path / "wrapper", badge("meeting", wrapper)),
        pytest.raises(PluginError, match="not wrapped"),
    ):
        load_plugins({}, ["meeting"], dev=False, version=__version__)


async def test_it_ends_the_session_that_calls_and_no_other(house: Any, mine: Any) -> None:
    """TOK-10"""
    own, other = [await login(house) for _ in range(2)]
    session = await house.services.tokens.find(own)
    refreshed = await house.services.tokens.refresh(session, None, Origin())
    cookies = await mine.end_own_session("badge", Call(kuid="ann", session=session.id))
    assert cookies == (house.services.cookies.no_session(),)
    left = [await good(house, token) for token in (own, refreshed.token, other)]
    assert left == [False, False, True]


@pytest.mark.parametrize("session", [None, "", "of card", "nothing"])
async def test_it_ends_no_session_that_it_has_not_opened_so(
    house: Any, mine: Any, session: str | None
) -> None:
    """ISO-11"""
    await house.give("ann", "card", "3")
    token = await login(house, "card", "3")
    if session == "of card":
        session = (await house.services.tokens.find(token)).id
    with pytest.raises(errors.SessionNotFound):
        await mine.end_own_session("badge", Call(kuid="ann", session=session))
    with pytest.raises(errors.UnknownStrategy):
        await mine.end_own_session("card", Call(kuid="ann", session=session))
    assert await good(house, token)
