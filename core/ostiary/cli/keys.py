"""Commands about the keys that sign tokens, and the master key: ``ostiary keys``."""

from __future__ import annotations

import argparse
import asyncio
from functools import partial
from typing import Any

from ostiary.cli.parsing import add, add_group, print_table
from ostiary.settings import Settings


def add_commands(commands: Any) -> None:
    """Add ``ostiary keys``."""
    group = add_group(commands, "keys", "the keys that sign tokens, and the master key")
    add(group, "list", keys_list)
    add(group, "rotate", keys_rotate).add_argument(
        "--revoke-all",
        action="store_true",
        help="forget the other keys: end everything they signed",
    )
    add(group, "rotate-master", keys_rotate_master).add_argument(
        "--finish",
        action="store_true",
        help="only seal again what an older master key has sealed",
    )


def keys_list(settings: Settings, _options: argparse.Namespace) -> None:
    """List the keys that sign tokens, and how many tokens and API keys each has signed."""
    from ostiary import operations

    rows = asyncio.run(operations.list_keys(settings))
    print_table(("key", "created", "now", "tokens", "API keys"), rows)


def keys_rotate(settings: Settings, options: argparse.Namespace) -> None:
    """Have a new key sign tokens from now on; nobody is signed out."""
    from ostiary import operations

    key = asyncio.run(operations.rotate_keys(settings, revoke_all=options.revoke_all))
    print(f"The key {key} signs from now on.")
    if options.revoke_all:
        print("Every session and every API key has ended.")


def keys_rotate_master(settings: Settings, options: argparse.Namespace) -> None:
    """Put a new master key in force while servers run, and seal every secret again."""
    from ostiary import rotation

    say = partial(print, flush=True)
    asyncio.run(rotation.rotate_master_key(settings, say, finish=options.finish))
