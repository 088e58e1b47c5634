"""The commands that build a list of passwords that nobody may set, and look into one."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from ostiary import Command, CommandError, Workplace
from ostiary_local import list_building, list_reading, passwords
from ostiary_local.blocklists import Blocklist, Damaged, Header
from ostiary_local.list_reading import Tally


def build_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``build-blocklist`` is told."""
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        type=Path,
        help="a password per line, or lines of Have I Been Pwned (SHA1:count); may be gzip",
    )
    parser.add_argument("--output", metavar="LIST", required=True, type=Path)
    parser.add_argument(
        "--false-positives",
        metavar="N",
        type=_between(100, 10**12),
        default=1_000_000,
        help="one password in N is refused by mistake (default: 1000000)",
    )
    parser.add_argument(
        "--min-count",
        metavar="N",
        type=_between(1, 10**18),
        default=1,
        help="leave out lines with a lower count",
    )


def check_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``check-blocklist`` is told."""
    parser.add_argument("list", metavar="LIST", type=Path)


async def build_blocklist(options: argparse.Namespace, workplace: Workplace) -> None:
    """Build a list from files, and tell what became of their lines."""
    began = time.monotonic()
    tally = Tally()
    try:
        header = await asyncio.to_thread(_built, options, tally)
    except (OSError, EOFError, zlib.error) as failure:
        raise CommandError(f"the list was not built: {_reason(failure)}") from failure
    for line in tally.first_broken:
        _say(line)
    _say(f"{tally.lines} lines: {tally.rare} too rare, {tally.broken} broken")
    _say(f"{options.output}: {_outline(header)}, {time.monotonic() - began:.1f} s")


async def check_blocklist(options: argparse.Namespace, workplace: Workplace) -> None:
    """Look whether a list is whole, ask for a password and tell whether it is in the list.

    As a check that may fail: what is in the list ends it with status 1.
    """
    list_ = Blocklist(options.list)
    try:
        header = await asyncio.to_thread(list_.verify)
        _say(f"{options.list}: {_outline(header)}")
        password = await asyncio.to_thread(_asked)
        found = list_.holds(password)
    except Damaged as failure:
        raise CommandError(f"{options.list} {failure}") from failure
    except OSError as failure:
        raise CommandError(_reason(failure)) from failure
    if found:
        raise CommandError("yes, it is in the list: nobody may set it")
    _say("no, it is not in the list")


COMMANDS = (
    Command(
        "build-blocklist",
        "Build a list of passwords that nobody may set, from files.",
        build_blocklist,
        build_arguments,
        lambda _: "unused",
    ),
    Command(
        "check-blocklist",
        "Check a list, and look whether a password is in it.",
        check_blocklist,
        check_arguments,
        lambda _: "unused",
    ),
)


def _built(options: argparse.Namespace, tally: Tally) -> Header:
    def read() -> Iterator[bytes]:
        for file in options.files:
            yield from list_reading.digests(file, tally, least=options.min_count)

    return list_building.build(
        read(),
        options.output,
        false_positives=1 / options.false_positives,
        progress=lambda number: _say(f"{number} passwords read"),
    )


def _reason(failure: Exception) -> str:
    if isinstance(failure, OSError) and failure.strerror:
        return f"{failure.filename}: {failure.strerror}" if failure.filename else failure.strerror
    return str(failure)


def _asked() -> str:
    """Return a password that is typed without being shown, or the first line of what is piped."""
    if sys.stdin.isatty():
        password = getpass.getpass("Password: ")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if passwords.too_long(password) or not password.isprintable():
        raise CommandError("that can be no password")
    return password


def _outline(header: Header) -> str:
    mistakes = f"1 in {1 / header.false_positives:.0f}" if header.entries else "none"
    return f"{header.entries} passwords, {header.size} bytes, mistakes: {mistakes}"


def _between(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"wanted: from {least} to {most}")
        return value

    return number


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
