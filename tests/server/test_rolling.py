"""REL-09: servers of two versions live on one database while they are replaced one by one.

An older version is built from a commit of the past; a newer one is this one with
revisions that it does not have yet. More of what both have to do together is asked in
``test_races.py`` and ``test_tokens.py``.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Protocol

import pytest

from ostiary.testing.server import ServerFailed, ThrowAwayServer
from ostiary.testing.wire import HttpApi

from .conftest import SETUP_SECRET
from .test_workers import (
    create_user,
    give_profiles,
    look,
    sign_in,
    status_within_bound,
    user,
    who,
)

if TYPE_CHECKING:
    from .conftest import Connect, Database, Serve

CLIENTS = 3
RIVALS = 10

HEAD = '''"""A revision of the future."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
oldest = "{oldest}"


def upgrade():
'''
EXPANDS = """
    op.create_table("new_things", sa.Column("id", sa.String, primary_key=True))
    for table in {tables}:
        op.add_column(table, sa.Column("new", sa.String, server_default="", nullable=False))
        op.create_index(f"new_of_{{table}}", table, ["new"])
"""
CONTRACTS = """
    op.drop_table("new_things")
"""
TABLES = {
    "ostiary_migrations/versions": ["users", "tokens", "api_keys", "changes", "journal"],
    "ostiary_local/migrations": ["accounts", "identifiers"],
}
"""What a newer version adds to, by the folder of the revisions."""

NEWS = "INSERT INTO ostiary_core.changes (what, id, at) VALUES ('weather', 'ann', 0)"
"""A kind of change that this version does not know."""


class Newer(Protocol):
    """Makes a newer version; returns what has a server find it.

    :param contracts: it has two revisions more, of which the second is for nobody older.
    """

    def __call__(self, *, contracts: bool = False) -> dict[str, str]: ...


@pytest.fixture
def newer(tmp_path: Path) -> Newer:
    def make(*, contracts: bool = False) -> dict[str, str]:
        target = tmp_path / f"contracts-{contracts}"
        for path, tables in TABLES.items():
            package, _, folder = path.partition("/")
            file = importlib.import_module(package).__file__
            assert file
            shutil.copytree(Path(file).parent, target / package)
            revisions = target / package / folder
            last = max(one.name[:4] for one in revisions.glob("[0-9]*.py"))
            _write(revisions, last, last, EXPANDS.format(tables=tables))
            if contracts:
                following = f"{int(last) + 1:04}"
                _write(revisions, following, f"{int(last) + 2:04}", CONTRACTS)
        inherited = os.environ.get("PYTHONPATH")
        return {"PYTHONPATH": os.pathsep.join(filter(None, [str(target), inherited]))}

    return make


def test_an_older_version_and_this_one_serve_one_database(
    serve: Serve,
    connect: Connect,
    administer: Callable[[HttpApi], str],
    ready: Database,
    older: dict[str, str],
) -> None:
    """REL-09: the older one comes from its wheels, and the tables from this one."""
    assert where(older).is_relative_to(older["PYTHONPATH"])
    assert not where({}).is_relative_to(older["PYTHONPATH"])
    was = serve(database=ready.url, environment=ready.environment | older)
    now = serve(database=ready.url, environment=ready.environment)
    admin = administer(connect(was))
    check(was, now, admin)


def test_a_newer_version_takes_over_while_clients_work(
    serve: Serve,
    connect: Connect,
    administer: Callable[[HttpApi], str],
    ready: Database,
    newer: Newer,
) -> None:
    """REL-09: this version goes on, and starts, on tables that were added to."""
    now = serve(database=ready.url, environment=ready.environment)
    new = serve(database=ready.url, environment=ready.environment | newer(), started=False)
    admin = administer(connect(now))
    with working(now, admin):
        assert states(new) == ["behind, compatible", "behind, compatible", "up to date"]
        upgrade(new)
        new.start()
        ready.query(NEWS)
        check(now, new, admin)
    now.restart()
    assert "the store core is at revision" in now.log
    assert states(now) == ["newer, compatible", "newer, compatible", "up to date"]
    assert upgrade(now).count("has nothing to do") == 2
    with working(now, admin), working(new, admin):
        check(now, new, admin)


@pytest.mark.long
def test_tables_that_are_no_longer_for_it_are_not_served_by_this_version(
    serve: Serve,
    connect: Connect,
    administer: Callable[[HttpApi], str],
    ready: Database,
    newer: Newer,
) -> None:
    """REL-09: on PostgreSQL; the same is asked of SQLite every day."""
    now = serve(database=ready.url, environment=ready.environment)
    last = serve(
        database=ready.url, environment=ready.environment | newer(contracts=True), started=False
    )
    admin = administer(connect(now))
    assert states(last) == ["behind", "behind", "up to date"]
    upgrade(last)
    assert states(now) == ["ahead", "ahead", "up to date"]
    with pytest.raises(ServerFailed, match="install the version that upgraded it"):
        now.restart()
    last.start()
    check(last, last, admin)


def test_on_sqlite_an_older_version_starts_again_on_what_was_only_added_to(
    serve: Serve, connect: Connect, administer: Callable[[HttpApi], str], newer: Newer
) -> None:
    """REL-09."""
    now = serve()
    admin = administer(connect(now))
    now.stop()
    environment = {"OSTIARY_SETUP_SECRET": SETUP_SECRET}
    for contracts in (False, True):
        new = serve(environment=environment | newer(contracts=contracts), started=False)
        new.data = now.data
        new.start()
        check(new, new, admin)
        new.stop()
        if contracts:
            with pytest.raises(ServerFailed, match="install the version that upgraded it"):
                now.start()
        else:
            now.start()
            check(now, now, admin)
            now.stop()


def check(one: ThrowAwayServer, other: ThrowAwayServer, admin: str) -> None:
    """Have both servers agree on tokens, rights and names, whoever of them is asked first."""
    with closing(HttpApi(one.port)) as here, closing(HttpApi(other.port)) as there:
        for api, beside in ((here, there), (there, here)):
            _check_tokens(api, beside, admin)
            _check_rights(api, beside, admin)
    _check_names(one, other, admin)


def _check_tokens(here: HttpApi, there: HttpApi, admin: str) -> None:
    create_user(here, admin, "ann")
    token, stays = sign_in(here, "ann"), sign_in(there, "ann")
    assert who(there, token).result["_id"] == "ann"
    key = there.call(
        "security:createApiKey", {"description": "x"}, jwt=admin, userId="ann", expiresIn="1h"
    ).result
    text = key["_source"]["token"]
    assert who(here, text).result["_id"] == "ann"
    assert here.call("auth:logout", jwt=token).status == 200
    assert status_within_bound(lambda: who(there, token), 401)
    ended = here.call("security:deleteApiKey", jwt=admin, userId="ann", _id=key["_id"])
    assert ended.status == 200
    assert status_within_bound(lambda: who(there, text), 401)
    assert {who(api, stays).status for api in (here, there)} == {200}
    assert there.call("security:deleteUser", _id="ann", jwt=admin).status == 200
    assert status_within_bound(lambda: who(here, stays), 401)


def _check_rights(here: HttpApi, there: HttpApi, admin: str) -> None:
    create_user(here, admin, "bob")
    token = sign_in(there, "bob")
    assert look(there, token).status == 403
    give_profiles(here, admin, "bob", ["admin"])
    assert status_within_bound(lambda: look(there, token), 200)
    give_profiles(here, admin, "bob", ["default"])
    assert status_within_bound(lambda: look(there, token), 403)
    assert here.call("security:disableUser", _id="bob", jwt=admin).status == 200
    assert status_within_bound(lambda: who(there, token), 401)
    assert there.call("security:deleteUser", _id="bob", jwt=admin).status == 200


def _check_names(one: ThrowAwayServer, other: ThrowAwayServer, admin: str) -> None:
    """Have both asked for one name at once; nothing is left of those who do not get it."""
    kuids = [f"rival-{number}" for number in range(RIVALS)]
    with ExitStack() as stack, ThreadPoolExecutor(RIVALS) as threads:
        apis = [
            stack.enter_context(closing(HttpApi(server.port)))
            for _ in range(RIVALS // 2)
            for server in (one, other)
        ]

        def ask(api: HttpApi, kuid: str) -> int:
            return api.call("security:createUser", user("rival"), _id=kuid, jwt=admin).status

        statuses = list(threads.map(ask, apis, kuids))
        assert sorted(statuses) == [200, *[412] * (RIVALS - 1)]
        (winner,) = (kuid for kuid, status in zip(kuids, statuses, strict=True) if status == 200)
        found = [apis[1].call("security:getUser", _id=kuid, jwt=admin).status for kuid in kuids]
        assert found == [200 if kuid == winner else 404 for kuid in kuids]
        assert apis[1].call("security:deleteUser", _id=winner, jwt=admin).status == 200


@contextmanager
def working(server: ThrowAwayServer, admin: str) -> Iterator[None]:
    """Have clients at work meanwhile, to whom nothing happens."""
    stop = Event()

    def work(number: int) -> int:
        name, rounds = f"client-{server.port}-{number}", 0
        with closing(HttpApi(server.port)) as api:
            while not stop.is_set():
                create_user(api, admin, name)
                token = sign_in(api, name)
                give_profiles(api, admin, name, ["default", "admin"])
                assert look(api, token).status == 200
                assert api.call("auth:logout", jwt=token).status == 200
                assert who(api, token).status == 401
                assert api.call("security:deleteUser", _id=name, jwt=admin).status == 200
                rounds += 1
        return rounds

    with ThreadPoolExecutor(CLIENTS) as threads:
        running = [threads.submit(work, number) for number in range(CLIENTS)]
        try:
            yield
        finally:
            stop.set()
        assert all(one.result() for one in running)


def states(server: ThrowAwayServer) -> list[str]:
    """Return what a version says of the stores of the core, local and oauth."""
    told = server.run("db", "status")
    assert told.returncode == 0, told.stderr
    return [line.split(maxsplit=3)[3].strip() for line in told.stdout.splitlines()[1:]]


def upgrade(server: ThrowAwayServer) -> str:
    """Upgrade the stores with a version; return what it tells."""
    told = server.run("db", "upgrade")
    assert told.returncode == 0, told.stderr
    return told.stdout


def where(environment: dict[str, str]) -> Path:
    """Return where a version comes from."""
    command = [sys.executable, "-c", "import ostiary; print(ostiary.__file__)"]
    told = subprocess.run(command, env=os.environ | environment, check=True, capture_output=True)
    return Path(told.stdout.decode().strip())


def _write(folder: Path, before: str, oldest: str, body: str) -> None:
    """Write the revision that follows another one."""
    revision = f"{int(before) + 1:04}"
    head = HEAD.format(revision=revision, before=before, oldest=oldest)
    (folder / f"{revision}_future.py").write_text(head + body)
