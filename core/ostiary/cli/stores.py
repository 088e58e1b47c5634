"""Commands about the stores: ``ostiary db``."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from ostiary.cli.parsing import add, add_group, print_table
from ostiary.settings import Settings


def add_commands(commands: Any) -> None:
    """Add ``ostiary db``."""
    group = add_group(commands, "db", "the stores")
    add(group, "upgrade", db_upgrade).add_argument("store", nargs="?", help="one store only")
    add(group, "status", db_status)
    command = add(group, "provision", db_provision)
    command.add_argument("--admin-url", metavar="URL", help="run the SQL with this login")
    command.add_argument(
        "--connections",
        type=int,
        metavar="N",
        help="how many the login of each store may have, of all processes; 64 by default",
    )
    command = add(group, "revision", db_revision)
    command.add_argument("plugin", help="whose store it is")
    command.add_argument("words", help="what it does, which names the file")


def db_upgrade(settings: Settings, options: argparse.Namespace) -> None:
    """Bring every store, or one, up to date."""
    from ostiary import operations

    for line in asyncio.run(operations.upgrade(settings, options.store)):
        print(line)


def db_status(settings: Settings, _options: argparse.Namespace) -> None:
    """List the stores: name, revision, newest revision, state."""
    from ostiary import operations

    rows = asyncio.run(operations.status(settings))
    print_table(("store", "revision", "newest", "state"), rows)


def db_provision(settings: Settings, options: argparse.Namespace) -> None:
    """Make the roles and schemas on PostgreSQL, or print the SQL that does."""
    from ostiary import operations

    wanted = operations.provision(settings, options.admin_url, options.connections)
    for statement in asyncio.run(wanted):
        print(f"{statement};")


def db_revision(settings: Settings, options: argparse.Namespace) -> None:
    """Write the revision that makes the store of a plugin what its tables declare; for authors."""
    from ostiary import authoring

    path = asyncio.run(authoring.write_revision(settings, options.plugin, options.words))
    print(f"{path} is written: read it before you keep it.")
