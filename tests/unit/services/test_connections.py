"""Ties of sockets to tokens: who hears of an expiry, when, and who does not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import insert

from ostiary.arguments import Duration
from ostiary.services.activity import Activity
from ostiary.services.batches import Batch
from ostiary.services.connections import SPARE, Connections, Socket
from ostiary.services.lifetimes import Lifetimes
from ostiary.services.lookup import Lookup
from ostiary.services.rooms import Rooms
from ostiary.services.sessions import Issued, Origin, Session
from ostiary.services.tokens import Tokens
from ostiary.storage.tables import api_keys
from ostiary.testing.clock import HOUR, SECOND, Clock

pytestmark = pytest.mark.anyio

FAR = 10**9
"""No change is later."""


class Process:
    """The tokens and sockets of one process."""

    def __init__(self, house: Any, clock: Clock) -> None:
        self.house, self.clock, services = house, clock, house.services
        lifetimes = Lifetimes(default=2 * HOUR, longest=-1, grace=SECOND)
        self.tokens = Tokens(
            house.store,
            house.core.signing_keys,
            Lookup(house.store, services.accounts, services.changes, lifetimes, clock),
            services.changes,
            services.events,
            Activity(house.store),
            lifetimes,
            clock,
            capacity=1_000_000,
        )
        self.rooms = Rooms()
        self.connections = Connections(self.tokens, self.rooms, services.changes, clock)
        self.told: list[Socket] = []

    def socket(self, session: Session | None = None) -> Socket:
        """Open a socket, and send a request with a token over it."""
        socket = Socket(expired=lambda: self.told.append(socket))
        if session is not None:
            self.connections.tie(socket, session)
        return socket

    async def issue(self, kuid: str = "ann", wanted: int = HOUR) -> Issued:
        account = await self.house.services.accounts.find(kuid)
        issued = await self.tokens.issue(
            account, Duration(wanted), Origin("badge"), unless_changed_since=FAR
        )
        assert issued is not None
        return issued

    async def session(self, kuid: str = "ann", wanted: int = HOUR) -> Session:
        return (await self.issue(kuid, wanted)).session

    async def refresh(self, session: Session, wanted: int) -> Session:
        """Refresh a token, as another process would."""
        return (await self.tokens.refresh(session, Duration(wanted), Origin())).session

    async def told_after(self, milliseconds: int) -> list[Socket]:
        """Return who is told when some time has passed."""
        self.clock.advance(milliseconds)
        await self.connections.settle()
        told, self.told = self.told, []
        return told


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def process(house: Any, clock: Clock) -> Process:
    for kuid in ("ann", "bob"):
        await house.create(kuid)
    return Process(house, clock)


@pytest.fixture
async def other(process: Process, clock: Clock, open_house: Any) -> Process:
    return Process(await open_house(), clock)


async def test_every_tied_socket_is_told_once_at_the_instant_of_expiry(process: Process) -> None:
    """WS-12, TOK-16"""
    session = await process.session()
    sockets = [process.socket(session) for _ in range(3)]
    assert await process.told_after(HOUR - 1) == []
    assert set(await process.told_after(1)) == set(sockets)
    assert await process.told_after(HOUR) == []
    assert len(process.connections) == 0


async def test_a_session_that_was_found_again_is_the_same_tie(process: Process) -> None:
    issued = await process.issue()
    socket = process.socket(issued.session)
    process.connections.tie(socket, await process.tokens.find(issued.token))
    assert len(process.connections) == 1
    assert await process.told_after(HOUR) == [socket]


async def test_a_later_token_replaces_an_earlier_one(process: Process) -> None:
    first, second = await process.session(), await process.session("bob", 2 * HOUR)
    socket = process.socket(first)
    process.connections.tie(socket, second)
    assert await process.told_after(HOUR) == []
    assert await process.told_after(HOUR) == [socket]


async def test_a_token_without_end_is_never_told_of(process: Process) -> None:
    process.socket(await process.session(wanted=-1))
    assert await process.told_after(10_000 * HOUR) == []


async def test_a_closed_socket_is_forgotten(process: Process) -> None:
    """WS-07: nothing is kept of who has gone."""
    session = await process.session()
    for _ in range(5):
        process.connections.close(process.socket(session))
    process.connections.close(process.socket())
    assert len(process.connections) == 0
    assert await process.told_after(HOUR) == []


async def test_tokens_that_come_and_go_leave_nothing_behind(process: Process) -> None:
    """WS-07: a socket that uses one token after another costs no more than one."""
    socket = process.socket()
    account = await process.house.services.accounts.find("ann")
    for number in range(1000):
        end = process.clock() + HOUR + number
        process.connections.tie(socket, Session(number.to_bytes(32), account, end, None))
    assert len(process.connections) == 1
    assert len(process.connections._ends) <= 2 + SPARE + 1


async def test_a_refreshed_token_moves_its_sockets_in_every_process(
    process: Process, other: Process
) -> None:
    old = await process.session()
    here, there = process.socket(old), other.socket(old)
    new = await process.refresh(old, 3 * HOUR)
    process.connections.move(old.fingerprint, new)
    for one, socket in ((process, here), (other, there)):
        assert await one.told_after(0) == []
        assert socket.tie is not None
        assert socket.tie.session.fingerprint == new.fingerprint
    process.clock.advance(2 * HOUR)
    assert (await process.told_after(0), await other.told_after(0)) == ([], [])
    process.clock.advance(HOUR)
    assert (await process.told_after(0), await other.told_after(0)) == ([here], [there])


async def test_a_refresh_that_was_not_heard_of_is_found_at_the_end(
    process: Process, other: Process
) -> None:
    old = await process.session()
    process.clock.advance(HOUR - SECOND // 2)
    there = other.socket(old)
    await process.refresh(await process.refresh(old, HOUR), 2 * HOUR)
    assert await other.told_after(SECOND // 2) == []
    assert await other.told_after(HOUR) == []
    assert await other.told_after(HOUR - SECOND // 2) == [there]


async def test_the_old_token_in_its_grace_leads_to_the_new_one(process: Process) -> None:
    issued = await process.issue()
    new = await process.refresh(issued.session, HOUR)
    await process.house.services.changes.catch_up()
    socket = process.socket(await process.tokens.find(issued.token))
    assert await process.told_after(SECOND) == []
    assert socket.tie is not None
    assert socket.tie.session.fingerprint == new.fingerprint


@pytest.mark.parametrize("where", ["here", "there"])
@pytest.mark.parametrize("end", ["logout", "global", "deletion"])
async def test_an_early_end_is_not_told_and_ends_subscriptions(
    process: Process, other: Process, where: str, end: str
) -> None:
    """WS-12: not after logout, revocation or deletion of the user, wherever that was."""
    session, unconcerned = await process.session(), await process.session("bob")
    one = {"here": process, "there": other}[where]
    socket, bystander = one.socket(session), one.socket(unconcerned)
    for tied in (socket, bystander):
        one.rooms.join(tied, "room")
    services = process.house.services
    match end:
        case "logout":
            await process.tokens.revoke(session)
        case "global":
            await process.tokens.revoke_all("ann")
        case "deletion":
            await services.users.delete("ann")
    assert await one.told_after(0) == []
    assert (socket.tie, socket.rooms) == (None, set())
    assert await one.told_after(HOUR) == [bystander]


async def test_an_end_that_was_not_heard_of_is_not_told(process: Process, other: Process) -> None:
    session = await process.session()
    other.socket(session)
    process.clock.advance(HOUR - 1)
    await process.tokens.revoke(session)
    assert await other.told_after(1) == []


async def test_what_was_purged_long_after_is_still_told(process: Process) -> None:
    """Housekeeping leaves expired tokens for as long as somebody may ask about them."""
    socket = process.socket(await process.session())
    process.clock.advance(HOUR + 30 * SECOND)
    await process.tokens.purge(Batch(10))
    assert await process.told_after(0) == [socket]


async def test_an_expiry_ends_the_subscriptions(process: Process) -> None:
    socket = process.socket(await process.session())
    process.rooms.join(socket, "room")
    assert await process.told_after(HOUR) == [socket]
    assert socket.rooms == set()


async def test_a_login_takes_the_sockets_of_the_token_before_with_it(process: Process) -> None:
    """Contract, 5.5: they hear of the new token's end; the old one stays good."""
    old, new = await process.session(), await process.session(wanted=2 * HOUR)
    first, second = process.socket(old), process.socket(old)
    process.connections.sign_in(first, new)
    assert await process.told_after(HOUR) == []
    assert set(await process.told_after(HOUR)) == {first, second}


@pytest.mark.parametrize("wanted, kuid", [(-1, "ann"), (HOUR, "bob")])
async def test_a_login_takes_none_of_another_user_or_without_end(
    process: Process, wanted: int, kuid: str
) -> None:
    old, new = await process.session("ann", wanted), await process.session(kuid, 2 * HOUR)
    first, second = process.socket(old), process.socket(old)
    process.connections.sign_in(first, new)
    assert second.tie is not None
    assert second.tie.session is old
    assert first in await process.told_after(2 * HOUR)


async def test_an_api_key_that_expires_is_told_of_and_a_deleted_one_is_not(
    process: Process,
) -> None:
    account = await process.house.services.accounts.find("ann")
    sessions = [
        Session(number.to_bytes(32), account, process.clock() + HOUR, None) for number in (1, 2)
    ]
    async with process.house.store.begin() as db:
        row = {
            "id": "key",
            "kuid": "ann",
            "generation": account.user.generation,
            "fingerprint": sessions[0].fingerprint,
            "key_id": "k",
            "description": "",
            "ttl": HOUR,
            "created_at": process.clock(),
            "expires_at": process.clock() + HOUR,
        }
        await db.execute(insert(api_keys).values(row))
    kept, deleted = (process.socket(session) for session in sessions)
    assert await process.told_after(HOUR) == [kept]
    assert deleted.tie is None


async def test_who_watches_wakes_at_the_end(process: Process) -> None:
    """WS-12: at once, not at the next round."""
    start = asyncio.get_running_loop().time()
    socket = process.socket(await process.session(wanted=50))
    process.clock.advance(-10)
    watching = asyncio.create_task(process.connections.watch())
    await asyncio.sleep(0)
    process.clock.advance(60)
    await watching
    assert process.told == [socket]
    assert asyncio.get_running_loop().time() - start < 0.4
