"""A real standby of a PostgreSQL server for tests, which follows it by streaming replication."""

from __future__ import annotations

from pathlib import Path

from ostiary.testing.postgresql import ThrowAwayPostgreSQL


class ThrowAwayStandby(ThrowAwayPostgreSQL):
    """A hot standby of another server; ``with`` copies that one, starts and throws away.

    :param name: what ``synchronous_standby_names`` of the primary can call it by.
    """

    def __init__(self, primary: ThrowAwayPostgreSQL, name: str = "standby") -> None:
        super().__init__(primary.settings)
        self._primary, self._name = primary, name
        self.password = primary.password

    async def pause(self) -> None:
        """Receive what the primary does, and let nobody see it."""
        await self.run("SELECT pg_wal_replay_pause()")
        while await self.run("SELECT pg_get_wal_replay_pause_state()") != [("paused",)]:
            pass

    async def resume(self) -> None:
        """Go on where it was paused."""
        await self.run("SELECT pg_wal_replay_resume()")

    async def promote(self) -> None:
        """Make it a server of its own, which can be written to when this returns."""
        assert await self.run("SELECT pg_promote()") == [(True,)]

    def _create(self) -> None:
        at = f"host=127.0.0.1 port={self._primary.port} user=postgres application_name={self._name}"
        command: list[str | Path] = [self._programs / "pg_basebackup", "-D", self._data, "-d", at]
        command += [
            "--write-recovery-conf",
            "--wal-method=stream",
            "--checkpoint=fast",
            "--no-sync",
        ]
        self._run_program(command, {"PGPASSWORD": self.password})
