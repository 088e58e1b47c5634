"""What the commands share: how one is added to the command line, and how a table is printed."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ostiary.settings import Settings

Command = Callable[[Settings, argparse.Namespace], None]


def add(group: Any, name: str, run: Command) -> argparse.ArgumentParser:
    """Add a command, documented by its function, with the options that all have."""
    command = add_parser(group, name, run.__doc__)
    command.set_defaults(run=run)
    return command


def add_parser(group: Any, name: str, text: str | None) -> argparse.ArgumentParser:
    """Add what reads a command, with the options that all have."""
    command: argparse.ArgumentParser = group.add_parser(
        name, parents=[common()], help=text, description=text
    )
    return command


def add_group(commands: Any, name: str, help: str) -> Any:
    """Add a word after which the name of a command follows; return what takes the commands."""
    return commands.add_parser(name, help=help).add_subparsers(required=True)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below their header, in columns."""
    table = [header, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


@cache
def common() -> argparse.ArgumentParser:
    """Return what reads the options that all commands have."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML)")
    common.add_argument("--data", type=Path, metavar="DIR", help="folder of stores and master key")
    common.add_argument("--database", metavar="URL", help="PostgreSQL, instead of SQLite files")
    return common
