"""Tickets: who may do what once, for a while."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import func, select

from ostiary_local import tickets
from ostiary_local.accounts import now
from ostiary_local.tables import tickets as rows

from .conftest import Local

pytestmark = pytest.mark.anyio

HOUR = 3_600_000


@pytest.fixture
async def ann(local: Local) -> Local:
    await local.create("ann", username="ann", password="secret")
    return local


async def issued(local: Local, bound: str = "1", lifetime: int = HOUR) -> str:
    return await tickets.issue(local.store, "reset", "ann", bound, lifetime)


async def test_a_ticket_tells_what_it_is_good_for_and_for_nothing_else(ann: Local) -> None:
    ticket = await issued(ann, "7")
    found = await tickets.find(ann.store, "reset", ticket)
    assert found is not None
    assert (found.kuid, found.bound, found.expired) == ("ann", "7", False)
    assert await tickets.find(ann.store, "verify", ticket) is None
    assert await tickets.find(ann.store, "reset", ticket[:-1]) is None
    assert await tickets.find(ann.store, "reset", "") is None
    assert await tickets.find(ann.store, "reset", "\ud800") is None


async def test_no_two_are_alike_and_none_stands_in_the_store(ann: Local) -> None:
    """PWD-10: 256 random bits, of which the store has a hash."""
    given = [await issued(ann) for _ in range(3)]
    assert len(set(given)) == 3
    assert all(len(ticket) == 43 for ticket in given)
    files = b"".join(path.read_bytes() for path in ann.folder.glob("local.db*"))
    assert not [ticket for ticket in given if ticket.encode() in files]


async def test_the_oldest_of_many_gives_way(ann: Local) -> None:
    given = [await issued(ann) for _ in range(tickets.MOST + 2)]
    good = [ticket for ticket in given if await tickets.find(ann.store, "reset", ticket)]
    assert len(good) == tickets.MOST
    assert given[-1] in good


async def test_many_at_once_are_no_more_than_one_after_the_other(ann: Local) -> None:
    await asyncio.gather(*(issued(ann) for _ in range(4 * tickets.MOST)))
    async with ann.store.read() as db:
        assert await db.scalar(select(func.count()).select_from(rows)) == tickets.MOST


async def test_an_expired_one_is_known_for_a_while_and_then_removed(
    ann: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = await issued(ann)

    def later(milliseconds: int) -> None:
        monkeypatch.setattr(tickets, "now", lambda: now() + milliseconds)

    later(HOUR)
    found = await tickets.find(ann.store, "reset", ticket)
    assert found is not None
    assert found.expired
    later(HOUR + tickets.KEPT + 1000)
    # Of anybody: whoever is given one sweeps.
    await tickets.issue(ann.store, "reset", "bob", "1", HOUR)
    assert await tickets.find(ann.store, "reset", ticket) is None
