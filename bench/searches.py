"""How long searches among many users take, on SQLite and PostgreSQL.

    python bench/searches.py [--users 100000] [--rounds 15] [--postgresql]

The searches are made by the service itself, without a network: what is measured is the database
and the reading of documents. "Our CPU" is the time that this process worked, in which SQLite is
contained and PostgreSQL is not: on a machine that does other things it is what to compare.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import insert

from ostiary.hash_pool import HashPool
from ostiary.hashing import Argon2Parameters, Hasher
from ostiary.keys import MasterKey
from ostiary.services.search import Page, Search
from ostiary.services.search.scrolls import Scrolls
from ostiary.services.user_rows import USERS
from ostiary.services.values import values_of
from ostiary.storage import Backend, Store, migrate
from ostiary.storage.postgresql import PostgreSQL
from ostiary.storage.provision import provision
from ostiary.storage.sqlite import SQLite
from ostiary.storage.store import CORE
from ostiary.storage.tables import search_values, user_profiles, user_strategies, users
from ostiary.testing.postgresql import ThrowAwayPostgreSQL

BATCH = 2000
CITIES = ("Lisbon", "Porto", "Braga", "Faro", "Évora")
MASTER = MasterKey(os.urandom(32))
TEN = Page(size=10)
Tidy = Callable[[], Awaitable[None]]
"""Brings up to date what the database knows of its tables."""


def main() -> None:
    """Fill a store on each database and search in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--postgresql", action="store_true")
    options = parser.parse_args()
    asyncio.run(measure("SQLite", on_sqlite, options.users, options.rounds))
    if options.postgresql:
        asyncio.run(measure("PostgreSQL", on_postgresql, options.users, options.rounds))


async def measure(name: str, database: Callable[[], Any], number: int, rounds: int) -> None:
    """Print the median, and the slowest, of each search."""
    async with database() as (backend, tidy):
        await migrate.upgrade(backend, CORE, migrate.CORE_STORAGE)
        hasher = Hasher(MASTER.pepper(CORE), Argon2Parameters(), HashPool(threads=1, queue=1))
        store = await backend.open(CORE, hasher=hasher, sealer=MASTER.sealer(CORE))
        await fill(store, number)
        await tidy()
        search = Search(store, Scrolls(store, 60_000, lambda: 1), 10_000)
        print(
            f"{name}, {number:,} users{'':14}{'median ms':>12}{'slowest':>10}{'our CPU':>10}{'found':>10}"
        )
        for title, body, page in cases(number):
            took, work, total = [], [], 0
            for _ in range(rounds + 1):
                start, busy = time.perf_counter(), time.process_time()
                found = await search.search(USERS, body, lang="elasticsearch", page=page)
                took.append((time.perf_counter() - start) * 1000)
                work.append((time.process_time() - busy) * 1000)
                total = found.total
            # The first time statements are compiled.
            median, slowest = statistics.median(took[1:]), max(took[1:])
            own = statistics.median(work[1:])
            print(f"{title:42}{median:>8.1f}{slowest:>10.1f}{own:>10.1f}{total:>10,}")


def cases(number: int) -> Iterator[tuple[str, Mapping[str, Any], Page]]:
    """Yield what is searched for."""
    some = [kuid(one) for one in range(0, number, max(number // 100, 1))]
    default = {"term": {"profileIds": "default"}}
    late = kuid(number * 9 // 10)
    yield "term on profileIds, all have it", {"query": default}, TEN
    yield "term on profileIds, few have it", {"query": {"term": {"profileIds": "editor"}}}, TEN
    yield "100 ids", {"query": {"ids": {"values": some}}}, Page()
    yield "term on a property, a fifth has it", {"query": {"term": {"city": "Lisbon"}}}, TEN
    yield "term on a property, one has it", {"query": {"term": {"email": "7@example.com"}}}, TEN
    both = {"bool": {"filter": [default, {"term": {"email": "7@example.com"}}]}}
    yield "both profileIds and one property", {"query": both}, TEN
    yield "range of a property, few", {"query": {"range": {"age": {"gte": 99}}}}, TEN
    yield "range of a property, half", {"query": {"range": {"age": {"gte": 50}}}}, TEN
    yield "match, a word of every name", {"query": {"match": {"name": "user"}}}, TEN
    yield "prefix of a property, few", {"query": {"prefix": {"email": "77"}}}, TEN
    yield "not a term", {"query": {"bool": {"must_not": {"term": {"city": "Lisbon"}}}}}, TEN
    yield "match_all", {}, TEN
    yield "match_all from 9,000", {}, Page(start=9000, size=10)
    yield "deep search_after", {"sort": "_id", "search_after": [late]}, TEN
    yield "sorted by creation", {"sort": {"_kuzzle_info.createdAt": "desc"}}, TEN
    yield "sorted by a property", {"sort": "age"}, TEN
    yield "match_all, page of 1,000", {}, Page(size=1000)
    newest = [{"_kuzzle_info.createdAt": "desc"}, {"_id": "desc"}]
    local = {"term": {"_kuzzle_info.strategies": "local"}}
    disabled = {"exists": {"field": "_kuzzle_info.status"}}
    for text in ("u", "user number 7", "77", "nothing"):
        yield f'begins with "{text}"', {**console(text), "sort": "_id"}, TEN
    yield 'begins with "u", newest', {**console("u"), "sort": newest}, TEN
    yield 'begins with "u", all filters', {**console("u", default, local, disabled)}, TEN
    yield "by strategy, newest", {"query": local, "sort": newest}, TEN
    yield "deep, newest", {"sort": newest, "search_after": [number // 2, late]}, TEN
    yield "disabled", {"query": disabled, "sort": "_id"}, TEN


def console(text: str, *also: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the console asks for while somebody types."""
    anywhere = {"prefix": {"*": {"value": text, "case_insensitive": True}}}
    some = {"bool": {"should": [{"prefix": {"_id": text}}, anywhere]}}
    return {"query": {"bool": {"filter": [some, *also]}}, "track_total_hits": 1001}


async def fill(store: Store, number: int) -> None:
    """Write users in bulk, as creating them one by one would have."""
    for start in range(0, number, BATCH):
        rows, values, profiles, strategies = [], [], [], []
        for one in range(start, min(start + BATCH, number)):
            id, content = kuid(one), content_of(one)
            rows.append({
                "kuid": id, "generation": "1", "content": content,
                "status": "disabled" if one % 100 == 0 else "enabled",
                "author": "-1", "created_at": one * 7919 % number,
            })  # fmt: skip
            here = {"collection": USERS, "id": id}
            values += [here | value._asdict() for value in values_of(content)]
            strategies.append({"kuid": id, "strategy": "local", "created_at": 1})
            held = ["default", "editor"] if one % 1000 == 0 else ["default"]
            for position, profile in enumerate(held):
                profiles.append({"kuid": id, "position": position, "profile_id": profile})
        async with store.begin() as db:
            await db.execute(insert(users), rows)
            await db.execute(insert(search_values), values)
            await db.execute(insert(user_profiles), profiles)
            await db.execute(insert(user_strategies), strategies)


def kuid(one: int) -> str:
    """Return a kuid; those that follow one another are far apart, as drawn ones are."""
    return f"kuid-{one * 2654435761 % 2**32:08x}-{one}"


def content_of(one: int) -> dict[str, Any]:
    """Return the properties of a user."""
    return {
        "name": f"User Number {one}",
        "email": f"{one}@example.com",
        "city": CITIES[one % len(CITIES)],
        "age": one % 100,
        "tags": ["a", f"group-{one % 50}"],
    }


async def _nothing() -> None:
    """Leave the files as they are."""


@asynccontextmanager
async def on_sqlite() -> AsyncIterator[tuple[Backend, Tidy]]:
    """Yield files in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        backend = SQLite(Path(folder) / "data", master=MASTER)
        yield backend, _nothing
        await backend.close()


@asynccontextmanager
async def on_postgresql() -> AsyncIterator[tuple[Backend, Tidy]]:
    """Yield a server that is thrown away."""
    with ThrowAwayPostgreSQL() as server:
        database = await server.create_database()
        await provision(server.admin_url(), [CORE], MASTER, database)
        backend = PostgreSQL(server.url(database), master=MASTER)

        async def tidy() -> None:
            # As autovacuum does within a minute.
            connection = await asyncpg.connect(server.admin_url(database))
            await connection.execute("VACUUM ANALYZE")
            await connection.close()

        yield backend, tidy
        await backend.close()


if __name__ == "__main__":
    main()
