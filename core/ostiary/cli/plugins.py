"""Commands about plugins: ``ostiary plugins``."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ostiary import log
from ostiary.cli.parsing import add, print_table
from ostiary.cli.plugins_check import add_check
from ostiary.settings import Settings

if TYPE_CHECKING:
    from ostiary.life import Prospect, Removal

KIB = 1024


def add_commands(commands: Any) -> None:
    """Add ``ostiary plugins``."""
    command = add(commands, "plugins", plugins)
    _as_json(command)
    group = command.add_subparsers(metavar="[COMMAND]")
    _as_json(add(group, "list", plugins))
    command = _named(add(group, "disable", plugins_disable))
    _guarded(command, "even if it is the last way in of administrators")
    _named(add(group, "enable", plugins_enable))
    add_check(group)
    add(group, "upgrade", plugins_upgrade).add_argument("name", nargs="?", help="one plugin only")
    command = _named(add(group, "remove", plugins_remove))
    _guarded(command, "even if a server uses it, or it is the last way in of administrators")
    command.add_argument("--archive", type=Path, metavar="FILE", help="where to keep the store")
    command.add_argument("--admin-url", metavar="URL", help="drop the roles with this login")
    command = add(group, "restore", plugins_restore)
    command.add_argument("file", type=Path, metavar="FILE", help="what `remove` has written")
    command.add_argument("--force", action="store_true", help="even if a server uses the plugin")


def plugins(settings: Settings, options: argparse.Namespace) -> None:
    """List the plugins: name, version, strategies, store, revision, users, state."""
    from ostiary import life
    from ostiary.life.listing import lines

    listed = asyncio.run(life.list_plugins(settings))
    if options.json:
        print(json.dumps([one.to_json() for one in listed], indent=2))
        return
    header = ("name", "version", "strategies", "store", "revision", "users", "state")
    print_table(header, [tuple(map(log.printable, row)) for row in lines(listed)])


def plugins_disable(settings: Settings, options: argparse.Namespace) -> None:
    """Leave a plugin out from the next start on; its store stays."""
    from ostiary import life

    found = asyncio.run(life.examine(settings, options.name))
    if found.installed and not found.disabled:
        _tell(found, "while it is disabled")
        _confirm(options, f"Disable {options.name}?", "yes")
    asyncio.run(life.disable(settings, options.name, force=options.force))
    print(f"{options.name} is disabled from the next start on; its store stays as it is.")


def plugins_enable(settings: Settings, options: argparse.Namespace) -> None:
    """Load a plugin again, from the next start on."""
    from ostiary import life

    installed = asyncio.run(life.enable(settings, options.name))
    print(f"{options.name} is enabled from the next start on.")
    if not installed:
        print("Its package is not installed.")


def plugins_upgrade(settings: Settings, options: argparse.Namespace) -> None:
    """Bring the tables of every plugin, or of one, up to date."""
    from ostiary import life

    for line in asyncio.run(life.upgrade(settings, options.name)):
        print(line)


def plugins_remove(settings: Settings, options: argparse.Namespace) -> None:
    """Remove the store of a plugin for good, after it was archived to a file."""
    from ostiary import life

    found = asyncio.run(life.examine(settings, options.name))
    if found.unfinished:
        print(f"Its removal was begun: {found.unfinished.archive} holds its store.")
    _tell(found, "for good")
    print(
        f"Removed would be {found.lockout.credentials} credentials of {found.lockout.holders} users "
        f"and a store of {found.size / KIB:.0f} KiB, after they were archived."
    )
    _confirm(options, f"Type the name of the plugin to remove it: {options.name}", options.name)
    done = asyncio.run(
        life.remove(
            settings,
            options.name,
            archive=options.archive,
            force=options.force,
            admin_url=options.admin_url,
        )
    )
    _tell_removed(options.name, done)


def plugins_restore(settings: Settings, options: argparse.Namespace) -> None:
    """Fill the empty store of a plugin from an archive, and enable the plugin."""
    from ostiary import life

    done = asyncio.run(life.restore(settings, options.file, force=options.force))
    print(f"{done.plugin} has {done.rows} rows again, at revision {done.revision}.")
    print(f"{done.users.given} credentials have their users again, from the next start on.")
    if done.users.erased:
        print(
            f"{done.users.erased} credentials belong to users who were deleted since: the next "
            "start erases them."
        )


def _tell(found: Prospect, how_long: str) -> None:
    """Say who would be locked out, administrators first."""
    lockout = found.lockout
    strategies = ", ".join(found.strategies) or "no strategies"
    print(f"{found.record.name} {found.record.version}: {strategies}")
    if found.record.wraps:
        print("It takes part in the logins of other strategies: they would do without it.")
    if lockout.locked_out == 0:
        print(f"Nobody would be locked out {how_long}.")
        return
    administrators = f", {lockout.administrators} of them administrators"
    print(
        f"Locked out {how_long}, for they have no other way to sign in: {lockout.locked_out} users"
        f"{administrators if lockout.administrators else ''}"
    )
    print(*(f"  {log.printable(kuid)}" for kuid in lockout.first), sep="\n")
    if lockout.locked_out > len(lockout.first):
        print(f"  and {lockout.locked_out - len(lockout.first)} more")


def _tell_removed(name: str, done: Removal) -> None:
    if done.archive is None:
        print(f"{name} is removed; it had kept nothing.")
    else:
        print(f"{name} is removed; its store is in {done.archive}.")
        print(
            f"`ostiary plugins restore {done.archive}` brings it back. {done.sessions} sessions ended."
        )
    if done.copies:
        print("Upgrades have left these copies of the store; delete them when you want:")
        print(*(f"  {copy}" for copy in done.copies), sep="\n")
    if done.still_installed:
        print("Its package is installed: it stays disabled; pip uninstall it, or enable it empty.")
    if done.statements:
        print("Its roles are left; an administrator of the database drops them with this SQL:")
        print(*(f"{statement};" for statement in done.statements), sep="\n")


def _confirm(options: argparse.Namespace, question: str, wanted: str) -> None:
    """Go on only if whoever sits at the terminal wants to.

    :raises StorageError: they do not, or there is no terminal.
    """
    from ostiary.storage import StorageError

    if options.yes:
        return
    if not sys.stdin.isatty():
        raise StorageError("nothing was changed: there is no terminal to ask at; use --yes")
    print(f"{question} ({wanted}) ", end="", flush=True)
    if sys.stdin.readline().strip() != wanted:
        raise StorageError("nothing was changed")


def _as_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="for programs")


def _named(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    command.add_argument("name", help="the plugin")
    return command


def _guarded(command: argparse.ArgumentParser, forced: str) -> None:
    command.add_argument("--yes", action="store_true", help="do not ask")
    command.add_argument("--force", action="store_true", help=forced)
