"""What stores on PostgreSQL promise besides, tried on a real server."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress

import asyncpg
import pytest
from sqlalchemy import Table, func, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from ostiary import errors
from ostiary.clock import now
from ostiary.database_urls import alternatives
from ostiary.keys import MasterKey
from ostiary.plugins import Plugin
from ostiary.services.changes import take_turn
from ostiary.services.counters import Counters
from ostiary.services.inventory import Inventory
from ostiary.storage import Database, StorageError, Store, budget, migrate, provision, roles
from ostiary.storage.clocks import check_clock
from ostiary.storage.hosts import Hosts
from ostiary.storage.listener import Listener, ReadThrough
from ostiary.storage.postgresql import PostgreSQL
from ostiary.storage.postgresql_store import numbered
from ostiary.storage.tables import MODE, changes, installation, instances
from ostiary.testing.postgresql import ThrowAwayPostgreSQL

from .conftest import STORES, House, notes

pytestmark = pytest.mark.anyio

WAYS_OUT = [
    "SELECT * FROM ostiary_other.notes",
    "SELECT * FROM ostiary_core.users",
    "INSERT INTO ostiary_other.notes (text) VALUES ('a')",
    "DELETE FROM ostiary_other.notes",
    "SET ROLE ostiary_other",
    "SET ROLE ostiary_other_owner",
    "SET ROLE ostiary_notes_owner",
    "SET ROLE ostiary_migrator",
    "SET SESSION AUTHORIZATION ostiary_other",
    "SELECT rolpassword FROM pg_authid",
    "SELECT pg_read_file('/etc/passwd')",
    "COPY notes TO PROGRAM 'cat'",
    "CREATE TABLE more (id INTEGER)",
    "CREATE TABLE public.more (id INTEGER)",
    "CREATE TEMP TABLE more (id INTEGER)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION f() RETURNS INTEGER LANGUAGE sql AS 'SELECT 1'",
    "DROP TABLE notes",
    "ALTER TABLE notes ADD COLUMN more INTEGER",
    "TRUNCATE notes",
    "UPDATE alembic_version SET version_num = '0000'",
    "ALTER ROLE ostiary_other PASSWORD 'mine'",
]


async def database(server: ThrowAwayPostgreSQL, master: MasterKey, *stores: str) -> str:
    name = await server.create_database()
    await provision.provision(server.admin_url(), stores, master, name)
    return name


async def put(house: House, word: str, store: str = "notes") -> None:
    async with (await house.store(store)).begin() as db:
        await db.execute(insert(notes).values(text=word))


async def test_permission_is_denied_outside_of_its_own_rows(postgresql: House) -> None:
    await postgresql.store("core")
    await put(postgresql, "secret of the other", "other")
    store = await postgresql.store()
    for way in WAYS_OUT:
        with pytest.raises(DBAPIError, match="InsufficientPrivilege"):
            async with store.begin() as db:
                await db.execute(text(way))
        with pytest.raises(DBAPIError, match="InsufficientPrivilege"):
            await store.fetch(way)


async def test_roles_can_do_no_more_than_they_need(postgresql: House) -> None:
    store = await postgresql.store()
    held = await store.fetch(
        "SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls "
        "OR rolinherit, rolcanlogin, rolconnlimit FROM pg_roles WHERE rolname = current_user"
    )
    assert held == (False, True, provision.CONNECTIONS)
    members = "SELECT count(*) FROM pg_auth_members WHERE member = current_user::regrole"
    assert await store.fetch(members) == (0,)
    owner = "SELECT rolcanlogin FROM pg_roles WHERE rolname = ?"
    assert await store.fetch(owner, "ostiary_notes_owner") == (False,)


async def test_no_statement_and_no_lock_is_waited_for_in_vain(postgresql: House) -> None:
    store = await postgresql.store()
    limits = await store.fetch(
        "SELECT current_setting('statement_timeout'), current_setting('lock_timeout'), "
        "current_setting('idle_in_transaction_session_timeout'), current_setting('search_path')"
    )
    assert limits == ("3s", "2s", "10s", "ostiary_notes, pg_temp")


async def test_a_lock_that_is_not_to_be_had_makes_the_store_unavailable(postgresql: House) -> None:
    await put(postgresql, "a")
    store = await postgresql.store()
    row = select(notes).with_for_update()
    async with store.begin() as first:
        await first.execute(row)
        with pytest.raises(errors.StoreUnavailable):
            async with store.begin() as second:
                await second.execute(row)


async def test_an_error_holds_no_value(postgresql: House) -> None:
    store = await postgresql.store()
    with pytest.raises(IntegrityError) as incomplete:
        async with store.begin() as db:
            await db.execute(text("INSERT INTO notes (id, text) VALUES (:id, NULL)"), {"id": 4711})
    with pytest.raises(DBAPIError) as wrong:
        async with store.read() as db:
            await db.execute(text("SELECT CAST(:word AS INTEGER)"), {"word": "hash of 4711"})
    with pytest.raises(DBAPIError) as wrong_query:
        await store.fetch("SELECT id FROM notes WHERE id = ?", "hash of 4711")
    for error in (incomplete.value, wrong.value, wrong_query.value):
        assert "4711" not in f"{error} {error!r} {error.orig!r} {error.params!r}"
        assert error.__suppress_context__


async def test_provisioning_again_changes_nothing_for_those_who_work(
    postgresql: House, server: ThrowAwayPostgreSQL
) -> None:
    await put(postgresql, "a")
    store = await postgresql.store()
    name = (await store.fetch("SELECT current_database()") or ("",))[0]
    for stores in (STORES, [*STORES, "late"]):
        await provision.provision(server.admin_url(), stores, postgresql.master, name)
    assert await store.fetch("SELECT text FROM notes") == ("a",)
    again = PostgreSQL(server.url(name), master=postgresql.master)
    for plugin in ("late", "notes"):
        await migrate.upgrade(again, plugin, postgresql.storage)
        opened = await postgresql.open(again, plugin)
        async with opened.begin() as db:
            await db.execute(insert(notes).values(text="b"))
    await again.close()


async def test_provisioning_at_once_is_no_error(
    server: ThrowAwayPostgreSQL, master: MasterKey
) -> None:
    name = await server.create_database()
    await asyncio.gather(
        *(provision.provision(server.admin_url(), STORES, master, name) for _ in range(3))
    )
    backend = PostgreSQL(server.url(name), master=master)
    assert await backend.revision("core") is None


async def test_memberships_that_somebody_gave_are_taken_back(
    server: ThrowAwayPostgreSQL, master: MasterKey
) -> None:
    name = await database(server, master, *STORES)
    await server.run("GRANT ostiary_other_owner TO ostiary_notes")
    await provision.provision(server.admin_url(), STORES, master, name)
    members = "SELECT count(*) FROM pg_auth_members WHERE member = 'ostiary_notes'::regrole"
    assert await server.run(members) == [(0,)]


async def test_a_role_of_that_name_that_may_do_everything_is_refused(
    server: ThrowAwayPostgreSQL, master: MasterKey
) -> None:
    name = await server.create_database()
    await server.run("CREATE ROLE ostiary_mighty SUPERUSER")
    with pytest.raises(StorageError, match="ostiary_mighty"):
        await provision.provision(server.admin_url(), ["mighty"], master, name)


async def test_an_owner_of_the_database_can_provision_without_being_superuser(
    server: ThrowAwayPostgreSQL, master: MasterKey
) -> None:
    name = await server.create_database()
    await server.run("CREATE ROLE landlord LOGIN CREATEROLE PASSWORD 'landlord'")
    await server.run(f"ALTER DATABASE {name} OWNER TO landlord")
    admin_url = server.url().replace("//", "//landlord:landlord@")
    for _ in range(2):
        await provision.provision(admin_url, ["core", "fresh"], master, name)
    backend = PostgreSQL(server.url(name), master=master)
    await migrate.upgrade(backend, "core", migrate.CORE_STORAGE)
    assert await backend.revision("core") == migrate.head(migrate.CORE_STORAGE)


async def test_the_sql_of_provisioning_holds_no_password(master: MasterKey) -> None:
    given = {"ostiary_core": "from the operator"}
    sql = "\n".join(provision.statements(["core", "local"], master, 'a"b', passwords=given))
    known = roles.Passwords(master, given)
    for role in ("ostiary_core", "ostiary_local", roles.MIGRATOR):
        assert f'ALTER ROLE "{role}" LOGIN' in sql
        assert known.of(role) not in sql
    assert 'GRANT CONNECT ON DATABASE "a""b" TO "ostiary_core"' in sql


async def test_what_is_not_provisioned_is_told_with_the_command(
    postgresql: House, server: ThrowAwayPostgreSQL
) -> None:
    with pytest.raises(StorageError, match="ostiary db provision"):
        await postgresql.backend.revision("stranger")
    with pytest.raises(StorageError, match="ostiary db provision"):
        await migrate.upgrade(
            PostgreSQL(server.url("nowhere"), master=postgresql.master), "core", postgresql.storage
        )
    other = PostgreSQL(server.url(), master=MasterKey(os.urandom(32)))
    with pytest.raises(StorageError, match="same master key"):
        await other.revision("core")


async def test_one_role_for_all_stores_works_and_is_told(
    server: ThrowAwayPostgreSQL, postgresql: House
) -> None:
    name = await server.create_database()
    url = server.admin_url(name)
    backend = PostgreSQL(url, master=postgresql.master, isolation="shared-role")
    assert "share one role" in backend.warnings[0]
    assert postgresql.backend.warnings == ()
    await migrate.upgrade(backend, "core", migrate.CORE_STORAGE)
    assert await migrate.drift(backend, "core", migrate.CORE_STORAGE) == []
    for plugin in ("notes", "other"):
        await migrate.upgrade(backend, plugin, postgresql.storage)
        store = await postgresql.open(backend, plugin)
        async with store.begin() as db:
            await db.execute(insert(notes).values(text=plugin))
            await db.execute(text("UPDATE notes SET text = text || '!'"))
        assert await store.fetch("SELECT text FROM notes") == (f"{plugin}!",)
    await backend.close()


@pytest.mark.parametrize(
    "url,isolation,prepared",
    [
        ("postgresql://me:hidden@127.0.0.1/ostiary", "roles", True),
        ("postgresql://127.0.0.1/ostiary", "shared-role", True),
        ("postgresql://me:hidden@127.0.0.1/ostiary", "shared-role", False),
        ("mysql://127.0.0.1/ostiary", "roles", True),
        ("postgresql://127.0.0.1", "roles", True),
    ],
)
async def test_a_url_that_does_not_fit_is_refused(
    master: MasterKey, url: str, isolation: str, prepared: bool
) -> None:
    with pytest.raises(StorageError) as refused:
        PostgreSQL(url, master=master, isolation=isolation, prepared_statements=prepared)  # type: ignore[arg-type]
    assert "hidden" not in str(refused.value)


async def test_nothing_needs_prepared_statements(
    server: ThrowAwayPostgreSQL, postgresql: House
) -> None:
    name = await database(server, postgresql.master, "core", "notes")
    backend = PostgreSQL(server.url(name), master=postgresql.master, prepared_statements=False)
    await migrate.upgrade(backend, "notes", postgresql.storage)
    store = await postgresql.open(backend, "notes")
    for word in ("a", "b", "c"):
        async with store.begin() as db:
            await db.execute(insert(notes).values(text=word))
        assert await store.fetch("SELECT text FROM notes WHERE text = ?", word) == (word,)
    kept = "SELECT count(*) FROM pg_prepared_statements"
    assert await store.fetch(kept) == (0,)
    async with store.read() as db:
        assert await db.scalar(text(kept)) == 0
    watch = await backend.watch("core")
    assert isinstance(watch, ReadThrough)
    assert (watch.changed(), watch.changed(), watch.healthy()) == (True, True, False)
    await backend.close()


async def test_who_writes_at_the_same_time_shares_transactions(postgresql: House) -> None:
    """And each can fail by itself: what it has written is undone, and nothing of the others."""
    store = await postgresql.store("core")

    async def put_one(number: int) -> int:
        async def work(db: Database) -> int:
            await db.execute(insert(changes).values(what="user", id=str(number), at=0))
            if number % 5 == 0:
                raise ZeroDivisionError
            if number % 7 == 0:
                await db.execute(text("SELECT 1 FROM nowhere"))
            return int(await db.scalar(text("SELECT txid_current()")))

        return await store.write(work)

    numbers = range(1, 31)
    done = await asyncio.gather(*map(put_one, numbers), return_exceptions=True)
    failed = {number for number, one in zip(numbers, done, strict=True) if not isinstance(one, int)}
    assert failed == {number for number in numbers if number % 5 == 0 or number % 7 == 0}
    assert len({one for one in done if isinstance(one, int)}) < len(numbers) // 4
    async with store.read() as db:
        written = set((await db.execute(select(changes.c.id))).scalars())
    assert written == {str(number) for number in set(numbers) - failed}


async def test_plugins_who_wait_for_each_other_are_not_in_one_transaction(
    postgresql: House,
) -> None:
    """They take no turns: in one, those after them would wait as well, or fail with them."""
    store = await postgresql.store()

    async def put_one(number: int) -> int:
        async def work(db: Database) -> int:
            await db.execute(insert(notes).values(text=str(number)))
            return int(await db.scalar(text("SELECT txid_current()")))

        return await store.write(work)

    done = await asyncio.gather(*map(put_one, range(8)))
    assert len(set(done)) == len(done)
    assert await how_many(store) == len(done)


async def test_who_waits_for_a_database_that_goes_away_is_told(
    server: ThrowAwayPostgreSQL, postgresql: House
) -> None:
    store = await postgresql.store("core")

    async def work(db: Database) -> None:
        await db.execute(insert(changes).values(what="user", id="a", at=0))
        await db.execute(text("SELECT pg_sleep(0.5)"))

    writing = [asyncio.create_task(store.write(work)) for _ in range(20)]
    await asyncio.sleep(0.2)
    await asyncio.to_thread(server.stop)
    try:
        done = await asyncio.gather(*writing, return_exceptions=True)
    finally:
        server.start()
    assert all(isinstance(one, errors.StoreUnavailable) for one in done)
    async with asyncio.timeout(10):
        while (count := await how_many(store, changes)) is None:
            await asyncio.sleep(0.05)
    assert count == 0


async def test_who_has_little_time_left_disturbs_nobody(
    postgresql: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REL-03: a request that has waited for other things is given up alone, before its turn or in it."""
    store = await postgresql.store("core")

    async def put(name: str, seconds: float, left: float = budget.REQUEST_SECONDS) -> str:
        async def work(db: Database) -> str:
            await db.execute(insert(changes).values(what="user", id=name, at=0))
            await db.execute(text(f"SELECT pg_sleep({seconds})"))
            return name

        monkeypatch.setattr(budget, "REQUEST_SECONDS", left)
        budget.begin()
        monkeypatch.undo()
        return await store.write(work)

    working = [asyncio.create_task(put("first", 0.3))]
    await asyncio.sleep(0.1)
    for name, seconds, left in [("a", 0, 4), ("never", 0, 0.05), ("late", 0.6, 0.5), ("b", 0, 4)]:
        working.append(asyncio.create_task(put(name, seconds, left)))
    done = await asyncio.gather(*working, return_exceptions=True)
    assert [one for one in done if isinstance(one, str)] == ["first", "a", "b"]
    assert sum(isinstance(one, errors.StoreUnavailable) for one in done) == 2
    async with store.read() as db:
        written = set((await db.execute(select(changes.c.id))).scalars())
    assert written - {"late"} == {"first", "a", "b"}


async def how_many(store: Store, table: Table = notes) -> int | None:
    """Count rows, or return None while the database is gone."""
    with suppress(errors.StoreUnavailable):
        async with store.read() as db:
            return int(await db.scalar(select(func.count()).select_from(table)))
    return None


async def test_who_is_strict_does_not_listen_and_always_looks(
    server: ThrowAwayPostgreSQL, postgresql: House
) -> None:
    name = await database(server, postgresql.master, "core")
    backend = PostgreSQL(server.url(name), master=postgresql.master, strict=True)
    watch = await backend.watch("core")
    assert (watch.changed(), watch.changed(), watch.healthy()) == (True, True, False)
    await backend.close()


async def test_who_listens_goes_on_after_whatever_has_gone_wrong(
    server: ThrowAwayPostgreSQL,
) -> None:
    """REL-04: also where the server ends the connection at the very moment when it is used."""
    faults = [asyncpg.InternalClientError("cannot switch to state 12"), ConnectionResetError()]

    async def connect() -> asyncpg.Connection:
        if faults:
            raise faults.pop()
        return await asyncpg.connect(server.admin_url())

    listener = Listener(connect)
    try:
        async with asyncio.timeout(10):
            while not listener.healthy():
                await asyncio.sleep(0.05)
    finally:
        await listener.close()


async def test_a_replica_that_is_not_there_is_done_without(
    server: ThrowAwayPostgreSQL, postgresql: House, caplog: pytest.LogCaptureFixture
) -> None:
    """And one that is the database itself is none: it would be trusted not to change."""
    await put(postgresql, "a")
    name = (await (await postgresql.store("notes")).fetch("SELECT current_database()") or ("",))[0]
    nowhere = f"postgresql://127.0.0.1:1/{name}"
    for replica, reason in ((nowhere, "ConnectionRefused"), (server.url(name), "is no replica")):
        backend = PostgreSQL(
            server.url(name), master=postgresql.master, replica_urls=[nowhere, replica]
        )
        store = await postgresql.open(backend, "notes")

        async def work(db: Database) -> list[str]:
            return list((await db.execute(select(notes.c.text))).scalars())

        for _ in range(3):
            assert await store.search(work) == ["a"]
        assert reason in caplog.text
        await backend.close()


async def test_a_server_that_goes_away_makes_stores_unavailable_until_it_is_back(
    server: ThrowAwayPostgreSQL, postgresql: House, caplog: pytest.LogCaptureFixture
) -> None:
    await put(postgresql, "a")
    store = await postgresql.store()
    watch = await postgresql.backend.watch("notes")
    await until(watch.healthy)
    watch.changed()
    async with store.read() as db:
        await db.execute(select(notes))
        server.stop()
        with pytest.raises(errors.StoreUnavailable):
            await db.execute(select(notes))
    try:
        for _ in range(3):
            with pytest.raises(errors.StoreUnavailable):
                await store.fetch("SELECT 1")
            with pytest.raises(errors.StoreUnavailable):
                async with store.begin() as db:
                    await db.execute(select(notes))
        await until(lambda: not watch.healthy())
    finally:
        server.start()
    await until(watch.healthy)
    async with asyncio.timeout(5):
        while True:
            # It is found by itself, and then no connection of before is used.
            with suppress(errors.StoreUnavailable):
                assert await store.fetch("SELECT text FROM notes") == ("a",)
                break
            await asyncio.sleep(0.05)
    async with store.begin() as db:
        await db.execute(insert(notes).values(text="b"))
    await until(watch.healthy)
    assert watch.changed()
    await watch.close()
    assert logging.ERROR in {record.levelno for record in caplog.records}


async def test_a_restart_that_nobody_noticed_is_no_error(
    server: ThrowAwayPostgreSQL, postgresql: House
) -> None:
    await put(postgresql, "a")
    store = await postgresql.store()
    async with store.read() as one, store.begin() as two:
        await one.execute(select(notes))
        await two.execute(select(notes))
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)
    for block in (store.read, store.begin):
        async with block() as db:
            assert await db.scalar(select(notes.c.text)) == "a"


async def test_a_clock_that_is_wrong_is_told_and_one_that_is_very_wrong_refused(
    postgresql: House, caplog: pytest.LogCaptureFixture
) -> None:
    """REL-08."""
    store = await postgresql.store("core")

    async def told(ahead: int) -> str:
        caplog.clear()
        await check_clock(store, lambda: now() + ahead)
        return caplog.text

    # The machine may be so busy that an answer takes its time, which counts for the clock.
    assert "the clock of this machine" not in await told(500)
    assert "10.0 s ahead of the database's" in await told(10_000)
    assert "10.0 s behind the database's" in await told(-10_000)
    for ahead in (90_000, -90_000):
        with pytest.raises(StorageError, match=r"90\.0 s"):
            await told(ahead)


@pytest.mark.parametrize("order", [1, -1])
async def test_the_server_that_takes_writes_is_found_whichever_comes_first(
    postgresql: House, server: ThrowAwayPostgreSQL, order: int
) -> None:
    await postgresql.store("core")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hosts = [f"127.0.0.1:{server.port}", f"127.0.0.1:{silent.getsockname()[1]}"][::order]
        url = server.admin_url().replace(f"127.0.0.1:{server.port}", ",".join(hosts))
        began = time.monotonic()
        connection = await Hosts(url).connect(timeout=30)
        assert connection.get_server_pid() > 0
        connection.terminate()
        assert time.monotonic() - began < 10


async def test_of_several_servers_that_fail_the_one_that_answers_is_told(
    server: ThrowAwayPostgreSQL,
) -> None:
    url = f"postgresql://nobody:wrong@127.0.0.1:1,127.0.0.1:{server.port}/postgres"
    with pytest.raises(asyncpg.InvalidPasswordError):
        await Hosts(url).connect(timeout=10)


@pytest.mark.parametrize(
    "url,each",
    [
        ("postgresql://a/b", ["postgresql://a/b"]),
        (
            "postgresql://u:p@a:1,[::1]:2/b?x=y",
            ["postgresql://u:p@a:1/b?x=y", "postgresql://u:p@[::1]:2/b?x=y"],
        ),
    ],
)
def test_a_url_may_name_several_servers(url: str, each: list[str]) -> None:
    assert alternatives(url) == each


async def test_a_process_whose_lease_has_ended_is_gone(postgresql: House) -> None:
    store = await postgresql.store("core")
    mine = await postgresql.backend.presence.join()
    async with store.begin() as db:
        await db.execute(insert(instances).values(id="somebody", alive_until=1))
    presence = postgresql.backend.presence
    assert await presence.gone("somebody")
    assert not await presence.gone(mine)


async def test_a_lease_is_renewed(postgresql: House) -> None:
    store = await postgresql.store("core")
    mine = await postgresql.backend.presence.join()
    until_when = "SELECT alive_until FROM instances WHERE id = ?"
    before = await store.fetch(until_when, mine)
    async with asyncio.timeout(20):
        while await store.fetch(until_when, mine) == before:
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    "sql,expected",
    [
        ("SELECT a FROM b WHERE c = ? AND d = ?", "SELECT a FROM b WHERE c = $1 AND d = $2"),
        ("SELECT '?', '''?' FROM \"?\" WHERE c = ?", "SELECT '?', '''?' FROM \"?\" WHERE c = $1"),
        ("SELECT 1", "SELECT 1"),
    ],
)
def test_only_places_of_values_are_numbered(sql: str, expected: str) -> None:
    assert numbered(sql) == expected


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.01)


async def test_failures_are_counted_beside_what_takes_turns(postgresql: House) -> None:
    """REL-08: what two processes write together locks rows in one order, whoever comes first."""
    stores = [await postgresql.store("core")]
    stores.append(await postgresql.open(postgresql.again(), "core"))
    counters = [Counters(store, 60_000, now) for store in stores]
    async with stores[0].begin() as db:
        await db.execute(insert(installation).values(key=MODE, value="own-roles"))

    async def take(store: Store) -> None:
        await store.write(take_turn)

    async def count(place: int, number: int) -> None:
        subjects = {b"address": 1000, b"%d" % number: 1000}
        await counters[place].give_back(await counters[place].count(subjects))

    works = [
        count(place, 7 * number % 5) if (number + place) % 3 else take(store)
        for number in range(100)
        for place, store in enumerate(stores)
    ]
    await asyncio.gather(*works)


async def test_machines_that_start_at_once_remember_the_same_plugin(postgresql: House) -> None:
    """A new installation, or a plugin that is new on all of them."""
    stores = [
        await postgresql.store("core"),
        await postgresql.open(postgresql.again(), "core"),
    ]
    async with stores[0].begin() as db:
        await db.execute(insert(installation).values(key=MODE, value="closed"))
    plugin = Plugin("notes", "ostiary-notes", "1", object())
    await asyncio.gather(*(Inventory(store, now).remember([plugin]) for store in stores))
    assert list(await stores[0].fetch_all("SELECT name FROM plugins")) == [("notes",)]


@pytest.mark.parametrize("query", ["sslmode=maybe", "target_session_attrs=some", "none_such=1"])
async def test_what_a_url_asks_for_in_vain_is_told_as_such(
    server: ThrowAwayPostgreSQL, master: MasterKey, query: str
) -> None:
    backend = PostgreSQL(
        f"{server.url(await database(server, master, 'core'))}?{query}", master=master
    )
    with pytest.raises(StorageError, match="behind `\\?` in the URL"):
        await backend.revision("core")
