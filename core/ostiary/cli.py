"""The command ``ostiary``."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ostiary import __version__, log
from ostiary.settings import Settings, SettingsError, load

FAILED, MISUSED = 1, 2
DRIVERS = ("asyncpg", "greenlet")
"""What PostgreSQL needs, and SQLite does not."""

Command = Callable[[Settings, argparse.Namespace], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status of the process."""
    options = make_parser().parse_args(arguments)
    try:
        settings = load(
            config=options.config,
            environment=os.environ,
            overrides={
                "server.host": getattr(options, "host", None),
                "server.port": getattr(options, "port", None),
                "server.workers": getattr(options, "workers", None),
                "data.dir": options.data and str(options.data),
                "database.url": options.database,
            },
            dev=getattr(options, "dev", False),
        )
        run: Command = options.run
        # The other commands tell what they did themselves.
        log.set_up(settings.logging.level if run is serve else "warning")
        run(settings, options)
    except SettingsError as error:
        print(f"ostiary: {error}", file=sys.stderr)
        return MISUSED
    except _startup_errors() as error:
        # It may quote a file that somebody else has written.
        print(f"ostiary: {log.printable(str(error))}", file=sys.stderr)
        return FAILED
    except ModuleNotFoundError as missing:
        if missing.name not in DRIVERS:
            raise
        print(
            f"ostiary: {missing.name} is missing: pip install 'ostiary[postgresql]'",
            file=sys.stderr,
        )
        return FAILED
    except KeyboardInterrupt:
        return FAILED
    except BrokenPipeError:
        # Who read the output wants no more of it; nor does the flush at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def serve(settings: Settings, _options: argparse.Namespace) -> None:
    """Answer requests until told to stop."""
    from ostiary.serving import run
    from ostiary.startup import prepare

    asyncio.run(prepare(settings))
    run(settings)


def config(settings: Settings, _options: argparse.Namespace) -> None:
    """Print the effective settings, secrets masked."""
    print(json.dumps(settings.masked(), indent=2, ensure_ascii=False))


def openapi(_settings: Settings, _options: argparse.Namespace) -> None:
    """Print the OpenAPI document."""
    from ostiary.composition import make_registry
    from ostiary.openapi import document

    print(json.dumps(document(make_registry(), __version__), indent=2))


def plugins(settings: Settings, _options: argparse.Namespace) -> None:
    """List the plugins: name, version, strategies, store, revision."""
    from ostiary import operations

    rows = asyncio.run(operations.list_plugins(settings))
    _print_table(("name", "version", "strategies", "store", "revision"), rows)


def plugins_disable(settings: Settings, options: argparse.Namespace) -> None:
    """Do without a plugin that is gone, even if it took part in every login."""
    from ostiary import operations

    asyncio.run(operations.forget_plugin(settings, options.name))


def db_upgrade(settings: Settings, options: argparse.Namespace) -> None:
    """Bring every store, or one, up to date."""
    from ostiary import operations

    for line in asyncio.run(operations.upgrade(settings, options.store)):
        print(line)


def db_status(settings: Settings, _options: argparse.Namespace) -> None:
    """List the stores: name, revision, newest revision, state."""
    from ostiary import operations

    rows = asyncio.run(operations.status(settings))
    _print_table(("store", "revision", "newest", "state"), rows)


def db_provision(settings: Settings, options: argparse.Namespace) -> None:
    """Make the roles and schemas on PostgreSQL, or print the SQL that does."""
    from ostiary import operations

    for statement in asyncio.run(operations.provision(settings, options.admin_url)):
        print(f"{statement};")


def admin_create(settings: Settings, options: argparse.Namespace) -> None:
    """Make an administrator."""
    from ostiary import operations

    password = _password()
    kuid = asyncio.run(operations.create_admin(settings, options.username, password, options.kuid))
    print(f"{options.username} is an administrator now (kuid {kuid}).")


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


def keys_list(settings: Settings, _options: argparse.Namespace) -> None:
    """List the keys that sign tokens, and how many tokens and API keys each has signed."""
    from ostiary import operations

    rows = asyncio.run(operations.list_keys(settings))
    _print_table(("key", "created", "now", "tokens", "API keys"), rows)


def keys_rotate(settings: Settings, options: argparse.Namespace) -> None:
    """Have a new key sign tokens from now on; nobody is signed out."""
    from ostiary import operations

    key = asyncio.run(operations.rotate_keys(settings, revoke_all=options.revoke_all))
    print(f"The key {key} signs from now on.")
    if options.revoke_all:
        print("Every session and every API key has ended.")


def import_kuzzle(settings: Settings, options: argparse.Namespace) -> None:
    """Import the roles, profiles and users that Kuzzle's command line exported."""
    from ostiary.exports import ExportError
    from ostiary.importing import import_kuzzle as run

    report = asyncio.run(run(settings, options.files, options.on_existing, check=options.check))
    for line in report.lines():
        print(log.printable(line))
    if refused := report.refused():
        raise ExportError(f"{refused} of {len(report.steps)} items are refused")


def make_parser() -> argparse.ArgumentParser:
    """Return what reads the command line; reference pages are made from it too."""
    parser = argparse.ArgumentParser(
        prog="ostiary", description="The authentication server that is extended with pip."
    )
    parser.add_argument("--version", action="version", version=f"ostiary {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML)")
    common.add_argument("--data", type=Path, metavar="DIR", help="folder of stores and master key")
    common.add_argument("--database", metavar="URL", help="PostgreSQL, instead of SQLite files")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(group: Any, name: str, run: Command) -> argparse.ArgumentParser:
        command: argparse.ArgumentParser = group.add_parser(
            name, parents=[common], help=run.__doc__, description=run.__doc__
        )
        command.set_defaults(run=run)
        return command

    command = add(commands, "serve", serve)
    command.add_argument("--dev", action="store_true", help="a fresh Kuzzle, on loopback only")
    command.add_argument("--host", metavar="H", help="address to listen on")
    command.add_argument("--port", type=int, metavar="P", help="port to listen on")
    command.add_argument("--workers", type=int, metavar="N", help="processes that answer")
    add(commands, "config", config)
    add(commands, "openapi", openapi)
    command = add(commands, "plugins", plugins)
    group = command.add_subparsers(metavar="[disable NAME]")
    add(group, "disable", plugins_disable).add_argument("name", help="the plugin")
    parent = commands.add_parser("db", help="the stores")
    group = parent.add_subparsers(required=True)
    add(group, "upgrade", db_upgrade).add_argument("store", nargs="?", help="one store only")
    add(group, "status", db_status)
    command = add(group, "provision", db_provision)
    command.add_argument("--admin-url", metavar="URL", help="run the SQL with this login")
    parent = commands.add_parser("keys", help="the keys that sign tokens")
    group = parent.add_subparsers(required=True)
    add(group, "list", keys_list)
    add(group, "rotate", keys_rotate).add_argument(
        "--revoke-all",
        action="store_true",
        help="forget the other keys: end everything they signed",
    )
    parent = commands.add_parser("admin", help="administrators and rights")
    group = parent.add_subparsers(required=True)
    command = add(group, "create", admin_create)
    command.add_argument("username", help="user name of the local strategy")
    command.add_argument("--kuid", help="kuid to give to the user")
    add(group, "restrict", admin_restrict)
    command = add(commands, "import-kuzzle", import_kuzzle)
    command.add_argument("files", nargs="+", type=Path, metavar="FILE", help="exports, or folders")
    command.add_argument(
        "--on-existing",
        choices=("fail", "skip", "overwrite"),
        default="fail",
        help="what to do with what is there and differs",
    )
    command.add_argument("--check", action="store_true", help="only tell what would be done")
    return parser


def _startup_errors() -> tuple[type[Exception], ...]:
    from ostiary.errors import OstiaryError
    from ostiary.exports import ExportError
    from ostiary.keys import MasterKeyError
    from ostiary.plugins import PluginError
    from ostiary.storage import StorageError

    return ExportError, OstiaryError, MasterKeyError, PluginError, StorageError


def _password() -> str:
    """Ask for a password without echo, or read it from standard input if that is no terminal."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    from getpass import getpass

    first = getpass("Password: ")
    if getpass("Again: ") != first:
        raise SettingsError("the two passwords differ")
    return first


def _print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = [header, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
