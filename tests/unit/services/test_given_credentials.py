"""Credentials that a plugin gives and takes by itself, and users whom it finds by an address."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from ostiary import Call, Verified, errors
from ostiary.patience import PATIENCE, Patience
from ostiary.services.sessions import Origin
from ostiary.services.subjects import Place
from ostiary.storage.tables import audit, tokens
from ostiary.testing.linked import passes
from ostiary.testing.packages import Package, badge, installed

pytestmark = pytest.mark.anyio

CALL = Call(kuid="-1", controller="auth", action="login", state={"proved": True})
MAIL = "ann@mail.example"
VERIFIED = """
addresses = {}

@hookimpl
async def ostiary_verified_address(settings, store, email):
    await at("address", email)
    if "failed" in addresses:
        raise OSError
    async with store.read() as db:
        known = set((await db.execute(select(badges.c.kuid))).scalars())
    return addresses.get(email)
"""
ALONE = """
from ostiary import hookimpl

@hookimpl
async def ostiary_verified_address(store, email):
    assert store is None
    return {"cat@mail.example": "ann", "odd@mail.example": 7}.get(email)
"""


@pytest.fixture
def clubs(tmp_path: Path) -> Iterator[None]:
    verifying = badge("club", extra=VERIFIED), badge("firm", extra=VERIFIED)
    alone = Package(name="alone", source=ALONE)
    with installed(tmp_path / "toys", passes(), badge("card"), *verifying, alone):
        yield


@pytest.fixture
async def house(clubs: None, open_house: Any) -> Any:
    house = await open_house("pass", "card", "club", "firm", "alone")
    await house.create("ann", card="ann", club="ann", firm="ann")
    await house.create("bob", card="bob", club="bob", firm="bob")
    await house.services.changes.catch_up()
    return house


@pytest.fixture
def mine(house: Any) -> Any:
    """The directory of the plugin ``pass``."""
    return house.services.directories.of("pass")


def module(name: str) -> Any:
    return sys.modules[f"toy_{name}"]


async def login(house: Any, strategy: str, **fields: str) -> Any:
    sign_in = house.services.logins.sign_in
    return await sign_in(strategy, fields, Call(), None, Origin(strategy), Place())


async def told(house: Any, event: str) -> Any:
    return [row for row in await house.rows(audit) if row.event == event]


async def test_they_are_given_as_by_a_client(house: Any, mine: Any) -> None:
    seen = await mine.add_credentials("pass", "ann", {"badge": "p1"}, CALL)
    assert seen == {"badge": "p1", "kuid": "ann"}
    assert await house.services.credentials.held("pass", "ann")
    (row,) = await told(house, "CredentialsCreated")
    assert (row.about, row.strategy, row.details) == ("ann", "pass", {"action": "auth:login"})


async def test_further_ones_come_beside_the_first(house: Any, mine: Any) -> None:
    for name in ("p1", "p2"):
        await mine.add_credentials("pass", "ann", {"badge": name}, CALL)
    assert await house.services.strategies.get("pass", "ann") == {"badges": ["p1", "p2"]}
    assert await house.unsettled() == []


async def test_a_strategy_that_has_not_several_keeps_the_first(house: Any) -> None:
    card = house.services.directories.of("card")
    with pytest.raises(errors.CredentialsExist):
        await card.add_credentials("card", "ann", {"badge": "another"}, CALL)
    assert await house.badge("card", "ann") == "ann"


@pytest.mark.parametrize("strategy", ["card", "nothing"])
async def test_those_of_another_plugin_are_out_of_reach(mine: Any, strategy: str) -> None:
    """ISO-15"""
    with pytest.raises(errors.UnknownStrategy):
        await mine.add_credentials(strategy, "ann", {"badge": "p1"}, CALL)
    with pytest.raises(errors.UnknownStrategy):
        await mine.remove_credentials(strategy, "ann", CALL, force=True)
    with pytest.raises(errors.UnknownStrategy):
        await mine.end_sessions("ann", strategy=strategy)
    assert await mine.find("ann")


async def test_what_fails_costs_nothing_that_was_there(house: Any, mine: Any) -> None:
    """The rollback of a creation erases; with others there, it must not."""
    await mine.add_credentials("pass", "ann", {"badge": "p1"}, CALL)
    module("pass").erased.clear()

    async def fail(_kuid: str) -> None:
        raise OSError("no way to the badges")

    for step in ("create", "created", "validate"):
        house.during("pass", step, fail)
        with pytest.raises(errors.PluginUnexpectedError) as failure:
            await mine.add_credentials("pass", "ann", {"badge": f"at-{step}"}, CALL)
        assert failure.value.about == "ann"
    seen = await house.services.strategies.get("pass", "ann")
    assert "p1" in seen["badges"]
    assert module("pass").erased == []
    assert await house.unsettled() == []


async def test_a_crash_between_the_stores_costs_nothing_that_was_there(
    house: Any, mine: Any, open_house: Any, gate: Any
) -> None:
    await mine.add_credentials("pass", "ann", {"badge": "p1"}, CALL)
    module("pass").erased.clear()
    held = gate()
    house.during("pass", "created", held)
    adding = asyncio.create_task(mine.add_credentials("pass", "ann", {"badge": "p2"}, CALL))
    await held.reached.wait()
    await house.services.journal._presence.leave()
    other = await open_house("pass", "card", "club", "firm", "alone")
    await other.services.journal.sweep()
    assert await other.unsettled() == []
    assert module("pass").erased == []
    held.open()
    with pytest.raises(errors.ActionLocked):
        await adding
    assert "p1" in (await house.services.strategies.get("pass", "ann"))["badges"]


async def test_what_is_added_while_all_are_taken_away_goes_with_them(
    house: Any, mine: Any, gate: Any
) -> None:
    """Nothing is left in the strategy's store of what the user does not hold."""
    await mine.add_credentials("pass", "ann", {"badge": "p1"}, CALL)
    held = gate()
    house.during("pass", "create", held)
    adding = asyncio.create_task(mine.add_credentials("pass", "ann", {"badge": "p2"}, CALL))
    await held.reached.wait()
    await house.services.credentials.delete("pass", "ann")
    held.open()
    with pytest.raises(errors.ActionLocked):
        await adding
    await house.services.journal.sweep()
    assert await house.services.strategies.get("pass", "ann") is None
    assert not await house.services.credentials.held("pass", "ann")
    assert await house.unsettled() == []


async def test_a_user_who_is_deleted_meanwhile_leaves_nothing(
    house: Any, mine: Any, gate: Any
) -> None:
    await mine.add_credentials("pass", "ann", {"badge": "p1"}, CALL)
    held = gate()
    house.during("pass", "create", held)
    adding = asyncio.create_task(mine.add_credentials("pass", "ann", {"badge": "p2"}, CALL))
    await held.reached.wait()
    await house.services.users.delete("ann")
    held.open()
    with pytest.raises(errors.ActionLocked):
        await adding
    await house.services.journal.sweep()
    assert await house.services.strategies.get("pass", "ann") is None
    assert await house.unsettled() == []


async def test_a_login_that_links_is_not_asked_for_its_verdict_again(house: Any, mine: Any) -> None:
    """A code of a provider opens once: what the plugin itself has changed does not outdate it."""
    asked = []

    async def link(_kuid: str) -> Verified:
        asked.append(1)
        await mine.add_credentials("pass", "ann", {"badge": "p1"}, CALL)
        return Verified("ann")

    house.during("pass", "verify", link)
    outcome = await login(house, "pass", code="of-p1")
    assert (outcome.issued.kuid, asked) == ("ann", [1])


async def test_a_user_who_changes_meanwhile_is_not_let_in_by_what_was_proved(
    house: Any, mine: Any
) -> None:
    """TOK-13: although the plugin itself changes the user, too."""

    async def link(_kuid: str) -> Verified:
        await house.services.statuses.disable("ann", "-1")
        await house.services.statuses.enable("ann", "-1")
        await mine.add_credentials("pass", "ann", {"badge": "p1"}, CALL)
        return Verified("ann")

    house.during("pass", "verify", link)
    with pytest.raises(errors.OstiaryError):
        await login(house, "pass", code="of-p1")
    assert await house.rows(tokens) == []


async def test_all_are_taken_and_the_sessions_end(house: Any, mine: Any) -> None:
    token = (await login(house, "card", badge="ann")).issued.token
    for name in ("p1", "p2"):
        await mine.add_credentials("pass", "ann", {"badge": name}, CALL)
    await mine.remove_credentials("pass", "ann", CALL)
    await house.services.changes.catch_up()
    assert not await house.services.tokens.is_good(token)
    assert await house.services.strategies.get("pass", "ann") is None
    (row,) = await told(house, "CredentialsDeleted")
    assert (row.about, row.strategy, row.details) == ("ann", "pass", {"action": "auth:login"})
    with pytest.raises(errors.NoCredentials):
        await mine.remove_credentials("pass", "ann", CALL)


async def test_the_last_ones_are_taken_by_force_only(house: Any, mine: Any) -> None:
    await house.create("cat")
    await mine.add_credentials("pass", "cat", {"badge": "p1"}, CALL)
    with pytest.raises(errors.LastWayIn) as refusal:
        await mine.remove_credentials("pass", "cat", CALL)
    assert refusal.value.about == "cat"
    await mine.remove_credentials("pass", "cat", CALL, force=True)
    assert not await house.services.credentials.held("pass", "cat")


async def test_a_strategy_that_is_not_installed_is_no_way_in(
    house: Any, mine: Any, open_house: Any
) -> None:
    await mine.add_credentials("pass", "ann", {"badge": "p1"}, CALL)
    less = await open_house("pass")
    with pytest.raises(errors.LastWayIn):
        await less.services.directories.of("pass").remove_credentials("pass", "ann", CALL)


async def open_sessions(house: Any, mine: Any) -> None:
    for kuid, sid in (("ann", "s1"), ("ann", "s2"), ("bob", "s3")):
        await mine.add_credentials("pass", kuid, {"badge": f"of-{sid}"}, CALL)
        await mine.open_session(kuid, CALL, session=sid)
    await house.services.directories.of("card").open_session("ann", CALL, session="s1")


async def test_a_session_ends_by_its_name_alone(house: Any, mine: Any) -> None:
    """Back-channel logout names a session, and no user."""
    await open_sessions(house, mine)
    assert await mine.end_sessions(None, session="s1") == 1
    left = sorted((row.strategy, row.foreign_session) for row in await house.rows(tokens))
    assert left == [("card", "s1"), ("pass", "s2"), ("pass", "s3")]
    ended = await told(house, "SessionsEnded")
    assert [row.about for row in ended] == ["ann"]
    assert await mine.end_sessions(None, session="nothing") == 0


async def test_everybodys_sessions_do_not_end_at_once(house: Any, mine: Any) -> None:
    await open_sessions(house, mine)
    with pytest.raises(errors.PluginUnexpectedError):
        await mine.end_sessions(None)
    assert len(await house.rows(tokens)) == 4


async def test_those_of_one_strategy_end(house: Any, mine: Any) -> None:
    await open_sessions(house, mine)
    assert await mine.end_sessions("ann", strategy="pass") == 2
    assert await mine.end_sessions("ann", strategy="pass") == 0


async def test_sessions_are_found_by_their_name_without_reading_all(house: Any) -> None:
    plan = "EXPLAIN QUERY PLAN SELECT fingerprint FROM tokens WHERE foreign_session = 's1'"
    async with house.store.read() as db:
        rows = (await db.execute(text(plan))).all()
    assert "tokens_by_foreign_session" in str(rows)


async def test_a_user_is_found_by_an_address_that_was_verified(house: Any, mine: Any) -> None:
    """OAU-11"""
    assert await mine.find_by_address(MAIL) is None
    module("club").addresses[MAIL] = "ann"
    found = await mine.find_by_address(MAIL)
    assert (found.kuid, found.enabled) == ("ann", True)
    module("firm").addresses[MAIL] = "ann"
    assert (await mine.find_by_address(MAIL)).kuid == "ann"


async def test_an_address_of_two_users_is_nobodys(house: Any, mine: Any) -> None:
    """OAU-11"""
    module("club").addresses[MAIL] = "ann"
    module("firm").addresses[MAIL] = "bob"
    assert await mine.find_by_address(MAIL) is None


async def test_who_is_disabled_is_found_as_such(house: Any, mine: Any) -> None:
    module("club").addresses[MAIL] = "ann"
    await house.services.statuses.disable("ann", "-1")
    assert not (await mine.find_by_address(MAIL)).enabled


async def test_who_is_gone_or_holds_nothing_of_the_plugin_is_not_found(
    house: Any, mine: Any
) -> None:
    """What a plugin still has of a user means nothing once the core has taken it."""
    module("club").addresses |= {MAIL: "nobody", "bob@mail.example": "bob"}
    assert await mine.find_by_address(MAIL) is None
    await house.services.credentials.delete("club", "bob")
    assert await mine.find_by_address("bob@mail.example") is None


async def test_a_plugin_without_strategies_or_store_is_asked_too(mine: Any) -> None:
    assert (await mine.find_by_address("cat@mail.example")).kuid == "ann"


@pytest.mark.parametrize("email", ["", "x" * 321])
async def test_what_is_no_address_is_asked_of_nobody(house: Any, mine: Any, email: str) -> None:
    module("club").addresses[email] = "ann"
    assert await mine.find_by_address(email) is None


async def test_who_cannot_tell_leaves_it_open_whose_it_is(house: Any, mine: Any) -> None:
    """OAU-11: it might have named somebody else."""
    module("club").addresses[MAIL] = "ann"
    module("firm").addresses["failed"] = ""
    with pytest.raises(errors.PluginUnexpectedError, match="plugin firm"):
        await mine.find_by_address(MAIL)


async def test_a_kuid_is_a_text(mine: Any) -> None:
    """ISO-10"""
    with pytest.raises(errors.InvalidKuid):
        await mine.find_by_address("odd@mail.example")


async def test_the_hook_that_asks_is_not_blamed_for_the_time_that_others_take(
    house: Any, mine: Any, gate: Any
) -> None:
    held = gate()
    house.during("club", "address", held)
    patience = Patience(8.0)
    PATIENCE.set(patience)
    asking = asyncio.create_task(mine.find_by_address(MAIL))
    await held.reached.wait()
    assert patience._waiting
    held.open()
    assert await asking is None
    assert not patience._waiting
