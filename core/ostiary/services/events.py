"""Telling of events: one call writes the audit log, the server's log, and wakes the plugins."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace
from sqlalchemy import insert

from ostiary.acting import Source, source
from ostiary.events import Event, SignedIn, kinds
from ostiary.log import legible, sanitized
from ostiary.services.changes import take_turn
from ostiary.services.deliveries import Deliveries
from ostiary.services.tally import Tally
from ostiary.storage import Database, Prepared, Store
from ostiary.storage.tables import audit

logger = logging.getLogger("ostiary.audit")

INSERT = Prepared(insert(audit))
ABOUT = ("plugin", "kuid", "id", "target")
"""Fields that tell whom or what an event is about; the first that it has counts."""

COLUMNS = {"strategy", "account", "reason"}
"""Other fields of single events that have a column of their own; the rest are details."""

USUAL = (("count", 1), ("proved", False))
"""Details that say nothing."""

EVERY = set(Event.__struct_fields__)
OWN = {
    name: tuple(one for one in kind.__struct_fields__ if one not in EVERY)
    for name, kind in kinds().items()
}
"""The fields of each event that not every event has."""


class Events:
    """Tells of what has happened; the event says what, and the door where it came from."""

    def __init__(
        self, store: Store, deliveries: Deliveries, tally: Tally, clock: Callable[[], int]
    ) -> None:
        self._store, self._deliveries, self._tally = store, deliveries, tally
        self._clock = clock

    async def record(self, db: Database, event: Event) -> None:
        """Tell of an event in the transaction that makes it true.

        It has to have taken its turn (``changes.take_turn``): rows become visible in the order
        of their numbers, so that nobody who reads on from a number misses one.
        """
        await self.record_many(db, [event])

    async def record_many(self, db: Database, happened: Sequence[Event]) -> None:
        """Tell of several events, as ``record`` does of each."""
        here, now = source(), self._clock()
        here.told = True
        told = [_placed(event, here, now) for event in happened]
        await db.execute(INSERT, [row_of(event) for event in told])
        for event in told:
            db.after_commit(partial(self._tell, event))

    async def emit(self, event: Event) -> None:
        """Tell of an event that no transaction of its own makes true."""

        async def write(db: Database) -> None:
            await take_turn(db)
            await self.record(db, event)

        await self._store.write(write)

    def _tell(self, event: Event) -> None:
        if logger.isEnabledFor(logging.INFO):
            logger.info("%s", line_of(event))
        if isinstance(event, SignedIn):
            self._tally.sign_in()
        self._deliveries.put(event)


def row_of(event: Event) -> dict[str, Any]:
    """Return an event as the audit log keeps it."""
    own = {name: getattr(event, name) for name in OWN[type(event).__name__]}
    about = next((name for name in ABOUT if name in own), "")
    details = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in own.items()
        if name not in COLUMNS
        and name != about
        and value is not None
        and (name, value) not in USUAL
    }
    reason = own.get("reason")
    return {
        "at": event.at,
        "event": type(event).__name__,
        "author": event.author,
        "about": own.get(about),
        "strategy": own.get("strategy"),
        "account": own.get("account"),
        "reason": None if reason is None else sanitized(reason),
        "protocol": event.protocol or None,
        "address": sanitized(event.address) or None,
        "agent": sanitized(event.agent) or None,
        "request": sanitized(event.request) or None,
        "details": details or None,
    }


def line_of(event: Event) -> str:
    """Return an event as one line of the server's log."""
    own = OWN[type(event).__name__]
    about = next((name for name in ABOUT if name in own), "")
    told = {name: getattr(event, name) for name in own if name not in ("account", about)}
    words = [
        type(event).__name__,
        f"by {legible(event.author or '-')}",
        f"about {legible(getattr(event, about, None) or '-')}",
        f"from {legible(event.address or '-')} over {event.protocol or '-'}",
        f"in request {legible(event.request or '-')}",
        *(f"{name}={legible(_text(value))}" for name, value in told.items() if value is not None),
    ]
    return " ".join(words)


def _placed(event: Event, here: Source, now: int) -> Event:
    """Return an event with where it comes from, as far as it does not say so itself."""
    return replace(
        event,
        at=event.at or now,
        author=event.author or here.author,
        protocol=event.protocol or here.protocol,
        address=event.address or here.address,
        agent=event.agent or here.agent,
        request=event.request or here.request,
    )


def _text(value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)
