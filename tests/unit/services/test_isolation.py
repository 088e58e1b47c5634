"""What a plugin can reach from inside its hooks: its own rows, and nothing beyond."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType, ModuleType, SimpleNamespace
from typing import Any

import pytest
from pluggy import PluginManager
from sqlalchemy import Engine, MetaData, Table, column, func, select, table, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from ostiary import Call, errors
from ostiary.composition import Core
from ostiary.keys import MasterKey
from ostiary.plugins import Plugins, Strategies
from ostiary.services import Services
from ostiary.settings import Settings
from ostiary.storage.facade import Facade
from ostiary.storage.sqlite_store import SQLiteStore
from ostiary.testing.packages import badge, installed

pytestmark = pytest.mark.anyio

Probe = Callable[[SimpleNamespace], Awaitable[None]]

NOBODY = Call(kuid="-1", controller="auth", action="login")
FORBIDDEN = (
    sqlite3.Connection,
    sqlite3.Cursor,
    Engine,
    AsyncEngine,
    MasterKey,
    SQLiteStore,
    Services,
    Strategies,
    Plugins,
    PluginManager,
    Settings,
    Core,
    ModuleType,
    FrameType,
)
PLAIN = (str, bytes, int, float, bool, type(None), type, MetaData, Table)

FOREVER = text(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
)

WAYS_OUT = [
    "ATTACH DATABASE '{core}' AS core",
    "ATTACH DATABASE 'file:{core}?mode=ro' AS core",
    "DETACH DATABASE main",
    "VACUUM INTO '{copy}'",
    "PRAGMA writable_schema = ON",
    "PRAGMA temp_store_directory = '/tmp'",
    "PRAGMA data_version",
    "PRAGMA trusted_schema = ON",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "PRAGMA busy_timeout = 100000",
    "SELECT * FROM pragma_table_info('badges')",
    "SELECT load_extension('{core}')",
    "SELECT fts3_tokenizer('simple')",
    "SELECT readfile('{core}')",
    "SELECT writefile('{copy}', 'a')",
    "SELECT edit('a')",
    "SELECT * FROM core.users",
    "SELECT * FROM dbstat",
    "UPDATE sqlite_master SET sql = ''",
    "CREATE TABLE more (id INTEGER)",
    "CREATE TEMP TABLE more (id INTEGER)",
    "CREATE VIEW more AS SELECT 1",
    "DROP TABLE badges",
    "ALTER TABLE badges ADD COLUMN more",
    "CREATE INDEX more ON badges (badge)",
    "REINDEX",
    "ANALYZE",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT mine",
    "SELECT 1; SELECT 2",
]


@pytest.fixture
async def inside(open_house: Any, tmp_path: Path) -> Any:
    """Return what runs a function inside the hook ``verify`` of a plugin."""
    body = "return await probe(SimpleNamespace(**locals()))"
    extra = "from types import SimpleNamespace\n\n\nasync def probe(held):\n    pass\n"
    with installed(tmp_path / "toys", badge("thief", extra=extra, verify=body)):
        house = await open_house("thief")
        module: Any = next(one.module for one in house.core.plugins.loaded)

        async def run(probe: Probe) -> None:
            async def guarded(held: SimpleNamespace) -> None:
                await probe(held)
                done.append(held)
                raise errors.LoginRefused("no")

            done: list[SimpleNamespace] = []
            module.probe = guarded
            credentials = {"badge": "1"}
            with pytest.raises(errors.LoginRefused):
                await house.services.logins.identify("thief", credentials, NOBODY)
            assert done

        run.house = house  # type: ignore[attr-defined]
        yield run


def reachable(roots: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Yield what public attributes, items and causes of errors lead to, and by which way."""
    todo = list(roots.items())
    seen: set[int] = set()
    kept: list[object] = []
    while todo:
        way, thing = todo.pop()
        if id(thing) in seen or isinstance(thing, PLAIN):
            continue
        seen.add(id(thing))
        kept.append(thing)
        yield way, thing
        if not isinstance(thing, FORBIDDEN):
            todo += _next(way, thing)


def _next(way: str, thing: object) -> Iterator[tuple[str, object]]:
    if isinstance(thing, Mapping):
        yield from ((f"{way}[{key!r}]", value) for key, value in thing.items())
    elif isinstance(thing, Sequence):
        yield from ((f"{way}[{at}]", value) for at, value in enumerate(thing))
    names = [name for name in dir(thing) if not name.startswith("_")]
    if isinstance(thing, BaseException):
        names += ["__cause__", "__context__", "__traceback__"]
    for name in names:
        try:
            yield f"{way}.{name}", getattr(thing, name)
        except Exception:  # noqa: BLE001 - a property may raise anything
            continue


async def test_no_public_object_leads_out_of_a_plugin(inside: Any) -> None:
    """ISO-06, ISO-15: neither to a connection, nor to a key, nor to another store."""
    roots: dict[str, object] = {}

    async def probe(held: SimpleNamespace) -> None:
        badges = table("badges", column("kuid"), column("badge"))
        async with held.store.begin() as db:
            roots["db"] = db
            roots["rows"] = await db.execute(select(badges))
            roots["block"] = held.store.begin()

        async def work(db: Any) -> None:
            roots["written with"] = db
            roots["written"] = await db.execute(select(badges))
            await db.execute(text("DROP TABLE badges"))

        try:
            await held.store.write(work)
        except DBAPIError as error:
            roots["not written"] = error.with_traceback(None)
        for name, statement in {"wrong": "nonsense", "denied": "PRAGMA cache_size"}.items():
            try:
                async with held.store.read() as db:
                    await db.execute(text(statement))
            except DBAPIError as error:
                roots[name] = error.with_traceback(None)
        roots.update(vars(held))

    await inside(probe)
    wanted = {"strategy", "store", "call", "directory", "wrong", "denied", "written", "not written"}
    assert wanted <= roots.keys()
    ways = dict(reachable(roots))
    assert len(ways) > 50
    found = {way: type(thing) for way, thing in ways.items() if isinstance(thing, FORBIDDEN)}
    assert found == {}


async def test_a_plugin_gets_its_store_bare_of_everything_else(inside: Any) -> None:
    """ISO-15"""
    stores: list[Any] = []

    async def probe(held: SimpleNamespace) -> None:
        stores.append(held.store)
        assert {name for name in dir(held.store) if name[0] != "_"} == {
            *("name", "hasher", "sealer", "read", "begin", "write", "search")
        }

        async def look(db: Any) -> None:
            assert {name for name in dir(db) if name[0] != "_"} == {
                *("execute", "scalar", "after_commit")
            }

        async with held.store.begin() as db:
            await look(db)
        await held.store.write(look)
        assert {name for name in dir(held.directory) if name[0] != "_"} == {
            *("find", "roles", "check_authority", "attempt", "others_take_part"),
            *("change_credentials",),
            *("open_session", "end_sessions", "strategies_changed"),
            *("end_own_session", "add_credentials", "remove_credentials", "find_by_address"),
            *("check_profiles",),
        }

    await inside(probe)
    (store,) = stores
    assert (type(store), repr(store)) == (Facade, "<Store of thief>")
    for name in ("name", "hasher", "fetch", "anything"):
        with pytest.raises(AttributeError):
            setattr(store, name, None)


@pytest.mark.parametrize("way", WAYS_OUT)
async def test_no_statement_leads_out_of_a_plugins_file(
    inside: Any, tmp_path: Path, way: str
) -> None:
    """ISO-06, ISO-16"""
    core, copy = tmp_path / "data" / "core.db", tmp_path / "copy.db"
    assert core.exists()
    refused = 0

    async def probe(held: SimpleNamespace) -> None:

        async def leave(db: Any) -> None:
            nonlocal refused
            try:
                await db.execute(text(way.format(core=core, copy=copy)))
            except DBAPIError:
                refused += 1
                raise

        for block in (held.store.begin, held.store.read):
            with pytest.raises(DBAPIError):
                async with block() as db:
                    await leave(db)
        with pytest.raises(DBAPIError):
            await held.store.write(leave)
        async with held.store.begin() as db:
            assert await db.scalar(text("SELECT count(*) FROM badges")) == 0

    await inside(probe)
    assert refused == 3
    assert not copy.exists()


async def test_another_store_cannot_even_be_named(inside: Any) -> None:
    """ISO-06: a statement for the tables of the core finds none."""

    async def probe(held: SimpleNamespace) -> None:
        for name in ("users", "tokens", "signing_keys", "accounts"):
            with pytest.raises(DBAPIError, match="no such table"):
                async with held.store.read() as db:
                    await db.execute(select(func.count()).select_from(table(name)))

    await inside(probe)


@pytest.mark.parametrize("block", ["read", "begin", "write"])
async def test_a_statement_without_end_costs_its_plugin_an_error_and_others_nothing(
    inside: Any, monkeypatch: pytest.MonkeyPatch, block: str
) -> None:
    """ISO-07, ISO-10: the event loop goes on, and the core's store answers meanwhile."""
    monkeypatch.setattr("ostiary.storage.apart.LONGEST_SECONDS", 0.5)
    answers = 0

    async def probe(held: SimpleNamespace) -> None:
        with pytest.raises(errors.StoreUnavailable):
            await in_block(held.store, block, FOREVER)
        async with held.store.begin() as db:
            assert await db.scalar(text("SELECT count(*) FROM badges")) == 0

    running = asyncio.ensure_future(inside(probe))
    while not running.done():
        await inside.house.services.changes.newest()
        await asyncio.sleep(0.005)
        answers += 1
    await running
    assert answers > 5


async def in_block(store: Any, block: str, statement: Any) -> None:
    """Run a statement in one of the ways in which a plugin can."""
    if block == "write":
        await store.write(lambda db: db.execute(statement))
        return
    async with getattr(store, block)() as db:
        await db.execute(statement)


async def test_a_slow_query_is_finished_apart_with_the_same_answer(
    inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ISO-10: what the event loop has no time for goes on in a thread, in the same snapshot."""
    monkeypatch.setattr("ostiary.storage.sqlite_session.GLANCE", 0.001)
    counting = text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) "
        "SELECT max(i) FROM n"
    )

    async def probe(held: SimpleNamespace) -> None:
        async with held.store.read() as db:
            assert await db.scalar(counting) == 300_000
            assert await db.scalar(text("SELECT count(*) FROM badges")) == 0

    await inside(probe)


async def test_a_text_or_a_blob_without_end_is_refused(inside: Any) -> None:
    """ISO-07"""

    async def probe(held: SimpleNamespace) -> None:
        for much in ("zeroblob(100000000)", "randomblob(1e8)", "hex(zeroblob(40000000))"):
            with pytest.raises(DBAPIError, match="too big"):
                async with held.store.read() as db:
                    await db.execute(text(f"SELECT length({much})"))

    await inside(probe)
