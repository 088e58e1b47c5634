"""Where histories take place: a server that all of them share, and its data base."""

from __future__ import annotations

import argparse
import asyncio
import io
import itertools
import json
import sqlite3
from contextlib import closing, redirect_stdout, suppress
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine

from ostiary import CommandError, workplaces
from ostiary.testing.wire import Outcome
from ostiary_local.commands import commands

from .drawing import Given
from .model import Model

TABLES = ("accounts", "identifiers", "former_passwords", "tickets", "outbox")
MONTH = 31 * 86_400_000
"""Milliseconds after which a password has expired."""

numbers = itertools.count(1)


class Ground(RuleBasedStateMachine):
    """One history on the server of all of them; nobody and no name of another one is in it."""

    site: Any
    """The server, of a class for each."""

    def __init__(self) -> None:
        super().__init__()
        self.agreed = False
        self.model, self.mark = Model(), f"-{next(numbers)}"

    def call(self, name: str, body: Any = None, **args: Any) -> Outcome:
        args.setdefault("jwt", self.site.jwt)
        outcome: Outcome = self.site.http.call(name, body, **args)
        return outcome

    def of(self, text: str | None) -> str | None:
        return text and self.mark[1:] + text if text and "@" in text else text and text + self.mark

    def fields(self, given: Given) -> dict[str, Any]:
        name, email, password = given
        fields = {"username": self.of(name), "password": password}
        return fields | ({"email": self.of(email)} if email else {})

    def imported(self, line: dict[str, Any], *flags: str) -> str:
        """Run ``ostiary local import``, while the server runs, and return what it tells."""
        command = next(one for one in commands() if one.name == "import")
        parser, out = argparse.ArgumentParser(), io.StringIO()
        command.arguments(parser)
        file = self.site.settings.data.dir / "accounts.jsonl"
        file.write_text(json.dumps(line), encoding="utf-8")
        options = parser.parse_args([str(file), *flags])
        with redirect_stdout(out), suppress(CommandError):
            asyncio.run(workplaces.run(self.site.settings, "local", command, options))
        return out.getvalue()

    def age(self, kuid: str) -> None:
        """Let a password grow old, and what is bound to the instant at which it was set."""
        older = "UPDATE accounts SET password_set_at = password_set_at - ? WHERE kuid = ?"
        bound = "UPDATE tickets SET bound = CAST(bound - ? AS TEXT) WHERE kuid = ?"
        with closing(sqlite3.connect(self.site.settings.data.dir / "local.db")) as db, db:
            for statement in (older, bound):
                db.execute(statement, (MONTH, kuid))

    def stored(self) -> dict[str, list[sqlite3.Row]]:
        """Return the rows of every table of the plugin that are of users of this history."""
        with closing(sqlite3.connect(self.site.settings.data.dir / "local.db")) as db:
            db.row_factory = sqlite3.Row
            whose = (f"%{self.mark}",)
            return {
                table: db.execute(f"SELECT * FROM {table} WHERE kuid LIKE ?", whose).fetchall()
                for table in TABLES
            }
