"""The audit log in the store: only added to, kept as long as is wanted, searched."""

from __future__ import annotations

import time
from typing import Any

import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import IntegrityError

from ostiary.events import RoleDeleted, UserDeleted
from ostiary.services.audit_filters import Wanted
from ostiary.services.audit_log import AuditLog
from ostiary.services.batches import Batch
from ostiary.storage.tables import audit
from ostiary.testing.clock import Clock

pytestmark = pytest.mark.anyio

DAY = 86_400_000
ROW = {"event": "UserDeleted", "about": "ann"}


def now() -> int:
    return time.time_ns() // 1_000_000


async def write(house: Any, *instants: int) -> None:
    async with house.store.begin() as db:
        for at in instants:
            await db.execute(insert(audit).values(at=at, **ROW))


async def instants(house: Any) -> list[int]:
    return [row.at for row in await house.rows(audit) if row.about == "ann"]


@pytest.mark.parametrize(
    "statement",
    [
        update(audit).values(about="bob"),
        delete(audit),
        insert(audit).prefix_with("OR REPLACE").values(sequence=1, at=1, event="x"),
    ],
    ids=["change", "delete", "replace"],
)
async def test_the_store_refuses_to_change_what_was_told(house: Any, statement: Any) -> None:
    """LEAK-07: nobody covers their traces through us, whatever we are made to run."""
    await write(house, now())
    before = await house.rows(audit)
    with pytest.raises(IntegrityError):
        async with house.store.begin() as db:
            await db.execute(statement)
    assert await house.rows(audit) == before


async def test_what_is_old_goes_in_batches_and_the_rest_stays(house: Any) -> None:
    clock = Clock(now())
    log = AuditLog(house.store, 2 * DAY, clock)
    old, young = clock() - 3 * DAY, clock() - DAY
    await write(house, old, young, old, old)
    assert [await log.purge(Batch(2)), await log.purge(Batch(2)), await log.purge(Batch(2))] == [
        2,
        1,
        0,
    ]
    assert await instants(house) == [young]


async def test_for_ever_is_for_ever(house: Any) -> None:
    log = AuditLog(house.store, -1, Clock(now()))
    await write(house, 1)
    assert await log.purge(Batch(100)) == 0
    assert await instants(house) == [1]


async def test_a_server_that_forgets_after_a_day_does_not_argue_with_the_store(house: Any) -> None:
    log = AuditLog(house.store, DAY, Clock(now()))
    await write(house, now() - DAY - 1, now() - DAY - 3_600_000)
    assert await log.purge(Batch(100)) == 1


async def test_entries_are_found_by_whoever_did_it_or_whom_it_was_done_to(house: Any) -> None:
    events, log = house.services.events, house.services.audit_log
    await events.emit(UserDeleted(kuid="ann", author="root", address="10.0.0.1"))
    await events.emit(RoleDeleted(id="clerk", author="ann"))
    await events.emit(UserDeleted(kuid="bob", author="root"))

    async def abouts(**wanted: Any) -> list[str | None]:
        found = await log.search(Wanted(**wanted), size=10)
        entries, total = found.entries, found.total
        assert total == len(entries)
        return [entry.about for entry in entries]

    assert await abouts(user="ann") == ["clerk", "ann"]
    assert await abouts(about="ann") == ["ann"]
    assert await abouts(author="root") == ["bob", "ann"]
    assert await abouts(event="UserDeleted", address="10.0.0.1") == ["ann"]
    assert await abouts(accounts=(b"nobody",)) == []
    assert await abouts(author="root", until=1) == []


async def test_reading_on_from_a_number_misses_nothing_and_repeats_nothing(house: Any) -> None:
    events, log = house.services.events, house.services.audit_log
    await events.emit(UserDeleted(kuid="ann"))
    seen = [entry async for entry in log.read()]
    await events.emit(UserDeleted(kuid="bob"))
    more = [entry async for entry in log.read(after=seen[-1].sequence)]
    assert [entry.about for entry in more] == ["bob"]


async def test_what_is_rolled_back_was_never_told(house: Any) -> None:
    before = await house.rows(audit)
    with pytest.raises(ZeroDivisionError):
        async with house.store.begin() as db:
            await house.services.events.record(db, UserDeleted(kuid="ann"))
            1 / 0  # noqa: B018
    assert await house.rows(audit) == before
