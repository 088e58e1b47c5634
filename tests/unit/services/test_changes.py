"""The log of changes: what one process writes, every other knows before its next request."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, closing
from typing import Any, cast

import pytest
import uvloop
from sqlalchemy import func, select

from ostiary import errors
from ostiary.clock import now
from ostiary.eager import Eager
from ostiary.services.batches import Batch
from ostiary.services.changes import RETENTION, Changes
from ostiary.services.sessions import Origin
from ostiary.storage.tables import changes as log
from ostiary.testing.clock import Clock

pytestmark = pytest.mark.anyio

FAR = 10**9
"""No change is later."""


def heard(changes: Any) -> list[tuple[str, str]]:
    told: list[tuple[str, str]] = []
    changes.listen(lambda what, name: told.append((what, name)))
    return told


async def write(house: Any, *changes: tuple[str, str]) -> None:
    async with house.store.begin() as db:
        for what, id in changes:
            await house.services.changes.record(db, what, id)


async def test_a_change_is_seen_by_every_process_before_its_next_request(open_house: Any) -> None:
    one, other = await open_house(), await open_house()
    # The second has noted its plugins at its start.
    assert one.services.changes.pending()
    await one.services.changes.catch_up()
    told = [heard(house.services.changes) for house in (one, other)]
    assert not any(house.services.changes.pending() for house in (one, other))
    await write(one, ("user", "ann"), ("rights", ""))
    for house in (one, other):
        assert house.services.changes.pending()
        await house.services.changes.catch_up()
        assert not house.services.changes.pending()
    assert told == [[("user", "ann"), ("rights", "")]] * 2


async def test_a_token_revoked_in_one_process_is_refused_by_the_other(open_house: Any) -> None:
    """TOK-10, TOK-14"""
    one, other = await open_house(), await open_house()
    await one.create("ann")
    account = await one.services.accounts.find("ann")
    token = (
        await one.services.tokens.issue(account, None, Origin(), unless_changed_since=FAR)
    ).token
    assert (await other.services.tokens.find(token)).account.kuid == "ann"
    await one.services.tokens.revoke(await one.services.tokens.find(token))
    for house in (one, other):
        assert house.services.changes.pending()
        await house.services.changes.catch_up()
        assert house.services.tokens.peek(token) is None


async def test_a_change_that_is_rolled_back_is_never_heard(house: Any) -> None:
    told = heard(house.services.changes)
    with pytest.raises(ZeroDivisionError):
        async with house.store.begin() as db:
            await house.services.changes.record(db, "user", "ann")
            raise ZeroDivisionError
    await write(house, ("user", "bob"))
    await house.services.changes.catch_up()
    assert told == [("user", "bob")]


async def test_nothing_is_heard_twice_and_everything_in_order(house: Any) -> None:
    told = heard(house.services.changes)
    await asyncio.gather(*(write(house, ("user", str(number))) for number in range(20)))
    await asyncio.gather(*(house.services.changes.catch_up() for _ in range(5)))
    async with house.store.read() as db:
        written = (await db.execute(select(log.c.id).order_by(log.c.sequence))).scalars().all()
    assert [id for _, id in told] == written[-20:]
    assert sorted(written[-20:]) == sorted(str(number) for number in range(20))


async def test_who_comes_while_others_read_shares_the_next_read(house: Any) -> None:
    """However many requests ask before they are answered, two reads at most are under way."""
    changes, reads = house.services.changes, 0
    fetch = house.store.fetch

    async def counted(*asked: Any) -> Any:
        nonlocal reads
        reads += 1
        # As on PostgreSQL, an answer takes its time.
        await asyncio.sleep(0.01)
        return await fetch(*asked)

    house.store.fetch = counted
    first = asyncio.create_task(changes.catch_up())
    await asyncio.sleep(0.005)
    await write(house, ("user", "ann"))
    told = heard(changes)
    await asyncio.gather(*(changes.catch_up() for _ in range(50)))
    assert (reads, told) == (2, [("user", "ann")])
    assert first.done()


async def test_a_read_that_fails_fails_for_all_who_wait_for_it(house: Any) -> None:
    """REL-03: they do not try one after the other, each for as long as it takes."""
    changes, reads = house.services.changes, 0
    fetch = house.store.fetch

    async def gone(*_: Any) -> Any:
        nonlocal reads
        reads += 1
        raise errors.StoreUnavailable(retry_after=1)

    house.store.fetch = gone
    done = await asyncio.gather(*(changes.catch_up() for _ in range(50)), return_exceptions=True)
    assert all(isinstance(one, errors.StoreUnavailable) for one in done)
    assert reads == 1
    house.store.fetch = fetch
    await changes.catch_up()


def commit(house: Any) -> None:
    """Change something as another process does."""
    with closing(sqlite3.connect(house.core.settings.data.dir / "core.db")) as other, other:
        other.execute("INSERT INTO installation VALUES ('another', 'process')")


async def test_who_asks_again_looks_again(house: Any) -> None:
    """REL-04: a body may have come after its head, and after somebody else was asked."""
    changes = house.services.changes
    assert not changes.pending()
    commit(house)
    assert changes.pending()


def run(make_loop: Callable[[], Any], work: Callable[[Asking], Awaitable[None]]) -> None:
    """Run a test with three clients on a loop of its own: that of other tests is no uvloop."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        asking, pairs = Asking(Eager(loop)), [socket.socketpair() for _ in range(3)]
        asking.clients = [client for _, client in pairs]
        with ExitStack() as stack:
            for ours, client in pairs:
                stack.callback(client.close)
                made, _ = await loop.create_connection(lambda: asking, sock=ours)
                stack.callback(made.close)
            await work(asking)

    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(main())


ON_EACH_LOOP = pytest.mark.parametrize(
    "make_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)


@ON_EACH_LOOP
def test_requests_that_arrive_together_look_once(make_loop: Callable[[], Any]) -> None:
    async def work(asking: Asking) -> None:
        # Whichever is read first changes something: the others were there before it did.
        assert await asking.send(b"and change") == [False] * 3
        assert asking.watch.looks == 1
        assert await asking.send(b"ask") == [True] * 3
        assert asking.watch.looks == 2

    run(make_loop, work)


@ON_EACH_LOOP
def test_who_is_sent_after_a_task_has_looked_looks_again(make_loop: Callable[[], Any]) -> None:
    """REL-04: uvloop reads it in the same turn."""

    async def work(asking: Asking) -> None:
        assert await asking.send(b"ask") == [False] * 3
        await asyncio.sleep(0)
        assert not asking.changes.pending()
        asking.watch.news = True
        assert await asking.send(b"ask") == [True] * 3

    run(make_loop, work)


class Asking(asyncio.Protocol):
    """Asks whether there are changes, for each request of three clients."""

    clients: Sequence[socket.socket] = ()

    def __init__(self, eager: Eager) -> None:
        self.watch, self.told, self._eager = Watch(), list[bool](), eager
        self.changes = Changes(cast("Any", None), self.watch, nobody, now)

    def data_received(self, data: bytes) -> None:
        self._eager.run(self._ask())
        if data == b"and change":
            self.watch.news = True

    async def send(self, text: bytes) -> list[bool]:
        """Send to all at once, and return what was told."""
        self.told.clear()
        for client in self.clients:
            client.send(text)
        async with asyncio.timeout(10):
            while len(self.told) < len(self.clients):
                await asyncio.sleep(0)
        return self.told.copy()

    async def _ask(self) -> None:
        self.told.append(self.changes.pending())


class Watch:
    """Counts how often it is asked for changes."""

    news = False
    looks = 0

    def changed(self) -> bool:
        self.looks += 1
        news, self.news = self.news, False
        return news

    def healthy(self) -> bool:
        return True

    async def close(self) -> None:
        pass


async def other_changes(house: Any, clock: Clock) -> Changes:
    """Return what another process would have, whose clock is ours."""
    changes = Changes(house.store, house.services.changes._watch, nobody, clock)
    await changes.start()
    return changes


async def nobody(_db: Any) -> None:
    """Wake nobody: on SQLite every commit is seen."""


@pytest.mark.parametrize("asleep, forgets", [(RETENTION // 2, False), (RETENTION // 2 + 1, True)])
async def test_who_was_asleep_for_half_the_retention_forgets_everything(
    house: Any, asleep: int, *, forgets: bool
) -> None:
    clock = Clock()
    changes = await other_changes(house, clock)
    told = heard(changes)
    clock.advance(asleep)
    await changes.catch_up()
    assert told == ([("rights", ""), ("strategies", "")] if forgets else [])
    await changes.catch_up()
    assert len(told) == 2 * forgets


async def test_only_what_every_process_has_read_is_purged(house: Any) -> None:
    clock = Clock()
    changes = await other_changes(house, clock)
    for _ in range(5):
        async with house.store.begin() as db:
            await changes.record(db, "user", "ann")
    clock.advance(RETENTION)
    await changes.purge(Batch(2))
    count = select(func.count()).where(log.c.id == "ann")
    async with house.store.read() as db:
        assert await db.scalar(count) == 5
    clock.advance(1)
    await changes.purge(Batch(2))
    async with house.store.read() as db:
        assert await db.scalar(count) == 3


async def test_sequence_numbers_are_never_used_again(house: Any) -> None:
    """A process that has read up to a number would miss a second change of that number."""
    clock = Clock()
    changes = await other_changes(house, clock)
    async with house.store.begin() as db:
        await changes.record(db, "user", "ann")
    await changes.catch_up()
    position = changes.position
    clock.advance(RETENTION + 1)
    await changes.purge(Batch(1000))
    async with house.store.begin() as db:
        await changes.record(db, "user", "bob")
    await changes.catch_up()
    assert changes.position > position


async def test_a_new_process_begins_at_the_present(open_house: Any) -> None:
    house = await open_house()
    await write(house, ("user", "ann"))
    later = await open_house()
    told = heard(later.services.changes)
    await later.services.changes.catch_up()
    assert told == []
    assert await later.services.changes.reachable()


async def test_who_has_not_read_what_a_wrong_clock_has_removed_forgets_everything(
    open_house: Any,
) -> None:
    """REL-08: a machine that is hours ahead removes what others have not seen."""
    one, other = await open_house(), await open_house()
    await write(one, ("user", "ann"))
    await other.services.changes.catch_up()
    told = heard(other.services.changes)
    await write(one, ("user", "bob"))
    await write(one, ("user", "cid"))
    fast = Clock(now() + 3 * RETENTION)
    await Changes(one.store, one.services.changes._watch, nobody, fast).purge(Batch(100))
    assert other.services.changes.pending()
    await other.services.changes.catch_up()
    assert ("rights", "") in told
    told.clear()
    await write(one, ("user", "dan"))
    assert other.services.changes.pending()
    await other.services.changes.catch_up()
    assert told == [("user", "dan")]


@pytest.mark.parametrize("further", [0, 1, 4])
async def test_who_has_read_what_the_database_no_longer_knows_forgets_everything(
    open_house: Any, further: int
) -> None:
    """REL-04: after a failover that lost changes, or a restore, numbers are given a second time."""
    one, other = await open_house(), await open_house()
    await write(one, ("user", "ann"), ("user", "bob"), ("user", "cid"))
    await other.services.changes.catch_up()
    told, read = heard(other.services.changes), other.services.changes.position
    with closing(sqlite3.connect(one.core.settings.data.dir / "core.db")) as file, file:
        file.execute("DELETE FROM changes WHERE sequence > ?", (read - 3,))
        file.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'changes'", (read - 3,))
    await write(one, *[("user", f"new-{n}") for n in range(further)])
    await other.services.changes.catch_up()
    assert told[-2:] == [("rights", ""), ("strategies", "")]
    assert other.services.changes.position == read - 3 + further
    told.clear()
    await write(one, ("user", "dan"))
    await other.services.changes.catch_up()
    assert told == [("user", "dan")]
