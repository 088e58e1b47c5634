"""API keys: tokens that a program holds, named and listed, without a session."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct
from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from ostiary import errors
from ostiary.arguments import Duration
from ostiary.events import ApiKeyCreated, ApiKeyDeleted
from ostiary.services.accounts import Account
from ostiary.services.batches import Batch, remove
from ostiary.services.changes import Changes, take_turn
from ostiary.services.events import Events
from ostiary.services.kuid import check_id
from ostiary.services.lifetimes import ENDLESS, Lifetimes
from ostiary.services.minting import fingerprint_of
from ostiary.services.signing import API_KEY, SigningKeys
from ostiary.services.tokens import KEPT
from ostiary.storage import Database, Store
from ostiary.storage.tables import api_keys, users

logger = logging.getLogger(__name__)

API_KEYS = "api-keys"
"""What the collection of API keys is called in searches."""


class ApiKey(Struct, frozen=True):
    """An API key as stored; the key itself is not, only its SHA-256.

    :param ttl: the lifetime that was asked for, in ms; -1 is without end.
    :param expires_at: ms since the epoch; None is never.
    :param last_seen: the last minute in which it was used, as far as is written; None is never.
    """

    id: str
    kuid: str
    description: str
    ttl: int
    expires_at: int | None
    fingerprint: bytes
    last_seen: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the key as clients see it (contract, 5.6), and when it was used."""
        source = {
            "userId": self.kuid,
            "description": self.description,
            "expiresAt": -1 if self.expires_at is None else self.expires_at,
            "ttl": self.ttl,
            "fingerprint": self.fingerprint.hex(),
        }
        if self.last_seen is not None:
            source["lastUsedAt"] = self.last_seen
        return {"_id": self.id, "_source": source}


class ApiKeys:
    """Makes and deletes API keys; ``Tokens`` checks them.

    :param most: how many a user may have.
    """

    def __init__(
        self,
        store: Store,
        keys: SigningKeys,
        changes: Changes,
        events: Events,
        lifetimes: Lifetimes,
        clock: Callable[[], int],
        most: int,
    ) -> None:
        self._store, self._keys, self._changes, self._events = store, keys, changes, events
        self._lifetimes, self._clock, self._most = lifetimes, clock, most

    async def create(
        self,
        account: Account,
        description: str,
        wanted: Duration | None,
        *,
        author: str,
        id: str | None = None,
        unbounded: bool = False,
    ) -> tuple[ApiKey, str]:
        """Return a new API key and its text, which nobody can be told again.

        :param id: to name it by; by default a UUID.
        :param unbounded: let it live longer than the settings allow.
        :raises errors.TtlExceeded: it is to live longer, and may not.
        :raises errors.DocumentExists: another key, of whomever, has this id.
        :raises errors.TooManyKeys: the user has as many as a user may have.
        """
        id = str(uuid.uuid4()) if id is None else check_id(id)
        ttl = self._choose(wanted, author, unbounded=unbounded)
        now = self._clock()
        end = None if ttl == ENDLESS else now + ttl
        text, _, key_id = await self._keys.mint(
            API_KEY, account.kuid, issued_at=now, expires_at=end
        )
        made = ApiKey(id, account.kuid, description, ttl, end, fingerprint_of(text))
        row = {
            "id": id,
            "kuid": account.kuid,
            "generation": account.user.generation,
            "fingerprint": made.fingerprint,
            "key_id": key_id,
            "description": description,
            "ttl": ttl,
            "author": author,
            "created_at": now,
            "expires_at": end,
        }
        await self._insert(row, now)
        return made, text

    async def delete(self, kuid: str, id: str) -> None:
        """Delete an API key of a user, which ends it at once and everywhere.

        :raises errors.DocumentNotFound: the user has none of this id.
        """
        this = (api_keys.c.id == id) & (api_keys.c.kuid == kuid)
        async with self._store.begin() as db:
            await take_turn(db)
            fingerprint = await db.scalar(select(api_keys.c.fingerprint).where(this))
            if fingerprint is None:
                raise errors.DocumentNotFound(id, "kuzzle", API_KEYS)
            await self._changes.record(db, "token", fingerprint.hex())
            await db.execute(delete(api_keys).where(this))
            await self._events.record(db, ApiKeyDeleted(kuid=kuid, id=id))

    async def purge(self, batch: Batch) -> int:
        """Remove some API keys that have expired a while ago; return how many."""
        dead = api_keys.c.expires_at < self._clock() - KEPT
        return await remove(self._store, api_keys, dead, api_keys.c.expires_at, batch)

    def _choose(self, wanted: Duration | None, author: str, *, unbounded: bool) -> int:
        try:
            return self._lifetimes.choose(wanted)
        except errors.TtlExceeded:
            if not unbounded:
                raise
        logger.warning("the longest lifetime of API keys was overridden by %r", author)
        return self._lifetimes.default if wanted is None else wanted

    async def _insert(self, row: Mapping[str, Any], now: int) -> None:
        try:
            async with self._store.begin() as db:
                # Who makes keys at the same time would each count one too few.
                await take_turn(db)
                await self._check_owner(db, row["kuid"], row["generation"], now)
                await db.execute(insert(api_keys).values(row))
                await self._events.record(db, ApiKeyCreated(kuid=row["kuid"], id=row["id"]))
        except IntegrityError:
            raise errors.DocumentExists from None

    async def _check_owner(self, db: Database, kuid: str, generation: str, now: int) -> None:
        same = (users.c.kuid == kuid) & (users.c.generation == generation)
        if await db.scalar(select(users.c.kuid).where(same)) is None:
            raise errors.UserNotFound(kuid)
        alive = api_keys.c.expires_at.is_(None) | (api_keys.c.expires_at > now)
        mine = select(func.count()).select_from(api_keys).where(api_keys.c.kuid == kuid, alive)
        count = await db.scalar(mine)
        if count >= self._most:
            raise errors.TooManyKeys(kuid, count)
