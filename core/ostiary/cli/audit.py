"""Commands about what has happened: ``ostiary audit`` and ``ostiary explain``."""

from __future__ import annotations

import argparse
import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ostiary.cli.parsing import add, add_group, print_table
from ostiary.clock import now
from ostiary.durations import ENDLESS, duration
from ostiary.events import kinds
from ostiary.log import printable
from ostiary.settings import Settings

if TYPE_CHECKING:
    from ostiary.services.audit_log import Entry

STRATEGY = "local"
SIZE = 100


def add_commands(commands: Any) -> None:
    """Add ``ostiary audit`` and ``ostiary explain``."""
    group = add_group(commands, "audit", "the audit log")
    command = add(group, "search", audit_search)
    command.add_argument("--user", metavar="KUID", help="who did it, or whom it was done to")
    command.add_argument("--login", metavar="NAME", help="the same, by the name of a login")
    _add_strategy(command)
    command.add_argument("--address", metavar="A", help="where the request came from")
    command.add_argument(
        "--event", metavar="E", choices=sorted(kinds()), help="the name of an event"
    )
    _add_instant(command, "--since", "from then on: a timespan such as 2h, or an instant")
    _add_instant(command, "--until", "before then")
    command.add_argument("--size", type=int, default=SIZE, metavar="N", help="entries at most")
    command.add_argument("--json", action="store_true", help="print JSON Lines")
    command = add(group, "export", audit_export)
    command.add_argument("file", type=Path, metavar="FILE", help="JSON Lines; gone on with")
    _add_instant(command, "--since", "from then on: a timespan such as 30d, or an instant")
    group = add_group(commands, "explain", "why something is as it is")
    command = add(group, "login", explain_login)
    command.add_argument("name", metavar="NAME", help="what the user signs in with, or the kuid")
    _add_strategy(command)


def audit_search(settings: Settings, options: argparse.Namespace) -> None:
    """Print entries of the audit log, the newest last."""
    from ostiary import auditing
    from ostiary.services.audit_filters import Wanted

    wanted = Wanted(
        user=options.user,
        address=options.address,
        event=options.event,
        since=options.since,
        until=options.until,
    )
    entries = asyncio.run(
        auditing.search(
            settings, wanted, login=options.login, strategy=options.strategy, size=options.size
        )
    )
    if options.json:
        for entry in entries:
            print(json.dumps(entry.to_json()))
    else:
        header = ("when", "event", "about", "by", "from", "strategy", "why")
        print_table(header, [_row(entry) for entry in entries])


def audit_export(settings: Settings, options: argparse.Namespace) -> None:
    """Append the entries to a file that are not in it yet, as JSON Lines."""
    from ostiary import auditing

    count = asyncio.run(auditing.export(settings, options.file, options.since))
    print(f"{count} entries were written.")


def explain_login(settings: Settings, options: argparse.Namespace) -> None:
    """Tell what has become of a user's logins, and whether they could sign in now."""
    from ostiary.explaining import explain

    for line in asyncio.run(explain(settings, options.name, options.strategy)):
        print(printable(line))


def instant(text: str) -> int:
    """Read an instant, in ms: how long ago it is, or a date and time of ISO 8601 (UTC)."""
    try:
        ago = duration(text)
    except ValueError:
        given = datetime.fromisoformat(text)
        given = given if given.tzinfo else given.replace(tzinfo=UTC)
        return int(given.timestamp() * 1000)
    if ago == ENDLESS:
        raise ValueError("not an instant")
    return now() - ago


def _add_instant(command: argparse.ArgumentParser, name: str, help: str) -> None:
    command.add_argument(name, type=instant, metavar="WHEN", help=help)


def _add_strategy(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--strategy", default=STRATEGY, metavar="S", help="the strategy of the name"
    )


def _row(entry: Entry) -> tuple[str, ...]:
    from ostiary.explaining import instant as written

    why = [entry.reason or "", *(f"{name}={value}" for name, value in _details(entry))]
    origin = "command line" if entry.protocol == "cli" else entry.address
    cells = (entry.event, entry.about, entry.author, origin, entry.strategy)
    return (
        written(entry.at),
        *(printable(cell or "-") for cell in cells),
        printable(" ".join(filter(None, why))),
    )


def _details(entry: Entry) -> list[tuple[str, Any]]:
    return [
        (name, ",".join(map(str, value)) if isinstance(value, list) else value)
        for name, value in (entry.details or {}).items()
    ]
