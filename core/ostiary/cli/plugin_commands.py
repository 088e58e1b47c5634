"""The commands of installed plugins: ``ostiary <plugin> <command>``.

Only the plugin that is named is loaded, and only if the first word is no command of the server.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ostiary.cli.parsing import add_parser, common
from ostiary.settings import Settings

if TYPE_CHECKING:
    from ostiary.commands import Command

EPILOG = (
    "Plugins may have commands of their own: `ostiary PLUGIN --help` lists those of one, such as "
    "`ostiary local --help`, and `ostiary plugins list` names the plugins."
)


def named(words: Sequence[str], own: Collection[str]) -> str | None:
    """Return the installed plugin that a command line names, if it does; none is loaded for it.

    :param own: the commands of the server, which go before.
    """
    if not words or words[0] in own or words[0].startswith("-"):
        return None
    from ostiary.plugin_loading import installed

    return words[0] if words[0] in installed() else None


def where(words: Sequence[str]) -> argparse.Namespace:
    """Return the options that all commands have, whatever else the command line holds."""
    reader = argparse.ArgumentParser(parents=[common()], add_help=False, allow_abbrev=False)
    return reader.parse_known_args(words)[0]


def parser_of(plugin: str, commands: Iterable[Command]) -> argparse.ArgumentParser:
    """Return what reads the command line of a plugin; the first word is left out.

    :raises PluginError: a command wants arguments that cannot be had.
    """
    from ostiary.plugins import PluginError

    commands = list(commands)
    if not commands:
        raise PluginError(f"plugin {plugin} has no commands")
    parser = argparse.ArgumentParser(prog=f"ostiary {plugin}")
    group = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in commands:
        try:
            inner = add_parser(group, command.name, command.help)
            command.arguments(inner)
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            raise PluginError(f"plugin {plugin}: {command.name}: {text}") from error
        if any(one.dest == "run" for one in inner._actions):  # noqa: SLF001 - see own_words
            raise PluginError(f"plugin {plugin}: {command.name}: no argument can be called run")
        inner.set_defaults(run=partial(_run, plugin, command))
    return parser


def _run(plugin: str, command: Command, settings: Settings, options: argparse.Namespace) -> None:
    from ostiary import workplaces

    asyncio.run(workplaces.run(settings, plugin, command, options))
