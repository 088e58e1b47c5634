"""A real PostgreSQL server for tests, in a folder that is thrown away."""

from __future__ import annotations

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

import asyncpg

from ostiary.testing.server import free_port
from ostiary.testing.thrown_away import START_SECONDS, ThrownAway

INSTALLED = Path("/usr/lib/postgresql")

NOTHING: Mapping[str, str] = MappingProxyType({})

# Nothing has to outlive a power cut; what is committed must outlive the server, though.
FAST = {"fsync": "off", "full_page_writes": "off"}


class PostgreSQLMissing(Exception):
    """No server can be started here; the message says how to get it."""


@contextmanager
def started(
    missing: Callable[[str, str], NoReturn], settings: Mapping[str, str] = NOTHING
) -> Iterator[ThrowAwayPostgreSQL]:
    """Start a server for what is done in here.

    :param missing: ends a test for which a part of the machine is not there, told the part and
        how to get it.
    """
    try:
        server = ThrowAwayPostgreSQL(settings)
    except PostgreSQLMissing as reason:
        missing("PostgreSQL", str(reason))
    with server:
        yield server


class ThrowAwayPostgreSQL(ThrownAway):
    """A server on a free port of 127.0.0.1, where passwords are asked for.

    Several databases in it share the roles, as everywhere in PostgreSQL.

    :param settings: of the server, besides those that make it fast and forgetful of power cuts.
    :ivar password: of the superuser.
    :raises PostgreSQLMissing: on entering, if PostgreSQL is not installed.
    """

    prefix = "pg-"

    def __init__(self, settings: Mapping[str, str] = NOTHING) -> None:
        self._programs = _programs()
        super().__init__(account())
        self.settings = FAST | dict(settings)
        self.password = secrets.token_urlsafe(16)
        self._databases = 0
        self.port = 0

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database, without a role."""
        return f"postgresql://127.0.0.1:{self.port}/{database}"

    def admin_url(self, database: str = "postgres") -> str:
        """Return the URL of a database with the login of its superuser."""
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/{database}"

    async def create_database(self) -> str:
        """Make an empty database and return its name."""
        self._databases += 1
        name = f"test_{self._databases}"
        await self.run(f"CREATE DATABASE {name}")
        return name

    async def run(self, sql: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement as the superuser and return its rows."""
        connection = await asyncpg.connect(self.admin_url(database))
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    def start(self) -> None:
        """Start the server, again on the same port after ``stop``."""
        self.port = self.port or free_port()
        settings = self.settings | {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self._folder),
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._run([self._programs / "postgres", "-D", self._data, *options], self._ready)

    async def wait_for(self, *names: str) -> None:
        """Have every commit wait for one of these standbys, as soon as all of them follow."""
        await self.run(f"ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 ({','.join(names)})'")
        await self.run("SELECT pg_reload_conf()")
        following = (
            "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum' "
            "AND state = 'streaming'"
        )
        async with asyncio.timeout(START_SECONDS):
            while await self.run(following) != [(len(names),)]:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)

    def freeze(self) -> None:
        """Let all its processes stand still, as in a machine that hangs, until ``thaw``."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """Stop the server without a farewell, as a crash would; ``start`` brings it back."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            # Else the processes of one that stands still would outlive it.
            self.thaw()
            self._process.wait(START_SECONDS)
            self._process = None

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _create(self) -> None:
        password = self._folder / "password"
        password.write_text(self.password)
        self._hand_over(password)
        command: list[str | Path] = [self._programs / "initdb", "-D", self._data, "--no-sync"]
        command += ["--username=postgres", f"--pwfile={password}", "--encoding=UTF8"]
        command += ["--auth=scram-sha-256", "--locale=C.UTF-8"]
        self._run_program(command)

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to every process of the server, which are children of the first."""
        if self._process is None:
            raise RuntimeError("the server does not run")
        first = self._process.pid
        children = Path(f"/proc/{first}/task/{first}/children").read_text()
        for process in (first, *map(int, children.split())):
            with suppress(ProcessLookupError):
                os.kill(process, number)

    def _run_program(
        self, command: Sequence[str | Path], environment: Mapping[str, str] = NOTHING
    ) -> None:
        """Run a program of PostgreSQL as the account that its files belong to."""
        done = subprocess.run(  # noqa: S603 - a program that was looked up
            command,
            cwd=self._folder,
            capture_output=True,
            check=False,
            env=os.environ | environment,
            **self._account,
        )
        if done.returncode:
            said = done.stderr.decode(errors="replace")
            raise RuntimeError(f"{Path(command[0]).name} failed: {said}")

    def _ready(self, process: int) -> bool:
        """Tell whether the server has written that it is ready, into the last line of its file."""
        state = self._data / "postmaster.pid"
        lines = state.read_text().splitlines() if state.exists() else []
        return (
            len(lines) >= 8  # noqa: PLR2004
            and lines[0] == str(process)
            and lines[7].strip() == "ready"
        )


def _programs() -> Path:
    """Return the folder of the newest server that is installed."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = [path.parent for path in INSTALLED.glob("*/bin/initdb")]
    if not versions:
        raise PostgreSQLMissing(
            "PostgreSQL is not installed (no initdb in PATH, none in /usr/lib/postgresql): "
            "apt-get install postgresql, or brew install postgresql"
        )
    return max(versions, key=lambda path: float(path.parent.name))


def account() -> dict[str, Any]:
    """Return who runs the server: it refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    try:
        account = pwd.getpwnam("postgres")
    except KeyError:
        raise PostgreSQLMissing(
            "PostgreSQL does not run as root, and there is no user postgres: "
            "apt-get install postgresql, or run the tests as another user"
        ) from None
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
