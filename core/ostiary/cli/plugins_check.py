"""The command that tries the promises of a plugin: ``ostiary plugins check``."""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

from ostiary.cli.parsing import add
from ostiary.log import printable
from ostiary.settings import Settings

SAMPLES = {
    "good": "right credentials of a user",
    "other": "right credentials of a second user",
    "wrong": "what differs in a login with a wrong secret",
}


def add_check(group: Any) -> None:
    """Add ``ostiary plugins check``."""
    check = add(group, "check", plugins_check)
    check.add_argument("name", help="the plugin")
    for option, meaning in SAMPLES.items():
        check.add_argument(f"--{option}", type=_object, metavar="JSON", help=meaning)
    check.add_argument(
        "--postgresql", action="store_true", help="also on a PostgreSQL server started for it"
    )


def plugins_check(settings: Settings, options: argparse.Namespace) -> None:
    """Try every promise of a plugin, on stores that are thrown away; none of yours is touched."""
    from ostiary.storage import StorageError
    from ostiary.testing import check

    samples = {name: getattr(options, name) for name in SAMPLES}
    own = settings.plugins.tables.get(options.name, {})
    running = check.run(options.name, own, postgresql=options.postgresql, **samples)
    try:
        reports = asyncio.run(running)
    except check.NoContract as error:
        raise StorageError(str(error)) from None
    for report in reports:
        print("\n".join(printable(line) for line in report.lines()), end="\n\n")
    if broken := sum(result.state == "broken" for one in reports for result in one.results):
        raise StorageError(f"the plugin {options.name} breaks {broken} promises")


def _object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("wanted: an object of JSON")
    return value
