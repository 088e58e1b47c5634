"""The command that takes over what Kuzzle has: ``ostiary import-kuzzle``."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

from ostiary import log
from ostiary.cli.parsing import add
from ostiary.settings import Settings


def add_commands(commands: Any) -> None:
    """Add ``ostiary import-kuzzle``."""
    command = add(commands, "import-kuzzle", import_kuzzle)
    command.add_argument("files", nargs="+", type=Path, metavar="FILE", help="exports, or folders")
    command.add_argument(
        "--on-existing",
        choices=("fail", "skip", "overwrite"),
        default="fail",
        help="what to do with what is there and differs",
    )
    command.add_argument("--check", action="store_true", help="only tell what would be done")


def import_kuzzle(settings: Settings, options: argparse.Namespace) -> None:
    """Import the roles, profiles and users that Kuzzle's command line exported."""
    from ostiary.exports import ExportError
    from ostiary.importing import import_kuzzle as run

    report = asyncio.run(run(settings, options.files, options.on_existing, check=options.check))
    for line in report.lines():
        print(log.printable(line))
    if refused := report.refused():
        raise ExportError(f"{refused} of {len(report.steps)} items are refused")
