"""Real servers for these tests, clients of them, and one PostgreSQL for all."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import NoReturn, Protocol
from zipfile import ZipFile

import asyncpg
import pytest

from ostiary.testing.postgresql import ThrowAwayPostgreSQL, started
from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.wire import HttpApi, WebSocketApi

ROOT = Path(__file__).resolve().parents[2]
OLDER = "dbdd2a50e223d4b8de2d4fd0d93f9be0290406ae"
"""The commit that an older version is built from: the first that notes in a store which code may
use it. Once a release drops what this one uses, a later one takes its place."""

SETUP_SECRET = "a setup secret that everybody knows"
ADMIN = {"username": "root", "password": "the password of an administrator"}

ROOMY = """
[security.hashing]
timeCost = 5
memoryCost = 7168
queue = 1000
nice = 0

[limits]
loginFailuresPerAccount = 100
loginFailuresPerAddress = 1000000
websocketMessagesPerSecond = 0

[security.standard.profiles]
default = {rateLimit = 0}
anonymous = {rateLimit = 0}
"""
"""Settings for many requests at once: nothing is refused for being too much."""


class Serve(Protocol):
    """Starts a server that is thrown away after the test; arguments as of ``ThrowAwayServer``."""

    def __call__(
        self,
        *,
        dev: bool = False,
        workers: int = 1,
        database: str | None = None,
        settings: str = ROOMY,
        environment: dict[str, str] | None = None,
        started: bool = True,
    ) -> ThrowAwayServer: ...


Connect = Callable[[ThrowAwayServer], HttpApi]
Keep = Callable[[HttpApi], HttpApi]


class ConnectSocket(Protocol):
    """Opens a WebSocket to a server; it is closed after the test."""

    def __call__(
        self, server: ThrowAwayServer, headers: dict[str, str] | None = None
    ) -> WebSocketApi: ...


@dataclass(frozen=True)
class Database:
    """An empty database of PostgreSQL, and what a server is given for it."""

    server: ThrowAwayPostgreSQL
    name: str
    environment: dict[str, str]

    @property
    def url(self) -> str:
        """What ``--database`` is told."""
        return self.server.url(self.name)

    @property
    def admin_url(self) -> str:
        """What ``--admin-url`` is told."""
        return self.server.admin_url(self.name)

    def query(self, sql: str) -> list[tuple[object, ...]]:
        """Ask the database past all of our code."""
        return asyncio.run(self.server.run(sql, self.name))

    def run_script(self, sql: str) -> None:
        """Run many statements as the superuser, as psql would."""

        async def run() -> None:
            connection = await asyncpg.connect(self.admin_url)
            try:
                await connection.execute(sql)
            finally:
                await connection.close()

        asyncio.run(run())


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield partial(_serve, stack)


@pytest.fixture(scope="module")
def start_server() -> Iterator[Serve]:
    """Start servers that are thrown away after the last test of the module."""
    with ExitStack() as stack:
        yield partial(_serve, stack)


@pytest.fixture
def keep() -> Iterator[Keep]:
    """Close connections after the test."""
    with ExitStack() as stack:
        yield lambda api: stack.enter_context(closing(api))


@pytest.fixture
def connect(keep: Keep) -> Connect:
    return lambda server: keep(HttpApi(server.port))


@pytest.fixture
def connect_socket() -> Iterator[ConnectSocket]:
    with ExitStack() as stack:

        def open_socket(
            server: ThrowAwayServer, headers: dict[str, str] | None = None
        ) -> WebSocketApi:
            return stack.enter_context(closing(WebSocketApi(server.port, headers)))

        yield open_socket


@pytest.fixture
def setup_secret() -> str:
    """What ``serve`` tells the server to make the first administrator with."""
    return SETUP_SECRET


@pytest.fixture(scope="session")
def administer() -> Callable[[HttpApi], str]:
    """Make the first administrator of a server; return a token of theirs."""

    def make(api: HttpApi) -> str:
        made = api.send(
            "POST",
            "/_createFirstAdmin/root",
            {"credentials": {"local": ADMIN}},
            {"X-Ostiary-Setup": SETUP_SECRET},
        )
        assert made.status == 200, made.body
        token: str = api.call("auth:login", ADMIN, strategy="local").result["jwt"]
        return token

    return make


@pytest.fixture(scope="session")
def postgresql(missing: Callable[[str, str], NoReturn]) -> Iterator[ThrowAwayPostgreSQL]:
    with started(missing) as running:
        yield running


@pytest.fixture(scope="session")
def master_key() -> str:
    """The one key of all databases, for they share their roles."""
    return secrets.token_hex(32)


@pytest.fixture
def database(postgresql: ThrowAwayPostgreSQL, master_key: str) -> Database:
    return _database(postgresql, master_key)


@pytest.fixture
def ready(database: Database) -> Database:
    """A database with every store in it."""
    return _provisioned(database)


@pytest.fixture(scope="module")
def make_ready(postgresql: ThrowAwayPostgreSQL, master_key: str) -> Callable[[], Database]:
    """Make a database with every store in it that several tests share."""
    return lambda: _provisioned(_database(postgresql, master_key))


@pytest.fixture(scope="session")
def make_ready_on(master_key: str) -> Callable[[ThrowAwayPostgreSQL], Database]:
    """Make a database with every store in it on a server that a test has started for itself."""
    return lambda server: _provisioned(_database(server, master_key))


@pytest.fixture(scope="session")
def older(
    missing: Callable[[str, str], NoReturn], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Build the wheels of an older version and install them; return what has a server find them."""
    source, target = (tmp_path_factory.mktemp(name) for name in ("source", "older"))
    command = ["git", "-C", str(ROOT), "archive", "--format=zip", OLDER]
    packed = subprocess.run(command, check=False, capture_output=True)
    if packed.returncode:
        missing(f"the commit {OLDER}", "git fetch --unshallow")
    with ZipFile(BytesIO(packed.stdout)) as archive:
        archive.extractall(source)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    install += ["--no-build-isolation", "--target", str(target)]
    wheels = [str(source / path) for path in (".", "plugins/local", "plugins/oauth")]
    done = subprocess.run([*install, *wheels], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {"PYTHONPATH": str(target)}


MANY = ["sqlite", "postgresql", pytest.param("versions", marks=pytest.mark.long)]
"""Where processes share stores: two workers on each database; an older version beside this one."""


@pytest.fixture(scope="module", params=MANY)
def ports(request: pytest.FixtureRequest, start_server: Serve) -> list[int]:
    """The ports of processes that share their stores."""
    if request.param == "sqlite":
        return [start_server(workers=2).port]
    database: Database = request.getfixturevalue("make_ready")()
    url, environment = database.url, database.environment
    if request.param == "postgresql":
        return [start_server(workers=2, database=url, environment=environment).port]
    older = environment | request.getfixturevalue("older")
    both = (start_server(database=url, environment=one) for one in (environment, older))
    return [server.port for server in both]


def _database(postgresql: ThrowAwayPostgreSQL, master_key: str) -> Database:
    name = asyncio.run(postgresql.create_database())
    environment = {"OSTIARY_MASTER_KEY": master_key, "OSTIARY_SETUP_SECRET": SETUP_SECRET}
    return Database(postgresql, name, environment)


def _provisioned(database: Database) -> Database:
    provision(database.url, database.admin_url, database.environment)
    return database


def provision(url: str, admin_url: str, environment: dict[str, str]) -> None:
    """Make every store in a database, as an operator does before the first start."""
    server = ThrowAwayServer(database=url, environment=environment)
    with ExitStack() as stack:
        stack.callback(server.throw_away)
        for words in (["db", "provision", "--admin-url", admin_url], ["db", "upgrade"]):
            done = server.run(*words)
            assert done.returncode == 0, done.stderr


def _serve(
    stack: ExitStack,
    *,
    dev: bool = False,
    workers: int = 1,
    database: str | None = None,
    settings: str = ROOMY,
    environment: dict[str, str] | None = None,
    started: bool = True,
) -> ThrowAwayServer:
    known = {"OSTIARY_SETUP_SECRET": SETUP_SECRET}
    server = ThrowAwayServer(
        dev=dev,
        workers=workers,
        database=database,
        settings=settings,
        environment=known if environment is None else environment,
    )
    stack.callback(_end, server)
    if started:
        server.start()
    return server


def _end(server: ThrowAwayServer) -> None:
    print(server.log)  # noqa: T201 - pytest shows it beside a test that failed
    server.throw_away()
