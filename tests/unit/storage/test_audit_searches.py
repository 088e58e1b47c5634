"""Searches in the audit log find what is wanted, in order, and by an index, on both databases."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest
from sqlalchemy import ClauseElement, Executable, Select, insert, text
from sqlalchemy.ext.compiler import compiles

from ostiary import errors
from ostiary.services.audit_filters import Wanted
from ostiary.services.audit_log import AuditLog, Found
from ostiary.services.audit_lookups import look_up, look_up_older
from ostiary.storage import Store, apart
from ostiary.storage.tables import audit

from .conftest import House

pytestmark = pytest.mark.anyio

MANY = 2500
LOGIN = {"event": "SignedIn", "about": "robot", "strategy": "local", "address": "10.0.0.1"}
RARE = {
    "event": "RoleChanged", "author": "root", "about": "clerk", "strategy": "rare",
    "address": "10.0.0.2", "account": b"account",
}  # fmt: skip

INDEXES: list[tuple[dict[str, Any], dict[str, int], set[str]]] = [
    ({}, {}, {"audit_by_instant"}),
    ({"since": 5}, {}, {"audit_by_instant"}),
    ({"until": 5}, {}, {"audit_by_instant"}),
    ({}, {"before": 9}, {"audit_by_instant"}),
    ({}, {"after": MANY}, {"audit_pkey"}),
    *(({name: RARE[name]}, {}, {f"audit_of_{name}"}) for name in ("event", "strategy", "address")),
    *(({name: LOGIN[name]}, {}, {f"audit_of_{name}"}) for name in ("event", "strategy", "address")),
    ({"event": "Nothing"}, {}, {"audit_of_event"}),
    ({"event": "SignedIn"}, {"before": 9}, {"audit_of_event"}),
    ({"event": "RoleChanged", "since": 5, "until": 9}, {}, {"audit_of_event"}),
    ({"author": "root"}, {}, {"audit_of_author"}),
    ({"about": "robot"}, {}, {"audit_of_subject"}),
    ({"user": "root"}, {}, {"audit_of_author", "audit_of_subject"}),
    ({"accounts": (b"account",)}, {}, {"audit_of_account"}),
    ({"event": "SignedIn", "strategy": "rare"}, {}, {"audit_of_strategy"}),
    ({"event": "RoleChanged", "strategy": "local"}, {}, {"audit_of_event"}),
    ({"event": "SignedIn", "address": "10.0.0.2", "since": 5}, {}, {"audit_of_address"}),
    ({"user": "robot", "event": "RoleChanged"}, {}, {"audit_of_author", "audit_of_event"}),
    ({"event": "RoleChanged"}, {"after": 1}, {"audit_of_event"}),
    ({"event": "SignedIn"}, {"after": MANY}, {"audit_pkey"}),
    ({"user": "root", "strategy": "none"}, {"after": 1}, {"audit_of_subject", "audit_of_strategy"}),
]
"""What is wanted, from where on, and the indexes that are to find it."""


async def test_every_filter_finds_its_entries_by_an_index(house: House) -> None:
    """Alone and together, page after page and while the log is followed: never all of it."""
    store = await house.store("core")
    numbers = range(1, MANY + 1)
    rows = [{**(RARE if one % 1000 == 7 else LOGIN), "at": one} for one in numbers]
    rows = [dict.fromkeys(RARE) | row for row in rows]
    async with store.begin() as db:
        await db.execute(insert(audit), rows)
    analyze = "ANALYZE audit" if on_postgresql(store) else "SELECT 1"
    await house.backend.alter("core", lambda connection: connection.exec_driver_sql(analyze))
    for wanted, place, expected in INDEXES:
        found = [one async for plan in plans(store, wanted, place) for one in used(plan)]
        assert set(found) == expected, (wanted, place, found)


class Plan(Executable, ClauseElement):
    """Asks a database how it goes about a statement."""

    inherit_cache = False

    def __init__(self, statement: Select[Any]) -> None:
        self.statement = statement


@compiles(Plan)
def explain(plan: Plan, compiler: Any, **words: Any) -> str:
    word = "EXPLAIN" if compiler.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    return f"{word} {compiler.process(plan.statement, **words)}"


async def plans(
    store: Store, wanted: Mapping[str, Any], place: Mapping[str, int]
) -> AsyncIterator[str]:
    """Yield how the database goes about each part of a search."""
    parts = Wanted(**wanted).parts(place.get("after"))
    async with store.read() as db:
        if "before" in place:
            lookups = await look_up_older(db, parts, place["before"])
        else:
            lookups = [await look_up(db, part) for part in parts]
        for lookup in lookups:
            told: Any = Plan(lookup.query().limit(30))
            yield "\n".join(str(row[-1]) for row in (await db.execute(told)).all())


def used(plan: str) -> Iterator[str]:
    """Yield the names of indexes, and whatever else looks at rows."""
    for line in plan.splitlines():
        if "Seq Scan" in line or line.startswith("SCAN"):
            yield line
        elif "INTEGER PRIMARY KEY" in line:
            yield "audit_pkey"
        else:
            yield from (word for word in line.split() if word.startswith("audit_"))


def on_postgresql(store: Store) -> bool:
    return type(store).__name__ == "PostgreSQLStore"


PEOPLE = (None, "ann", "bob")


def entries() -> list[dict[str, Any]]:
    """Return a log by several machines, whose clocks do not agree; some instants are the same."""
    drawn = random.Random(8)
    return [
        {
            "at": number // 3 + drawn.choice((0, 0, 0, -5, 9)) + 20,
            "event": drawn.choice(("SignedIn", "SignInRefused", "UserChanged")),
            "author": drawn.choice(PEOPLE),
            "about": drawn.choice(PEOPLE),
            "strategy": drawn.choice((None, "local", "work")),
            "address": drawn.choice((None, "10.0.0.1", "10.0.0.2")),
            "account": drawn.choice((None, b"one", b"two")),
        }
        for number in range(150)
    ]


def wishes() -> Iterator[dict[str, Any]]:
    """Yield filters, alone and together."""
    drawn = random.Random(9)
    yield {}
    for _ in range(14):
        wish: dict[str, Any] = {}
        for name, values in {
            "event": ("SignedIn", "UserChanged", "Nothing"),
            "events": (("SignedIn", "UserChanged"),),
            "user": ("ann", "bob", "nobody"),
            "author": ("ann",),
            "about": ("ann", "bob"),
            "strategy": ("local", "work"),
            "address": ("10.0.0.1",),
            "since": (30, 45),
            "until": (50, 60),
            "accounts": ((b"one",), (b"one", b"two")),
        }.items():
            if drawn.random() < 0.25:
                wish[name] = drawn.choice(values)
        yield wish


def fits(wish: Mapping[str, Any], row: Any) -> bool:
    """Tell whether an entry is wanted, as the filters are told in the documentation."""
    if any(
        row[name] != wish[name]
        for name in ("event", "author", "about", "strategy", "address")
        if name in wish
    ):
        return False
    if "events" in wish and row["event"] not in wish["events"]:
        return False
    whose = [row["account"] in wish["accounts"]] if "accounts" in wish else []
    if "user" in wish:
        whose += [row["author"] == wish["user"], row["about"] == wish["user"]]
    if whose and not any(whose):
        return False
    return bool(wish.get("since", 0) <= row["at"] < wish.get("until", 10_000))


async def test_searches_find_what_is_wanted_whatever_index_they_use(house: House) -> None:
    """Against a plain look at every entry: pages, totals, and what was written after a number."""
    store, rows = await house.store("core"), entries()
    async with store.begin() as db:
        await db.execute(insert(audit), rows)
    every = [row | {"sequence": place} for place, row in enumerate(rows, start=1)]
    every.sort(key=lambda row: (-row["at"], -row["sequence"]))
    log = AuditLog(store, -1, lambda: 0)
    for wish in wishes():
        expected = [row["sequence"] for row in every if fits(wish, row)]
        wanted = Wanted(**wish)
        found = await log.search(wanted, size=200)
        assert numbers(found) == expected, wish
        assert (found.total, found.position) == (len(expected), len(rows))
        assert await paged(log, wanted) == expected, wish
        passed = await log.search(wanted, size=5, start=7)
        assert numbers(passed) == expected[7:12]
        newer = sorted(one for one in expected if one > 60)
        assert await followed(log, wanted, 60) == newer, wish


async def paged(log: AuditLog, wanted: Wanted) -> list[int]:
    """Return the numbers of all that is wanted, page by page."""
    seen = numbers(await log.search(wanted, size=20))
    while page := numbers(await log.search(wanted, size=20, before=seen[-1])) if seen else []:
        seen += page
    return seen


async def followed(log: AuditLog, wanted: Wanted, after: int) -> list[int]:
    """Return the numbers of all that was written after one."""
    seen: list[int] = []
    while (found := await log.search(wanted, size=20, after=after)).entries:
        assert found.total >= len(found.entries)
        seen += numbers(found)
        after = found.position
    assert found.position == 150
    return seen


def numbers(found: Found) -> list[int]:
    return [entry.sequence for entry in found.entries]


async def test_what_takes_too_long_is_broken_off_and_told_as_that(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for ever, nor is told that the database is not there."""
    monkeypatch.setattr(apart, "LONGEST_SECONDS", 0.2)
    store = await house.store()
    endless = text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT count(i) FROM n"
    )
    with pytest.raises(errors.TookTooLong):
        await store.search(lambda db: db.scalar(endless))
    assert await store.search(lambda db: db.scalar(text("SELECT 1"))) == 1


async def test_a_page_goes_on_from_an_entry_that_is_gone(house: House) -> None:
    store = await house.store("core")
    async with store.begin() as db:
        await db.execute(insert(audit), [{"at": at, "event": "x"} for at in (1, 2, 3)])
    log = AuditLog(store, -1, lambda: 0)
    assert numbers(await log.search(Wanted(), size=9, before=99)) == [3, 2, 1]
    assert numbers(await log.search(Wanted(), size=9, before=2)) == [1]
    assert numbers(await log.search(Wanted(), size=9, before=1)) == []
    async with store.begin() as db:
        await db.execute(audit.delete().where(audit.c.sequence == 2))
    assert numbers(await log.search(Wanted(), size=9, before=2)) == [1]
    assert (await log.search(Wanted(), size=0, after=1)).position == 1
