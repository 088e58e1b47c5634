"""Commands about administrators and rights: ``ostiary admin``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

from ostiary.cli.parsing import add, add_group
from ostiary.settings import Settings, SettingsError


def add_commands(commands: Any) -> None:
    """Add ``ostiary admin``."""
    group = add_group(commands, "admin", "administrators and rights")
    command = add(group, "create", admin_create)
    command.add_argument("username", help="user name of the local strategy")
    command.add_argument("--kuid", help="kuid to give to the user")
    command = add(group, "setup-link", admin_setup_link)
    command.add_argument(
        "--port", type=int, metavar="P", help="where the server listens, if no setting says so"
    )
    command = add(group, "token", admin_token)
    command.add_argument("kuid", help="kuid of an administrator")
    command.add_argument(
        "--expires", default="15m", metavar="TIME", help="how long it is good for; by default 15m"
    )
    add(group, "restrict", admin_restrict)


def admin_create(settings: Settings, options: argparse.Namespace) -> None:
    """Make an administrator."""
    from ostiary import operations

    password = _password()
    kuid = asyncio.run(operations.create_admin(settings, options.username, password, options.kuid))
    print(f"{options.username} is an administrator now (kuid {kuid}).")


def admin_setup_link(settings: Settings, options: argparse.Namespace) -> None:
    """Print the link to the page that makes the first administrator, as long as there is none."""
    from ostiary import operations

    link = asyncio.run(operations.setup_link(settings, options.port))
    if link.startswith("/"):
        print("The server takes any free port; this belongs after its address:", file=sys.stderr)
    print(link)


def admin_token(settings: Settings, options: argparse.Namespace) -> None:
    """Print a token of an administrator, when they cannot sign in; no plugin is loaded for it."""
    from ostiary import operations

    print(asyncio.run(operations.admin_token(settings, options.kuid, options.expires)))


def admin_restrict(settings: Settings, _options: argparse.Namespace) -> None:
    """Close stores that --dev opened: only administrators keep all rights."""
    from ostiary import operations

    administrators = asyncio.run(operations.restrict(settings))
    print("The base roles and profiles have their restricted rights now.")
    if administrators:
        print("These users are administrators, whoever made them:")
        print(*(f"  {kuid}" for kuid in administrators), sep="\n")
    else:
        print("There is no administrator: make one with `ostiary admin create NAME`.")


def _password() -> str:
    """Ask for a password without echo, or read it from standard input if that is no terminal."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    from getpass import getpass

    first = getpass("Password: ")
    if getpass("Again: ") != first:
        raise SettingsError("the two passwords differ")
    return first
