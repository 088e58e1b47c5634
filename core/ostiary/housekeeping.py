"""What a process does beside its requests: removing what is over, and undoing what was left half done."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from ostiary import errors, log
from ostiary.services import Services
from ostiary.services.batches import Batch

logger = logging.getLogger(__name__)

HOUSEKEEPING = 10
"""Seconds between two rounds of sweeping and purging."""

Work = Callable[[Batch], Awaitable[int]]

LAST = 200
"""Tokens whose last use is written at once when the process ends."""

SHARE = 3
"""How many times as long as a batch has taken the next one waits: the writer is for others."""


async def keep_house(services: Services, stopping: asyncio.Event) -> None:
    """Undo what ended processes left half done and remove what has expired, until told to stop."""
    works = [
        (services.activity.flush, Batch()),
        (services.minutes.flush, Batch()),
        (services.tokens.purge, Batch()),
        (services.api_keys.purge, Batch()),
        (services.login_limits.purge, Batch()),
        (services.flows.purge, Batch()),
        (services.search.purge, Batch()),
        (services.audit_log.purge, Batch()),
        (services.minutes.purge, Batch()),
        (services.changes.purge, Batch()),
    ]
    while not stopping.is_set():
        with going_on("housekeeping"):
            await services.journal.sweep()
            await work_off(works, stopping)
            services.strategies.stored.retry()
            await services.refusals.sweep()
            await services.key_ring.purge()
        await pause(stopping, HOUSEKEEPING)
    with going_on("writing when tokens were used"):
        while await services.activity.flush(Batch(LAST)):
            pass
    with going_on("writing what the last minute brought"):
        await services.minutes.finish()


async def work_off(works: Iterable[tuple[Work, Batch]], stopping: asyncio.Event) -> None:
    """Do a batch of each work in turn until nothing is left; others write in between."""
    left = list(works)
    while left:
        for one in tuple(left):
            if stopping.is_set():
                return
            work, batch = one
            size = batch.size
            if await work(batch) < size:
                left.remove(one)
            else:
                await pause(stopping, SHARE * batch.seconds)


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    """Do nothing for a while, or until told to stop."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)


async def watch_tokens(services: Services, stopping: asyncio.Event) -> None:
    """Tell WebSockets when their tokens expire, until told to stop."""
    while not stopping.is_set():
        with going_on("watching over tokens"):
            await services.connections.watch()


@contextmanager
def going_on(work: str) -> Iterator[None]:
    """Log what goes wrong with a round of some work; the next round may do better."""
    try:
        yield
    except errors.OstiaryError as error:
        logger.warning("%s is put off: %s", work, error.id)
    except Exception as error:  # noqa: BLE001 - it would end the whole process
        logger.error("%s failed: %s", work, log.origin(error))  # noqa: TRY400
