"""Commands about plugins."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from ostiary.cli.parsing import add, print_table
from ostiary.settings import Settings


def add_commands(commands: Any) -> None:
    """Add ``ostiary plugins``."""
    command = add(commands, "plugins", plugins)
    group = command.add_subparsers(metavar="[disable NAME]")
    add(group, "disable", plugins_disable).add_argument("name", help="the plugin")


def plugins(settings: Settings, _options: argparse.Namespace) -> None:
    """List the plugins: name, version, strategies, store, revision."""
    from ostiary import operations

    rows = asyncio.run(operations.list_plugins(settings))
    print_table(("name", "version", "strategies", "store", "revision"), rows)


def plugins_disable(settings: Settings, options: argparse.Namespace) -> None:
    """Do without a plugin that is gone, even if it took part in every login."""
    from ostiary import operations

    asyncio.run(operations.forget_plugin(settings, options.name))
