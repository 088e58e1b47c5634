"""The hook by which plugins hear of events; each plugin is called apart from the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from pluggy import HookCaller

from ostiary.calling import Calls
from ostiary.events import Event
from ostiary.plugins import Plugins

EVENT = "ostiary_event"

Hear = Callable[[Event], Awaitable[None]]


def listeners(plugins: Plugins, calls: Calls) -> dict[str, Hear]:
    """Return, by the name of the plugin, what hands an event to each plugin that wants them."""
    return {
        plugin.name: partial(_hand_over, calls, plugin.name, caller)
        for plugin, caller in plugins.callers(EVENT)
    }


async def _hand_over(calls: Calls, plugin: str, caller: HookCaller, event: Event) -> None:
    # A subject of its own: who is slow over events may still answer at logins.
    subject = f"the listener of plugin {plugin}"
    await calls.call(subject, EVENT, lambda: _all_of(caller(event=event)))


async def _all_of(answers: list[Awaitable[None]]) -> None:
    for answer in answers:
        await answer
