"""One-time codes: what was proved at the end of a login, until a page hands it in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ostiary import Call, Newcomer, Redirect, Verified, errors
from ostiary.services.flows import Flow, Handle, Holder
from ostiary.services.logins import Proved, SignedIn
from ostiary.services.returning import Returning
from ostiary.services.sessions import Origin
from ostiary.services.subjects import Place
from ostiary.storage.tables import tokens, users

pytestmark = pytest.mark.anyio

# RFC 7636, appendix B
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
RETURNING = Returning("https://app.example/", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
AWAY = Redirect("https://door.example/", state={})
HERE = Place("127.0.0.1", None)


def giving(verdict: Any) -> Callable[[str], Awaitable[Any]]:
    async def verify(_kuid: str) -> Any:
        return verdict

    return verify


async def proved(house: Any, verdict: Any) -> Proved:
    """Come back from elsewhere with what a strategy says to it."""
    services = house.services
    begun = await services.flows.begin("badge", AWAY, Holder(), "", returning=RETURNING)
    flow = await services.flows.find(
        "badge", Handle(begun.handle, "redirect"), Holder(begun.cookie)
    )
    house.during("badge", "verify", giving(verdict))
    outcome = await services.logins.sign_in(
        "badge", {}, Call(), None, Origin("badge"), HERE, flow=flow
    )
    assert isinstance(outcome, Proved)
    return outcome


async def coded(house: Any, verdict: Any) -> Flow:
    """Return what a code stands for that a page has got."""
    outcome = await proved(house, verdict)
    code = await house.services.exchanges.offer("badge", RETURNING, outcome, Holder(), "")
    flow: Flow = await house.services.flows.find("badge", Handle(code, "code"), Holder(VERIFIER))
    return flow


async def redeem(house: Any, flow: Flow) -> SignedIn:
    outcome = await house.services.exchanges.redeem("badge", flow, Origin("badge"), HERE)
    assert isinstance(outcome, SignedIn)
    return outcome


async def test_a_token_is_made_when_a_code_is_handed_in_and_not_before(house: Any) -> None:
    await house.create("ann", badge="1")
    flow = await coded(house, Verified("ann"))
    assert await house.rows(tokens) == []
    assert (await redeem(house, flow)).issued.kuid == "ann"
    assert len(await house.rows(tokens)) == 1


async def test_what_the_plugin_calls_the_session_is_kept(house: Any) -> None:
    """So that a provider can end it (back-channel logout)."""
    await house.create("ann", badge="1")
    await redeem(house, await coded(house, Verified("ann", session="sid")))
    assert [row.foreign_session for row in await house.rows(tokens)] == ["sid"]


async def test_somebody_who_is_new_is_let_in_as_well(house: Any) -> None:
    flow = await coded(house, Newcomer({"badge": "1"}, {"name": "Ann"}))
    (made,) = await house.rows(users)
    assert (await redeem(house, flow)).issued.kuid == made.kuid


async def test_of_many_pages_at_once_one_gets_the_token(house: Any) -> None:
    await house.create("ann", badge="1")
    flow = await coded(house, Verified("ann"))
    outcomes = await asyncio.gather(
        *(redeem(house, flow) for _ in range(5)), return_exceptions=True
    )
    assert sorted(isinstance(one, errors.FlowOver) for one in outcomes) == [False, *[True] * 4]
    assert len(await house.rows(tokens)) == 1


async def test_a_user_who_was_made_anew_meanwhile_is_another(house: Any) -> None:
    """TOK-13"""
    await house.create("ann", badge="1")
    flow = await coded(house, Verified("ann"))
    await house.services.users.delete("ann")
    await house.create("ann", badge="2")
    with pytest.raises(errors.FlowOver):
        await redeem(house, flow)
    assert await house.rows(tokens) == []


@pytest.mark.parametrize(
    "named, over",
    [
        ({"kuid": "ann", "session": "sid"}, True),
        ({"kuid": None, "session": "sid"}, True),
        ({"kuid": "ann", "strategy": "badge"}, True),
        ({"kuid": "ann"}, True),
        ({"kuid": "ann", "session": "another"}, False),
        ({"kuid": None, "session": "another"}, False),
        ({"kuid": "bob", "session": "sid"}, False),
        ({"kuid": "bob"}, False),
    ],
)
async def test_a_code_ends_with_the_session_that_it_would_have_begun(
    house: Any, named: dict[str, Any], over: bool
) -> None:
    """Back-Channel Logout 1.0, 2.7: and with no other."""
    await house.create("ann", badge="1")
    await house.create("bob", badge="2")
    flow = await coded(house, Verified("ann", session="sid"))
    assert await house.services.directories.of("badge").end_sessions(**named) == 0
    if over:
        with pytest.raises(errors.FlowOver):
            await redeem(house, flow)
        assert await house.rows(tokens) == []
    else:
        assert (await redeem(house, flow)).issued.kuid == "ann"


async def test_another_plugin_ends_no_code(house: Any) -> None:
    """ISO-10"""
    await house.create("ann", badge="1", card="2")
    flow = await coded(house, Verified("ann", session="sid"))
    await house.services.directories.of("card").end_sessions("ann", session="sid")
    await house.services.directories.of("card").end_sessions("ann")
    assert (await redeem(house, flow)).issued.kuid == "ann"


async def test_a_session_that_is_ended_while_it_is_being_proved_does_not_begin(house: Any) -> None:
    await house.create("ann", badge="1")
    services = house.services
    begun = await services.flows.begin("badge", AWAY, Holder(), "")
    handle = Handle(begun.handle, "redirect")
    flow = await services.flows.find("badge", handle, Holder(begun.cookie))

    async def verify(_kuid: str) -> Any:
        await services.sessions.end_of(None, ("badge",), foreign="sid")
        return Verified("ann", session="sid")

    house.during("badge", "verify", verify)
    with pytest.raises(errors.FlowOver):
        await services.logins.sign_in("badge", {}, Call(), None, Origin("badge"), HERE, flow=flow)
    assert await house.rows(tokens) == []
