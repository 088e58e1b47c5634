"""What is kept of a login between two steps: once, for a while, and sealed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ostiary import Challenge, Redirect, errors
from ostiary.services.batches import Batch
from ostiary.services.counters import Counted
from ostiary.services.flows import Flows, Handle, Holder, check_step
from ostiary.services.returning import CODE_LIFETIME, Proof, Returning
from ostiary.storage.tables import login_flows
from ostiary.testing.clock import Clock
from ostiary.verdicts import LONGEST_LIFETIME

pytestmark = pytest.mark.anyio

SECRET = "what the plugin wants back"
ASKED = Challenge(("pin",), state={"secret": SECRET}, lifetime=60_000)
AWAY = Redirect("https://door.example/", state={"secret": SECRET})
PROVED = Proof({"secret": SECRET})
NOBODY = Holder()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(house: Any, clock: Clock) -> Callable[..., Flows]:
    return lambda **limits: Flows(house.store, b"key" * 10, clock, **limits)


@pytest.fixture
def flows(make: Callable[..., Flows]) -> Flows:
    return make()


async def test_what_a_plugin_wants_back_comes_back_once(flows: Flows) -> None:
    counted = [Counted(b"subject", -3, 0)]
    begun = await flows.begin("s", ASKED, NOBODY, "", account=b"of ann", counted=counted)
    handle = Handle(begun.handle, "challenge")
    flow = await flows.find("s", handle, NOBODY)
    assert (flow.state, flow.account) == ({"secret": SECRET}, b"of ann")
    assert flow.counted == (Counted(b"subject", -3, 0),)
    await flows.spend(flow)
    with pytest.raises(errors.FlowOver):
        await flows.find("s", handle, NOBODY)


async def test_of_many_answers_at_once_one_wins(flows: Flows) -> None:
    begun = await flows.begin("s", ASKED, NOBODY, "")
    flow = await flows.find("s", Handle(begun.handle, "challenge"), NOBODY)
    done = await asyncio.gather(*(flows.spend(flow) for _ in range(50)), return_exceptions=True)
    assert done.count(None) == 1
    assert sum(isinstance(one, errors.FlowOver) for one in done) == 49


async def test_it_is_over_when_its_time_is(flows: Flows, clock: Clock, house: Any) -> None:
    """OAU-03"""
    begun = await flows.begin("s", ASKED, NOBODY, "")
    flow = await flows.find("s", Handle(begun.handle, "challenge"), NOBODY)
    clock.advance(60_000)
    with pytest.raises(errors.FlowOver):
        await flows.find("s", Handle(begun.handle, "challenge"), NOBODY)
    with pytest.raises(errors.FlowOver):
        await flows.spend(flow)
    assert await flows.purge(Batch(100)) == 1
    assert await house.rows(login_flows) == []


async def test_purging_leaves_what_is_under_way(flows: Flows, house: Any) -> None:
    await flows.begin("s", ASKED, NOBODY, "")
    assert await flows.purge(Batch(100)) == 0
    assert len(await house.rows(login_flows)) == 1


async def test_a_dump_answers_nothing(flows: Flows, house: Any) -> None:
    """ISO-01, OAU-03"""
    begun = await flows.begin("s", AWAY, NOBODY, "192.0.2.7")
    (row,) = await house.rows(login_flows)
    for secret in (SECRET, begun.handle, begun.cookie, "192.0.2.7"):
        assert secret is not None
        assert secret.encode() not in b"|".join(str(one).encode() for one in row)
        assert all(secret.encode() not in one for one in row if isinstance(one, bytes))


async def test_a_row_in_another_place_answers_nothing(flows: Flows, house: Any) -> None:
    """ISO-12"""
    mine = await flows.begin("s", ASKED, NOBODY, "")
    other = Challenge(("pin",), state={"kuid": "root"})
    theirs = await flows.begin("s", other, NOBODY, "")
    find = [one.fingerprint for one in sorted(await house.rows(login_flows), key=lambda r: r[-1])]
    async with house.store.begin() as db:
        sealed = (
            login_flows.select().with_only_columns(login_flows.c.sealed).where(
                login_flows.c.fingerprint == find[1]
            )
        ).scalar_subquery()  # fmt: skip
        own = login_flows.update().where(login_flows.c.fingerprint == find[0])
        await db.execute(own.values(sealed=sealed))
    with pytest.raises(errors.FlowOver):
        await flows.find("s", Handle(mine.handle, "challenge"), NOBODY)
    found = await flows.find("s", Handle(theirs.handle, "challenge"), NOBODY)
    assert found.state == {"kuid": "root"}


@pytest.mark.parametrize(
    "strategy, kind, holder",
    [
        ("other", "redirect", "mine"),
        ("s", "challenge", "mine"),
        ("s", "redirect", "theirs"),
        ("s", "redirect", None),
    ],
)
async def test_it_is_of_one_strategy_one_kind_and_one_browser(
    flows: Flows, strategy: str, kind: Any, holder: str | None
) -> None:
    """OAU-04, OAU-10: and nobody else can spend it."""
    begun = await flows.begin("s", AWAY, NOBODY, "")
    assert begun.cookie is not None
    cookies = {"mine": begun.cookie, "theirs": "x" * 43, None: None}
    with pytest.raises(errors.FlowOver):
        await flows.find(strategy, Handle(begun.handle, kind), Holder(cookies[holder]))
    found = await flows.find("s", Handle(begun.handle, "redirect"), Holder(begun.cookie))
    assert found.state == {"secret": SECRET}


async def test_a_code_is_of_who_has_what_it_is_bound_to(flows: Flows, clock: Clock) -> None:
    """RFC 7636, 4.6, with the verifier and challenge of its appendix B; for a minute."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    returning = Returning("https://app.example/", challenge)
    begun = await flows.begin("s", PROVED, Holder("cookie"), "", returning=returning)
    handle = Handle(begun.handle, "code")
    for holder in (NOBODY, Holder("cookie"), Holder(challenge), Holder(verifier.lower())):
        with pytest.raises(errors.FlowOver):
            await flows.find("s", handle, holder)
    assert (await flows.find("s", handle, Holder(verifier))).state == {"secret": SECRET}
    clock.advance(CODE_LIFETIME)
    with pytest.raises(errors.FlowOver):
        await flows.find("s", handle, Holder(verifier))


async def test_a_code_without_a_challenge_is_of_the_browser(flows: Flows) -> None:
    returning = Returning("https://app.example/", None)
    begun = await flows.begin("s", PROVED, Holder("cookie"), "", returning=returning)
    handle = Handle(begun.handle, "code")
    for holder in (NOBODY, Holder("other")):
        with pytest.raises(errors.FlowOver):
            await flows.find("s", handle, holder)
    assert (await flows.find("s", handle, Holder("cookie"))).returning == returning


async def test_a_handle_that_a_plugin_has_given_is_given_once(flows: Flows) -> None:
    own = replace(AWAY, handle="x" * 43)
    begun = await flows.begin("s", own, NOBODY, "")
    assert begun.handle == own.handle
    with pytest.raises(errors.InvalidVerdict):
        await flows.begin("s", own, NOBODY, "")
    found = await flows.find("s", Handle("x" * 43, "redirect"), Holder(begun.cookie))
    assert found.state == {"secret": SECRET}


async def test_the_tabs_of_a_browser_share_a_cookie(flows: Flows) -> None:
    first = await flows.begin("s", AWAY, NOBODY, "")
    second = await flows.begin("s", AWAY, Holder(first.cookie), "")
    assert second.cookie == first.cookie
    for begun in (first, second):
        found = await flows.find("s", Handle(begun.handle, "redirect"), Holder(first.cookie))
        assert found.state == {"secret": SECRET}


@pytest.mark.parametrize("step", [ASKED, AWAY])
async def test_on_a_socket_it_is_of_that_socket(flows: Flows, step: Any) -> None:
    """Decision 29"""
    kind: Any = "challenge" if step is ASKED else "redirect"
    begun = await flows.begin("s", step, Holder("one", socket=True), "")
    assert begun.cookie is None
    for holder in (NOBODY, Holder("two", socket=True)):
        with pytest.raises(errors.FlowOver):
            await flows.find("s", Handle(begun.handle, kind), holder)
    found = await flows.find("s", Handle(begun.handle, kind), Holder("one", socket=True))
    assert found.state == {"secret": SECRET}


async def test_who_floods_the_server_loses_their_own(
    make: Callable[..., Flows], house: Any, clock: Clock
) -> None:
    """OAU-21"""
    flows = make(per_network=3, in_all=5)
    begun = {}
    for number, address in enumerate(["home", *["flood"] * 6, "office"]):
        begun[number] = await flows.begin("s", ASKED, NOBODY, address)
        clock.advance(1)
    assert len(await house.rows(login_flows)) == 5
    for number, there in enumerate([True, False, False, False, True, True, True, True]):
        handle = Handle(begun[number].handle, "challenge")
        if there:
            await flows.find("s", handle, NOBODY)
            continue
        with pytest.raises(errors.FlowOver):
            await flows.find("s", handle, NOBODY)
    await flows.begin("s", ASKED, NOBODY, "school")
    assert len(await house.rows(login_flows)) == 5


@pytest.mark.parametrize(
    "step",
    [
        Challenge(("pin",), lifetime=0),
        Challenge(("pin",), lifetime=LONGEST_LIFETIME + 1),
        Challenge(("pin",), lifetime=True),
        Challenge(("pin",), lifetime="1m"),  # type: ignore[arg-type]
        Challenge(("challenge",)),
        Challenge("pin"),  # type: ignore[arg-type]
        Challenge(("pin",), question={"a": object()}),
        Challenge(("pin",), question="what?"),  # type: ignore[arg-type]
        Challenge(("pin",), state="state"),  # type: ignore[arg-type]
        Redirect("https://door.example/\r\nset-cookie: a=b"),
        Redirect(None),  # type: ignore[arg-type]
    ],
)
async def test_what_nobody_can_be_asked_is_the_fault_of_the_plugin(step: Any) -> None:
    """ISO-10"""
    with pytest.raises(errors.InvalidVerdict):
        check_step("s", step)


@pytest.mark.parametrize("state", [{"a": object()}, {"a": "\ud800"}, {"a": "x" * 20_000}])
async def test_a_state_that_cannot_be_kept_is_the_fault_of_the_plugin(
    flows: Flows, state: Any
) -> None:
    with pytest.raises(errors.InvalidVerdict):
        await flows.begin("s", Challenge(("pin",), state=state), NOBODY, "")
