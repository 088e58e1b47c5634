"""Stores of many users, each with a password, a token and lines in the audit log.

One user is made and signs in as everybody does; the rows that the server wrote of them are
copied for the others, in bulk. Every token is signed for its own user by the store's own key;
all share the hash of one password.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, Self

import asyncpg
from driving import post

from ostiary.clock import now
from ostiary.composition import make_backend
from ostiary.hash_pool import HashPool
from ostiary.hashing import Argon2Parameters, Hasher
from ostiary.key_settings import load_master_key
from ostiary.services.minting import fingerprint_of
from ostiary.services.signing import SESSION, SigningKeys
from ostiary.settings import Settings
from ostiary.storage import roles
from ostiary.storage.store import CORE
from ostiary_local.lookalikes import skeleton

BATCH = 20_000
YEAR = 31_536_000_000
PASSWORD = "correct horse battery staple"
TABLES = {
    CORE: ("users", "user_profiles", "user_strategies", "search_values", "tokens", "audit"),
    "local": ("accounts", "identifiers"),
}
NUMBERED = {"audit": "sequence"}
"""Columns that the database fills."""

MOVED = {"tokens": ("issued_at", "began_at", "last_seen"), "audit": ("at",)}
"""Instants that lie in the past as far as is wanted."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Who:
    """What is different in the rows of each user; texts stand within other texts as well."""

    kuid: str
    name: str
    skeleton: str
    generation: str
    session: str

    @classmethod
    def number(cls, one: int) -> Who:
        """Return one of many; kuids that follow one another are far apart, as drawn ones are."""
        kuid, name = f"kuid-{one * 2654435761 % 2**32:010}-{one:08}", f"user{one:08}"
        return cls(kuid, name, skeleton(name), secrets.token_hex(8), secrets.token_hex(16))


FIRST = Who.number(0)


class Target(Protocol):
    """A database, past all of our code."""

    async def rows(self, store: str, table: str) -> list[Row]:
        """Return the rows of a table."""

    async def add(
        self, store: str, table: str, columns: Sequence[str], rows: list[Sequence[Any]]
    ) -> None:
        """Add rows to a table."""


def sign_up(url: str) -> None:
    """Have the server make the first user, who signs in."""
    credentials = {"username": FIRST.name, "password": PASSWORD}
    content = {"profileIds": ["default"], "name": FIRST.name, "email": f"{FIRST.name}@example.com"}
    body = {"content": content, "credentials": {"local": credentials}}
    post(f"{url}/users/_create?_id={FIRST.kuid}", body)
    post(f"{url}/_login/local", credentials)


async def populate(
    target: Target, settings: Settings, numbers: range, *, ago: int = 0, lifetime: int = YEAR
) -> list[str]:
    """Copy the first user, and return the tokens of the copies.

    :param ago: how long ago, in ms, they signed in; their tokens live for ``lifetime`` ms.
    """
    tables = {}
    for store, names in TABLES.items():
        for table in names:
            rows = [row for row in await target.rows(store, table) if _of_first(row)]
            tables[store, table] = [_Copy(table, row, ago, lifetime) for row in rows]
    first = next(row for row in await target.rows(CORE, "tokens") if _of_first(row))
    known = Who(FIRST.kuid, FIRST.name, FIRST.skeleton, first["generation"], first["jti"])
    for copies in tables.values():
        for copy in copies:
            copy.learn(known)
    tokens = []
    async with _signing(settings) as keys:
        issued = now() - ago
        users = iter(numbers)
        while some := [Who.number(one) for one in islice(users, BATCH)]:
            signed = []
            for who in some:
                claims = {"_id": who.kuid, "iat": issued // 1000, "jti": who.session}
                claims["exp"] = (issued + lifetime) // 1000
                signed.append(SESSION.prefix + keys.sign(claims)[0])
            tokens += signed
            prints = [fingerprint_of(token) for token in signed]
            for (store, table), copies in tables.items():
                rows = [copy.of(*one) for one in zip(some, prints, strict=True) for copy in copies]
                await target.add(store, table, copies[0].columns, rows)
    return tokens


class _Copy:
    """Makes of one row of the first user the same row of another."""

    def __init__(self, table: str, row: Row, ago: int, lifetime: int) -> None:
        values = {name: value for name, value in row.items() if name != NUMBERED.get(table)}
        for name in MOVED.get(table, ()):
            values[name] -= ago
        if table == "tokens":
            values["expires_at"] = values["issued_at"] + lifetime
        self.columns = tuple(values)
        self._values = list(values.values())
        self._print = self.columns.index("fingerprint") if table == "tokens" else None
        self._texts: list[tuple[int, str]] = []

    def learn(self, first: Who) -> None:
        """Find where texts of the first user stand."""
        for place, value in enumerate(self._values):
            if not isinstance(value, str):
                continue
            text = value.replace("%", "%%")
            for name in Who.__slots__:
                text = text.replace(getattr(first, name), f"%({name})s")
            if text != value:
                self._texts.append((place, text))

    def of(self, who: Who, fingerprint: bytes) -> Sequence[Any]:
        """Return the row of another user."""
        values = self._values.copy()
        own = {name: getattr(who, name) for name in Who.__slots__}
        for place, text in self._texts:
            values[place] = text % own
        if self._print is not None:
            values[self._print] = fingerprint
        return values


class Files:
    """The files of SQLite stores, written without care for a crash; ``with`` makes them whole."""

    def __init__(self, folder: Path) -> None:
        self._files = {name: sqlite3.connect(folder / f"{name}.db") for name in TABLES}
        self._indexes: dict[str, list[str]] = {}

    def __enter__(self) -> Self:
        wanted = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        for store, file in self._files.items():
            file.row_factory = sqlite3.Row
            for pragma in ("synchronous = OFF", "cache_size = -2000000", "temp_store = MEMORY"):
                file.execute(f"PRAGMA {pragma}")
            found = [
                row
                for row in file.execute(wanted)
                if row["sql"].split(" ON ")[1].split()[0] in TABLES[store]
            ]
            # Made anew at the end, which takes a tenth of the time.
            self._indexes[store] = [row["sql"] for row in found]
            for row in found:
                file.execute(f"DROP INDEX {row['name']}")
        return self

    def __exit__(self, *_: object) -> None:
        for store, file in self._files.items():
            for sql in self._indexes[store]:
                file.execute(sql)
            file.commit()
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            file.close()

    async def rows(self, store: str, table: str) -> list[Row]:
        """Return the rows of a table."""
        return [dict(row) for row in self._files[store].execute(f"SELECT * FROM {table}")]

    async def add(
        self, store: str, table: str, columns: Sequence[str], rows: list[Sequence[Any]]
    ) -> None:
        """Add rows to a table."""
        places = ", ".join("?" * len(columns))
        names = ", ".join(f'"{name}"' for name in columns)
        self._files[store].executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", rows)
        self._files[store].commit()


class Schemas:
    """The schemas of PostgreSQL stores, reached by its superuser."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    @classmethod
    async def reach(cls, url: str) -> Self:
        """Connect."""
        connection = await asyncpg.connect(url)
        await connection.set_type_codec(
            "jsonb",
            schema="pg_catalog",
            format="binary",
            encoder=lambda text: b"\x01" + text.encode(),
            decoder=lambda data: data[1:].decode(),
        )
        return cls(connection)

    async def rows(self, store: str, table: str) -> list[Row]:
        """Return the rows of a table."""
        wanted = f"SELECT * FROM {roles.schema(store)}.{table}"
        return [dict(row) for row in await self._connection.fetch(wanted)]

    async def add(
        self, store: str, table: str, columns: Sequence[str], rows: list[Sequence[Any]]
    ) -> None:
        """Add rows to a table."""
        schema = roles.schema(store)
        await self._connection.copy_records_to_table(
            table, records=rows, columns=columns, schema_name=schema
        )

    async def close(self) -> None:
        """Tell the planner what there is now, and go."""
        await self._connection.execute("ANALYZE")
        await self._connection.close()


@asynccontextmanager
async def _signing(settings: Settings) -> AsyncIterator[SigningKeys]:
    """Yield the keys of a store whose server is not running."""
    master = load_master_key(settings)
    backend = make_backend(settings, master)
    pool = HashPool(threads=1, queue=1)
    try:
        hasher = Hasher(master.pepper(CORE), Argon2Parameters(), pool)
        keys = SigningKeys(await backend.open(CORE, hasher=hasher, sealer=master.sealer(CORE)), now)
        await keys.load()
        yield keys
    finally:
        await backend.close()
        pool.close()


def _of_first(row: Row) -> bool:
    return any(isinstance(value, str) and FIRST.kuid in value for value in row.values())
