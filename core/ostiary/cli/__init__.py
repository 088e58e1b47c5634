"""The command ``ostiary``."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import cache

from ostiary import __version__, log
from ostiary.acting import Source, acting
from ostiary.cli import admin, audit, imports, keys, plugin_commands, plugins, stores
from ostiary.cli.parsing import Command, add
from ostiary.settings import Settings, SettingsError, load

FAILED, MISUSED = 1, 2
DRIVERS = ("asyncpg", "greenlet")
"""What PostgreSQL needs, and SQLite does not."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status of the process."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    parser = make_parser()
    plugin = plugin_commands.named(words, own_words(parser))
    try:
        options = parser.parse_args(words) if plugin is None else _parse_for(plugin, words[1:])
        run: Command = options.run
        settings = _load(options, server=run is serve)
        # The other commands tell what they did themselves.
        log.set_up(settings.logging.level if run is serve else "warning")
        # A server is nobody's deed; the other commands are an operator's.
        operator = Source() if run is serve else Source(protocol="cli", agent=f"uid {os.getuid()}")
        with acting(operator):
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
    # Until the application is there; see ``ostiary``.
    gc.disable()
    from ostiary.serving import run
    from ostiary.startup import prepare

    gc.freeze()
    greeting = asyncio.run(prepare(settings, own_words(make_parser())))
    # The stores and services of the preparation, and of everything else nothing.
    gc.collect()
    run(settings, greeting.tell)


def config(settings: Settings, _options: argparse.Namespace) -> None:
    """Print the effective settings, secrets masked, and tell what of them would stop a start."""
    from ostiary.workplaces import check_plugins

    print(json.dumps(settings.masked(), indent=2, ensure_ascii=False), flush=True)
    # What a plugin prints when it is imported is none of the settings.
    with redirect_stdout(sys.stderr):
        check_plugins(settings)


def openapi(settings: Settings, _options: argparse.Namespace) -> None:
    """Print the OpenAPI document, with what the installed plugins add to it."""
    from ostiary.composition import find_plugins, registry_with
    from ostiary.openapi import document

    print(json.dumps(document(registry_with(find_plugins(settings)), __version__), indent=2))


@cache
def make_parser() -> argparse.ArgumentParser:
    """Return what reads the command line; reference pages are made from it too."""
    parser = argparse.ArgumentParser(
        prog="ostiary",
        description="The authentication server that is extended with pip.",
        epilog=plugin_commands.EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"ostiary {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = add(commands, "serve", serve)
    command.add_argument("--dev", action="store_true", help="a fresh Kuzzle, on loopback only")
    command.add_argument(
        "--failsafe", action="store_true", help="load no plugin, and answer administrators only"
    )
    command.add_argument("--host", metavar="H", help="address to listen on")
    command.add_argument("--port", type=int, metavar="P", help="port to listen on")
    command.add_argument("--workers", type=int, metavar="N", help="processes that answer")
    command.add_argument("--no-console", action="store_true", help="leave out the console")
    add(commands, "config", config)
    add(commands, "openapi", openapi)
    for module in (plugins, stores, keys, admin, audit, imports):
        module.add_commands(commands)
    return parser


def own_words(parser: argparse.ArgumentParser) -> frozenset[str]:
    """Return the first words of the server's own commands; no plugin can have those."""
    (group,) = (
        one
        for one in parser._actions  # noqa: SLF001 - argparse has no public way to walk a parser
        if isinstance(one, argparse._SubParsersAction)  # noqa: SLF001 - same
    )
    return frozenset(group.choices)


def _parse_for(plugin: str, words: Sequence[str]) -> argparse.Namespace:
    """Read the command line of a plugin, which is loaded to tell what it may hold."""
    from ostiary.workplaces import find_commands

    settings = _load(plugin_commands.where(words), server=False)
    log.set_up("warning")
    parser = plugin_commands.parser_of(plugin, find_commands(settings, plugin))
    return parser.parse_args(words)


def _load(options: argparse.Namespace, *, server: bool) -> Settings:
    """Read the settings.

    :param server: the options of ``ostiary serve`` are settings too; what other commands call so
        is their own affair.
    """
    overrides = {"data.dir": options.data and str(options.data), "database.url": options.database}
    if server:
        overrides |= {
            f"server.{name}": getattr(options, name) for name in ("host", "port", "workers")
        }
        overrides["pages.console"] = False if options.no_console else None
    return load(
        config=options.config,
        environment=os.environ,
        overrides=overrides,
        dev=server and options.dev,
        failsafe=server and options.failsafe,
    )


def _startup_errors() -> tuple[type[Exception], ...]:
    from ostiary.commands import CommandError
    from ostiary.errors import OstiaryError
    from ostiary.exports import ExportError
    from ostiary.keys import MasterKeyError
    from ostiary.plugins import PluginError
    from ostiary.storage import StorageError

    return CommandError, ExportError, OstiaryError, MasterKeyError, PluginError, StorageError
