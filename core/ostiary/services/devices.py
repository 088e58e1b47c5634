"""Devices: what shows that an account was signed in to from there before.

A browser has a cookie with an id, and a stamp for each account that it signed in to last: the
day, and a MAC of the account, the id and the day. Nothing of it is kept in a store, and nobody
else can make one (OWASP, "Device cookies"). Of clients without it the address is remembered. Neither
opens anything: it gives the device an allowance of its own for failed logins.
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

from ostiary.cookies import DEVICE_DAYS
from ostiary.services.batches import Batch, remove
from ostiary.storage import Database, Prepared, Store
from ostiary.storage.tables import devices as table

DAY = 86_400_000
ID, DATE, MAC = 16, 2, 16
"""Bytes of an id, of the number of a day, and of a MAC."""

MOST = 5
"""Accounts that one device is known for; the least recent one is forgotten."""

COOKIE = re.compile(r"([A-Za-z0-9_-]{22})((?:\.[A-Za-z0-9_-]{24})*)")


class Devices:
    """Stamps the cookies of devices, and knows its stamps again.

    :param key: of the stamps; nobody else has it.
    """

    def __init__(self, store: Store, key: Callable[[], bytes], clock: Callable[[], int]) -> None:
        self._store, self._key, self._clock = store, key, clock
        self._remember = _remember(store.insert(table))

    def known(self, account: bytes, cookie: str | None) -> bytes | None:
        """Return the id of a device that signed in to an account lately, or None."""
        id, stamps = _read(cookie)
        today = self._today()
        for stamp in stamps:
            day = int.from_bytes(stamp[:DATE])
            # Another machine may be past midnight already.
            recent = today - DEVICE_DAYS <= day <= today + 1
            if recent and hmac.compare_digest(stamp, self._stamp(account, id, day)):
                return id
        return None

    def stamped(self, account: bytes, cookie: str | None) -> str:
        """Return what a device shows from now on, having signed in to an account."""
        id, stamps = _read(cookie)
        id = id or secrets.token_bytes(ID)
        others = [
            stamp
            for stamp in stamps
            if stamp != self._stamp(account, id, int.from_bytes(stamp[:DATE]))
        ]
        kept = [id, self._stamp(account, id, self._today()), *others[: MOST - 1]]
        return ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in kept)

    def recent(self, seen_at: int | None) -> bool:
        """Tell whether an address that was seen then still counts as a device."""
        return seen_at is not None and seen_at > self._clock() - DEVICE_DAYS * DAY

    def fresh(self, seen_at: int | None) -> bool:
        """Tell whether an address that was seen then need not be remembered anew."""
        return seen_at is not None and seen_at > self._clock() - DAY

    async def remember(self, db: Database, account: bytes, address: bytes) -> None:
        """Remember that an account was signed in to from an address."""
        row = {"account": account, "device": address, "seen_at": self._clock()}
        await db.execute(self._remember, row)

    async def purge(self, batch: Batch) -> int:
        """Forget some addresses that were last seen too long ago; return how many."""
        old = table.c.seen_at <= self._clock() - DEVICE_DAYS * DAY
        return await remove(self._store, table, old, table.c.seen_at, batch)

    def _today(self) -> int:
        return self._clock() // DAY

    def _stamp(self, account: bytes, id: bytes, day: int) -> bytes:
        date = day.to_bytes(DATE)
        return date + hmac.digest(self._key(), account + id + date, "sha256")[:MAC]


def _remember(seen: Any) -> Prepared:
    again = {table.c.seen_at: seen.excluded.seen_at}
    keys = [table.c.account, table.c.device]
    return Prepared(seen.on_conflict_do_update(index_elements=keys, set_=again))


def _read(cookie: str | None) -> tuple[bytes, list[bytes]]:
    """Return the id and the stamps in a cookie; nothing where it is none of ours."""
    found = COOKIE.fullmatch(cookie or "")
    if found is None:
        return b"", []
    stamps = found[2].split(".")[1 : MOST + 1]
    return urlsafe_b64decode(found[1] + "=="), [urlsafe_b64decode(stamp) for stamp in stamps]
