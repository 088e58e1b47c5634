"""The commands that a plugin adds for operators."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from ostiary.storage import OwnStore
from ostiary.strategies import Directory, Strategy


class CommandError(Exception):
    """A command of a plugin has failed; its text tells the operator why."""


class Workplace(Protocol):
    """What a command works with: the same as the hooks of its plugin.

    :ivar strategies: those of the plugin, by name.
    :ivar store: its own.
    """

    strategies: dict[str, Strategy]
    store: OwnStore
    directory: Directory


@dataclass(frozen=True, slots=True)
class Command:
    """A command, run as ``ostiary <plugin> <name>``.

    :param help: a sentence for ``--help``.
    :param run: does it. It is given what was read of the command line, and the workplace; prints
        what it has to say, and raises ``CommandError`` where it fails.
    :param arguments: adds what the command line may hold.
    """

    name: str
    help: str
    run: Callable[[argparse.Namespace, Workplace], Awaitable[None]]
    arguments: Callable[[argparse.ArgumentParser], None] = lambda _: None
