"""When tokens and API keys were last used: noted in memory, written in batches."""

from __future__ import annotations

from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING

from sqlalchemy import update

from ostiary.durations import MINUTE
from ostiary.services.batches import Batch
from ostiary.services.changes import take_turn
from ostiary.storage import Store
from ostiary.storage.tables import api_keys, tokens

if TYPE_CHECKING:
    from ostiary.services.sessions import Session

MOST = 50_000


class Activity:
    """Keeps the minute of the last use of each token until it is written.

    What a process that is killed had not written is lost: some seconds of it.

    :param most: how many tokens, and how many API keys, may wait to be written.
    """

    def __init__(self, store: Store, most: int = MOST) -> None:
        self._store, self._most = store, most
        self._noted: dict[bytes, int] = {}
        self._noted_keys: dict[bytes, int] = {}

    def note(self, session: Session, now: int) -> None:
        """Note that a session is used; once a minute is enough, or as soon as there is room."""
        if session.seen + MINUTE > now:
            return
        noted = self._noted_keys if session.api_key else self._noted
        if len(noted) < self._most:
            session.seen = now - now % MINUTE
            noted[session.fingerprint] = session.seen

    def noted(self, fingerprint: bytes) -> int:
        """Return the minute that is noted here and may not be written yet, or 0."""
        return self._noted.get(fingerprint) or self._noted_keys.get(fingerprint, 0)

    async def flush(self, batch: Batch) -> int:
        """Write some of what is noted; return how much."""
        written = 0
        for table, noted in ((tokens, self._noted), (api_keys, self._noted_keys)):
            some = dict(islice(noted.items(), batch.size))
            if not some:
                continue
            minutes: dict[int, list[bytes]] = {}
            for fingerprint, minute in some.items():
                minutes.setdefault(minute, []).append(fingerprint)
            async with self._store.begin() as db:
                await take_turn(db)
                start = perf_counter()
                # One statement for many tokens: the event loop is not disturbed at each.
                for minute, used in minutes.items():
                    earlier = table.c.last_seen.is_(None) | (table.c.last_seen < minute)
                    these = update(table).where(table.c.fingerprint.in_(used), earlier)
                    await db.execute(these.values(last_seen=minute))
            batch.took(perf_counter() - start)
            for fingerprint, minute in some.items():
                if noted.get(fingerprint) == minute:
                    del noted[fingerprint]
            written = max(written, len(some))
        return written
