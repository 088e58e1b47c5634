"""The commands that plugins declare: asked for, and checked."""

from __future__ import annotations

import re
from collections.abc import Collection

from ostiary.commands import Command
from ostiary.log import origin
from ostiary.plugins import PluginError, Plugins

NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


def commands_of(plugins: Plugins, name: str) -> tuple[Command, ...]:
    """Ask a plugin for its commands.

    :raises PluginError: it is not loaded, or declares them wrongly.
    """
    module = next((one.module for one in plugins.loaded if one.name == name), None)
    if module is None:
        raise PluginError(f"plugin {name} is not loaded: {plugins.refused[name]}")
    others = [one for one in plugins.manager.get_plugins() if one is not module]
    try:
        answers = plugins.manager.subset_hook_caller("ostiary_commands", others)()
        commands = tuple(answers[0]) if answers else ()
    except Exception as error:
        raise PluginError(f"plugin {name}: ostiary_commands failed: {origin(error)}") from error
    for command in commands:
        if not isinstance(command, Command) or not NAME.fullmatch(command.name):
            raise PluginError(
                f"plugin {name}: ostiary_commands: wanted Commands, named {NAME.pattern}"
            )
    if len({one.name for one in commands}) < len(commands):
        raise PluginError(f"plugin {name}: ostiary_commands: two of them have the same name")
    return commands


def unreachable(plugins: Plugins, words: Collection[str]) -> list[str]:
    """Return the plugins whose commands nobody can run: a command of the server is called so."""
    return [
        one.name for one in plugins.loaded if one.name in words and commands_of(plugins, one.name)
    ]
