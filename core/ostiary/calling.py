"""How the core calls hooks: for a limited time, and so that nothing they do reaches others.

Whatever goes wrong costs the caller of that hook one clear error, and everybody else nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import msgspec

from ostiary import errors
from ostiary.circuits import Circuit, Health
from ostiary.log import origin
from ostiary.patience import PATIENCE, Patience
from ostiary.strategies import Call, User
from ostiary.watchdog import Step, Steps, Watchdog

logger = logging.getLogger(__name__)

T = TypeVar("T")

TIMEOUT = 8_000
"""Milliseconds that a hook may take: a login by a dead provider fails within ten seconds."""

GRACE = 1.0
"""Seconds that a hook gets to end after it was told to."""

LARGEST_ERROR = 65_536
"""Bytes of an error that a plugin tells a client."""

ADMITTED = frozenset(
    {
        errors.LoginRefused,
        errors.CredentialsRejected,
        errors.CredentialsExist,
        errors.NoCredentials,
        errors.UnsupportedSearch,
        errors.ServiceUnavailable,
        errors.PluginUnexpectedError,
        errors.Unserializable,
        errors.StoreUnavailable,
        errors.Overloaded,
    }
)
"""The core's errors that a hook may raise; each of the others says what only the core can know."""

OF_PLUGINS = ("plugin.", "api.assert.")
"""How the ids of errors begin that plugins declare, or that say what is wrong with an argument."""

Errors = tuple[type[errors.OstiaryError], ...]


def returned(answer: Any) -> Any:
    """Return an answer as it is: the check of a hook whose answer means nothing."""
    return answer


@dataclass(slots=True, eq=False)
class _Run:
    """One call of a hook, and how it went."""

    patience: Patience
    step: Step
    steps: Steps | None = None
    answer: Any = None
    error: BaseException | None = field(default=None, repr=False)

    @property
    def interrupted(self) -> bool:
        return self.step.interrupted or (self.steps is not None and self.steps.interrupted)


class Calls:
    """Calls the hooks of plugins in one process.

    :param timeout: how long a hook may take, in ms.
    """

    def __init__(self, timeout: int = TIMEOUT, watchdog: Watchdog | None = None) -> None:
        self._limit = timeout / 1000
        self.watchdog = watchdog or Watchdog()
        self._circuits: dict[str, Circuit] = defaultdict(Circuit)

    def health(self, subject: str) -> Health:
        """Tell how it is with the calls that this process makes of a subject; see ``call``."""
        circuit = self._circuits.get(subject)
        return "working" if circuit is None else circuit.health

    async def call(
        self,
        subject: str,
        hook: str,
        ask: Callable[[], Awaitable[Any] | None],
        check: Callable[[Any], T] = returned,
        also: Errors = (),
    ) -> T:
        """Call a hook and return its answer, checked.

        :param subject: whose hook it is, as clients and operators read it: ``strategy local``.
        :param ask: gives what is to be awaited; None if there is nothing to ask.
        :param check: turns the answer into what it has to be; runs code of the plugin too.
        :param also: errors of the core that this hook may raise beside those of all.
        :raises errors.PluginTimeout: it did not answer in time.
        :raises errors.PluginUnavailable: it has not done so several times, and is left alone.
        :raises errors.PluginUnexpectedError: it raised something else than it may.
        """
        circuit = self._circuits[subject]
        run = _Run(Patience(self._limit), Step(subject))
        with circuit.admitted(subject, run.patience):
            task = asyncio.get_running_loop().create_task(self._run(run, ask, check))
            in_time = await self._wait(task, run, circuit)
            if run.interrupted or not in_time:
                circuit.failed(subject)
                logger.error("%s did not answer %s in time", subject, hook)
                raise errors.PluginTimeout(subject)
            circuit.worked(subject)
        if run.error is not None:
            raise _told(subject, hook, run.error, also) from None
        answer: T = run.answer
        return answer

    def ask(self, subject: str, name: str, work: Callable[..., T], *arguments: Any) -> T:
        """Call a function of a plugin that is not asynchronous.

        :raises errors.PluginTimeout: it was broken off.
        :raises errors.PluginUnexpectedError: it raised something.
        """
        step = Step(subject)
        try:
            return self.watchdog.run(step, work, *arguments)
        except BaseException as error:  # noqa: BLE001 - a plugin may raise anything
            if step.interrupted:
                raise errors.PluginTimeout(subject) from None
            raise _told(subject, name, error, ()) from None

    async def _run(
        self, run: _Run, ask: Callable[[], Awaitable[Any] | None], check: Callable[[Any], Any]
    ) -> None:
        """Call a hook in a task of its own, which ends well whatever the hook raises.

        Of a task that ends with SystemExit or KeyboardInterrupt the whole event loop would hear.
        """
        PATIENCE.set(run.patience)
        try:
            answer = self.watchdog.run(run.step, ask)
            if answer is not None:
                run.steps = Steps(self.watchdog, run.step.subject, answer)
                answer = await run.steps
            run.answer = self.watchdog.run(run.step, check, answer)
        except BaseException as error:  # noqa: BLE001 - a plugin may raise anything
            run.error = error

    async def _wait(self, task: asyncio.Task[None], run: _Run, circuit: Circuit) -> bool:
        """Wait for a hook while there is time; tell whether it has ended by itself."""
        try:
            while not task.done() and (left := run.patience.left()) > 0:
                await asyncio.wait({task}, timeout=max(left, 0.05))
        except asyncio.CancelledError:
            await _stop(task, run, circuit)
            raise
        if task.done():
            return True
        await _stop(task, run, circuit)
        return False


def copied(value: Any) -> Any:
    """Return a copy of what a hook is given, which it may change as it likes (ISO-15)."""
    match value:
        case Mapping():
            return {name: copied(one) for name, one in value.items()}
        case list():
            return [copied(one) for one in value]
        case User():
            return replace(value, content=copied(value.content))
        case Call():
            state = None if value.state is None else copied(value.state)
            return replace(value, args=copied(value.args), state=state)
        case _:
            return value


async def _stop(task: asyncio.Task[None], run: _Run, circuit: Circuit) -> None:
    """Tell a hook to end; one that does not is closed, and if even that fails, left behind."""
    try:
        task.cancel()
        await asyncio.wait({task}, timeout=GRACE)
        if not task.done() and run.steps is not None:
            run.steps.abandoned = True
            task.cancel()
            await asyncio.wait({task}, timeout=GRACE / 10)
    finally:
        if not task.done():
            circuit.leave(task)
            logger.error("%s does not end; it is left behind", run.step.subject)


def _told(subject: str, hook: str, error: BaseException, also: Errors) -> errors.OstiaryError:
    """Return what a client is told of what a hook raised."""
    if isinstance(error, errors.OstiaryError) and _is_admitted(error, also):
        return error
    logger.error("%s failed in %s: %s", subject, hook, origin(error))
    return errors.PluginUnexpectedError(f"{subject} failed")


def _is_admitted(error: errors.OstiaryError, also: Errors) -> bool:
    """Tell whether an error is one that a plugin may answer with, and can be sent."""
    kind = type(error)
    if kind.to_json is not errors.OstiaryError.to_json or kind.__str__ is not Exception.__str__:
        # It would run code of the plugin wherever the error is told.
        return False
    try:
        admitted = kind in ADMITTED or kind.id.startswith(OF_PLUGINS)
        told = error.to_json()
        return (
            (admitted or isinstance(error, also))
            and 400 <= error.status < 600  # noqa: PLR2004 - RFC 9110, 15.5 and 15.6
            and told["status"] == error.status
            and (error.retry_after is None or type(error.retry_after) is int)
            and len(msgspec.json.encode(told)) <= LARGEST_ERROR
        )
    except Exception as failure:  # noqa: BLE001 - it may have been given anything
        logger.error("an error of a plugin cannot be told: %s", origin(failure))  # noqa: TRY400
        return False
