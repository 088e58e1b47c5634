"""How long it takes to find something in a long audit log, and what an entry costs.

    python bench/audit_log.py [--entries 1000000] [--rounds 5] [--folder DIR] [--postgresql]

The searches are made by the service itself, without a network, as the console and its live tail
make them: alone, together, page after page, after a number. Entries are a year's: most are logins,
few are what somebody looks for, and some of that is old. Each search is told beside the first page
of the whole log, of which nobody says that it is slow: as a multiple of its time. With ``--folder``
the filled file stays there (SQLite), and is upgraded when it is used again.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import sqlite3
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import asyncpg

from ostiary import errors
from ostiary.clock import now
from ostiary.hash_pool import HashPool
from ostiary.hashing import Argon2Parameters, Hasher
from ostiary.keys import MasterKey
from ostiary.services.audit_filters import Wanted
from ostiary.services.audit_log import AuditLog
from ostiary.storage import Backend, Store, migrate
from ostiary.storage.postgresql import PostgreSQL
from ostiary.storage.provision import provision
from ostiary.storage.sqlite import SQLite
from ostiary.storage.store import CORE
from ostiary.testing.postgresql import ThrowAwayPostgreSQL

MASTER = MasterKey(hashlib.sha256(b"a log to look through").digest())
"""Of a store that holds nothing worth keeping."""

YEAR = 31_536_000_000
SIZE = 30
WRITTEN = 20_000

OFFICE, ATTACKER = "203.0.113.7", "198.51.100.9"

ENTRIES = """
WITH {recursive} numbered(i) AS ({numbers}),
hashed AS (SELECT i, (i * 2654435761) % 4294967296 AS h FROM numbered),
drawn AS (
    SELECT i, h, h % 1000 AS k, (h / 1000) % 100 AS p, (h / 7) % 100000 AS u FROM hashed),
told AS (SELECT *, CASE
    WHEN i % ({most} / 20) = 7 THEN 'RoleChanged'
    WHEN i BETWEEN {most} / 10 AND {most} / 10 + 2 THEN 'MasterKeyRotated'
    WHEN k < 800 THEN 'SignedIn' WHEN k < 900 THEN 'SignInRefused' WHEN k < 950 THEN 'SignedOut'
    WHEN k < 980 THEN 'TokenRefreshed' WHEN k < 990 THEN 'UserChanged'
    WHEN k < 994 THEN 'CredentialsCreated' WHEN k < 998 THEN 'ActionRefused'
    ELSE 'SignInHeldBack' END AS event FROM drawn),
filled AS (SELECT *,
    event IN ('SignedIn', 'SignInRefused', 'SignInHeldBack', 'CredentialsCreated') AS login
    FROM told)
INSERT INTO {audit} (
    at, event, author, about, strategy, account, reason, protocol, address, agent, request, details)
SELECT {begin} + i * {step}, event,
    CASE WHEN login THEN NULL WHEN event = 'RoleChanged' THEN 'root'
        WHEN k < 980 THEN 'kuid-' || u WHEN k < 990 THEN 'admin' ELSE 'service' END,
    CASE WHEN event = 'SignInRefused' AND p < 50 THEN NULL
        WHEN event = 'SignedIn' AND p < 5 THEN 'robot' ELSE 'kuid-' || u END,
    CASE WHEN NOT login THEN NULL WHEN i % ({most} / 10) = 3 THEN 'rare'
        WHEN i < {most} / 20 THEN 'retired' WHEN p < 85 THEN 'local' ELSE 'corporate' END,
    CASE WHEN login THEN {account} END,
    CASE WHEN event = 'SignInRefused' THEN 'refused by the strategy' END,
    'http',
    CASE WHEN event = 'SignInRefused' AND p < 50 THEN '{attacker}' WHEN p < 30 THEN '{office}'
        ELSE '10.' || (u / 65536) || '.' || (u / 256 % 256) || '.' || (u % 256) END,
    'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
    '0d9c1c54-7d5e-4d8f-9a3e-' || (1000000000000 + i),
    CASE WHEN event = 'SignedIn' THEN {details} END
FROM filled
"""
"""A log, drawn without chance; both databases read the same words, but for those in braces."""

SESSION = """'{"session": "5f1d7a9c02b84e63a1c5d8f0' || (10000000 + i) || '"}'"""


def main() -> None:
    """Fill a store, search in it, write to it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--postgresql", action="store_true", help="instead of SQLite")
    options = parser.parse_args()
    asyncio.run(measure(options))


async def measure(options: argparse.Namespace) -> None:
    """Print what each search takes, the median and the slowest."""
    place = on_postgresql if options.postgresql else on_sqlite
    async with place(options) as store:
        log = AuditLog(store, -1, now)
        newest = (await log.search(Wanted(), size=1)).entries[0]
        alone = 0.0
        print(f"{'':52}{'median ms':>10}{'slowest':>9}{'x all':>8}{'total':>8}")
        for title, wanted, page in cases(newest.sequence, newest.at):
            took, total = [], "> 3 s"
            for _ in range(options.rounds + 1):
                start = time.perf_counter()
                try:
                    total = f"{(await log.search(Wanted(**wanted), size=SIZE, **page)).total:,}"
                except errors.StoreUnavailable:
                    took = [(time.perf_counter() - start) * 1000] * 2
                    break
                took.append((time.perf_counter() - start) * 1000)
            # The first time statements are compiled.
            median, slowest = statistics.median(took[1:]), max(took[1:])
            alone = alone or median
            print(f"{title:52}{median:>10.1f}{slowest:>9.1f}{median / alone:>8.1f}{total:>8}")


def cases(last: int, at: int) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Yield what is searched for: a title, the filters, and which page."""
    everything: dict[str, dict[str, Any]] = {
        "all": {},
        "event, most are": {"event": "SignedIn"},
        "event, 5 %": {"event": "SignedOut"},
        "event, 20 in all": {"event": "RoleChanged"},
        "event, 3 old ones": {"event": "MasterKeyRotated"},
        "event, none": {"event": "SecurityReset"},
        "strategy, most are": {"strategy": "local"},
        "strategy, 10 in all": {"strategy": "rare"},
        "strategy, many old ones": {"strategy": "retired"},
        "strategy, none": {"strategy": "none"},
        "address, a third": {"address": OFFICE},
        "address, some": {"address": "10.0.3.7"},
        "address, none": {"address": "192.0.2.1"},
        "user": {"user": "kuid-77"},
        "user, 4 %": {"user": "robot"},
        "user, none": {"user": "nobody"},
        "author, 1 %": {"author": "admin"},
        "event and strategy, few": {"event": "SignedIn", "strategy": "rare"},
        "event and strategy, old": {"event": "SignInHeldBack", "strategy": "retired"},
        "event and strategy, never": {"event": "SignedOut", "strategy": "local"},
        "event and address, few": {"event": "SignedIn", "address": "10.0.3.7"},
        "event and address, never": {"event": "SignedOut", "address": ATTACKER},
        "event and address, of many": {"event": "RoleChanged", "address": OFFICE},
        "strategy and address, never": {"strategy": "retired", "address": "192.0.2.1"},
        "strategy and address, of many": {"strategy": "rare", "address": OFFICE},
        "event and user, few": {"event": "SignedIn", "user": "kuid-77"},
        "event and user, never": {"event": "RoleChanged", "user": "robot"},
        "event and author": {"event": "UserChanged", "author": "service"},
        "all five": {
            "event": "SignInRefused", "strategy": "corporate", "address": OFFICE, "user": "kuid-77",
            "author": "admin",
        },
    }  # fmt: skip
    day, month = at - YEAR // 365, at - YEAR // 12
    everything |= {
        "since yesterday": {"since": day},
        "until half a year ago": {"until": at - YEAR // 2},
        "a day half a year ago": {"since": at - YEAR // 2, "until": at - YEAR // 2 + YEAR // 365},
        "since a month, event, none": {"since": month, "event": "MasterKeyRotated"},
        "since yesterday, strategy, none": {"since": day, "strategy": "retired"},
        "until a month ago, event": {"until": month, "event": "RoleChanged"},
        "until a month ago, most are": {"until": month, "event": "SignedIn"},
        "until a month ago, address": {"until": month, "address": OFFICE},
        "a day half a year ago, event": {
            "since": at - YEAR // 2, "until": at - YEAR // 2 + YEAR // 365, "event": "SignedOut",
        },
    }  # fmt: skip
    for title, wanted in everything.items():
        yield title, wanted, {}
    for title in ("all", "event, 5 %", "event, 3 old ones", "strategy, many old ones", "user, 4 %"):
        yield f"{title}: from the middle", everything[title], {"before": last // 2}
    for title in ("all", "event, 5 %", "until half a year ago"):
        yield f"{title}: to pass over 9,000", everything[title], {"start": 9000}
    tails = ("all", "event, 20 in all", "event, none", "strategy, none", "address, none", "user")
    for title in (*tails, "event and user, never"):
        yield f"{title}: tail", everything[title], {"after": last}
    for title in (*tails, "event and user, never"):
        yield f"{title}: tail, a long time after", everything[title], {"after": last // 10}


@asynccontextmanager
async def on_sqlite(options: argparse.Namespace) -> AsyncIterator[Store]:
    """Yield the core's store in a file."""
    with tempfile.TemporaryDirectory() as thrown_away:
        folder = options.folder or Path(thrown_away) / "data"
        path = folder / "core.db"
        backend, empty = SQLite(folder, master=MASTER), not path.exists()
        store = await opened(backend)
        with closing(sqlite3.connect(path, isolation_level=None)) as file:
            file.execute("PRAGMA synchronous = OFF")
            if empty:
                indexes = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql LIKE '% audit %'"
                found = file.execute(indexes).fetchall()
                for name, _ in found:
                    file.execute(f"DROP INDEX {name}")
                numbers = (
                    f"SELECT 1 UNION ALL SELECT i + 1 FROM numbered WHERE i < {options.entries}"
                )
                told(timed(lambda: file.execute(entries(
                    options.entries, recursive="RECURSIVE", numbers=numbers, audit="audit",
                    account="CAST(substr('1234567890123456789012345678901' || u, -32) AS BLOB)",
                    details=SESSION,
                ))), "to fill")  # fmt: skip
                for name, sql in found:
                    told(timed(lambda sql=sql: file.execute(sql)), f"to build {name}")
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            sizes = file.execute(
                "SELECT name, sum(pgsize) FROM dbstat WHERE name LIKE '%audit%' GROUP BY name"
            )
            lengths(options.entries, sizes.fetchall())
        yield store
        await backend.close()


@asynccontextmanager
async def on_postgresql(options: argparse.Namespace) -> AsyncIterator[Store]:
    """Yield the core's store on a server that is thrown away."""
    with ThrowAwayPostgreSQL() as server:
        database = await server.create_database()
        await provision(server.admin_url(), [CORE], MASTER, database)
        backend = PostgreSQL(server.url(database), master=MASTER)
        store = await opened(backend)
        connection = await asyncpg.connect(server.admin_url(database))
        schema = await connection.fetchval(
            "SELECT schemaname FROM pg_tables WHERE tablename = 'audit'"
        )
        await connection.execute(f"SET search_path = {schema}")
        found = await connection.fetch(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'audit' AND indexname <> 'audit_pkey'"
        )
        for name, _ in found:
            await connection.execute(f"DROP INDEX {name}")
        start = time.perf_counter()
        await connection.execute(entries(
            options.entries, recursive="",
            numbers=f"SELECT i FROM generate_series(1, {options.entries}::bigint) AS i",
            audit="audit", account="sha256(convert_to(u::text, 'UTF8'))",
            details=f"({SESSION})::jsonb",
        ))  # fmt: skip
        told(time.perf_counter() - start, "to fill")
        for name, sql in found:
            start = time.perf_counter()
            await connection.execute(sql)
            told(time.perf_counter() - start, f"to build {name}")
        await connection.execute("VACUUM ANALYZE audit")
        sizes = await connection.fetch(
            "SELECT relname, pg_relation_size(oid) FROM pg_class WHERE relname LIKE 'audit%'"
        )
        lengths(options.entries, [tuple(row) for row in sizes])
        await connection.close()
        yield store
        await backend.close()


async def opened(backend: Backend) -> Store:
    """Bring the core's store up to date, and open it."""
    start = time.perf_counter()
    await migrate.upgrade(backend, CORE, migrate.CORE_STORAGE)
    told(time.perf_counter() - start, "to upgrade")
    hasher = Hasher(MASTER.pepper(CORE), Argon2Parameters(), HashPool(threads=1, queue=1))
    return await backend.open(CORE, hasher=hasher, sealer=MASTER.sealer(CORE))


def entries(most: int, **words: str) -> str:
    """Return the statement that writes the log."""
    begin, step = now() - YEAR, YEAR // most
    return ENTRIES.format(
        most=most, begin=begin, step=step, office=OFFICE, attacker=ATTACKER, **words
    )


def timed(work: Any) -> float:
    """Return how long something takes, in seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def told(seconds: float, what: str) -> None:
    """Print how long something took that is done once."""
    print(f"{seconds:6.1f} s {what}")


def lengths(number: int, sizes: list[tuple[str, int]]) -> None:
    """Print how many bytes of an entry lie where."""
    for name, size in sorted(sizes):
        print(f"{size / number:6.1f} bytes of an entry in {name}")


if __name__ == "__main__":
    main()
