"""The hook that runs as long as the server does: each plugin's in a task of its own.

Whatever one of them does costs neither a request nor another plugin more than a step that blocks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from time import monotonic
from typing import Any

from msgspec import Struct
from pluggy import HookCaller

from ostiary.calling import GRACE
from ostiary.log import origin
from ostiary.plugin_controllers import PluginSide
from ostiary.plugins import BACKGROUND, Plugin, Plugins
from ostiary.watchdog import Step, Steps, Watchdog

logger = logging.getLogger(__name__)

Ask = Callable[[], Awaitable[Any]]


class Delays(Struct, frozen=True):
    """How long a hook that has failed is left alone, in seconds: twice as long every time.

    :param longest: the most; a hook that ran for so long before it failed begins anew.
    """

    first: float = 1.0
    longest: float = 300.0

    def after(self, delay: float | None, ran: float) -> float:
        """Return the next delay.

        :param delay: the one before, None if there was none.
        :param ran: how long the hook has run.
        """
        if delay is None or ran >= self.longest:
            return self.first
        return min(delay * 2, self.longest)


class BackgroundHooks:
    """Runs the background work of all plugins in one process.

    :param sides: the store and the directory of each plugin, by its name.
    """

    def __init__(
        self,
        plugins: Plugins,
        sides: Mapping[str, PluginSide],
        watchdog: Watchdog,
        delays: Delays | None = None,
    ) -> None:
        self._works = [
            _Work(
                f"the background work of plugin {plugin.name}",
                partial(_ask, caller, plugin, sides[plugin.name]),
                watchdog,
            )
            for plugin, caller in plugins.callers(BACKGROUND)
        ]
        self._delays = delays or Delays()
        self._tasks: dict[asyncio.Task[None], _Work] = {}

    def start(self) -> None:
        """Begin all of it; nobody waits for it. It ends with the task that calls this, at the latest."""
        for work in self._works:
            work.host = asyncio.current_task()
            task = asyncio.create_task(work.go_on(self._delays), name=work.subject)
            self._tasks[task] = work

    async def stop(self) -> None:
        """Tell all of it to end, and wait for that a moment; the rest is closed, or left behind."""
        for work in self._works:
            work.stop()
        await self._cancel(GRACE)
        for work in self._tasks.values():
            work.abandon()
        await self._cancel(GRACE / 10)
        for work in self._tasks.values():
            logger.error("%s does not end; it is left behind", work.subject)

    async def _cancel(self, patience: float) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            done, _ = await asyncio.wait(self._tasks, timeout=patience)
            for task in done:
                del self._tasks[task]


class _Work:
    """What one plugin does in the background."""

    def __init__(self, subject: str, ask: Ask, watchdog: Watchdog) -> None:
        self.subject, self._ask, self._watchdog = subject, ask, watchdog
        self._steps: Steps | None = None
        self._told = False
        self.host: asyncio.Task[Any] | None = None

    @property
    def stopping(self) -> bool:
        """Whether it shall not be called again.

        An event loop that something else has ended cancels all tasks, and waits for each: that of
        the server among them. A hook that has cancelled its own is no reason.
        """
        return self._told or (self.host is not None and bool(self.host.cancelling()))

    def stop(self) -> None:
        """Have it not called again."""
        self._told = True

    async def go_on(self, delays: Delays) -> None:
        """Call the hook until it returns, or until told to stop; whatever it raises ends here."""
        delay: float | None = None
        while not self.stopping:
            began = monotonic()
            if await self._ended_well() or self.stopping:
                return
            delay = delays.after(delay, monotonic() - began)
            logger.warning("%s is called again in %g s", self.subject, delay)
            try:
                await asyncio.sleep(delay)
            except asyncio.CancelledError:
                # A hook may have cancelled its own task, and returned.
                if self.stopping:
                    raise

    def abandon(self) -> None:
        """Have it closed where it waits, instead of going on."""
        if self._steps is not None:
            self._steps.abandoned = True

    async def _ended_well(self) -> bool:
        """Call the hook; tell whether it has returned.

        Of a task that ends with SystemExit or KeyboardInterrupt the whole event loop would hear.
        """
        try:
            awaitable = self._watchdog.run(Step(self.subject), self._ask)
            self._steps = Steps(self._watchdog, self.subject, awaitable)
            await self._steps
        except BaseException as error:  # noqa: BLE001 - a plugin may raise anything
            if not (self.stopping and isinstance(error, asyncio.CancelledError)):
                logger.error("%s failed: %s", self.subject, origin(error))  # noqa: TRY400
            return False
        return True


def _ask(caller: HookCaller, plugin: Plugin, side: PluginSide) -> Awaitable[Any]:
    (answer,) = caller(settings=plugin.settings, store=side.store, directory=side.directory)
    asked: Awaitable[Any] = answer
    return asked
