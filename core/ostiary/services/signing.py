"""The ring of keys that sign tokens: HS256 (RFC 7518, 3.2) in the compact form (RFC 7515, 7.1).

The keys stand sealed in the core's store. A token's ``kid`` can only choose
among them; every other header that could bring a key is refused.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol, OctKey
from sqlalchemy import insert, select

from ostiary import errors
from ostiary.services.changes import take_turn
from ostiary.storage import Store
from ostiary.storage.tables import signing_keys

ALGORITHM = "HS256"
KEY_BYTES = 32
# In base64url exactly these could come out as "-" or "_", which the decoder of clients refuses.
TROUBLESOME = re.compile(rb"[>?~\x7f]|[^\x00-\x7f]+")


class SigningKeys:
    """Signs and verifies with the keys of the core's store."""

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._store, self._clock = store, clock
        self._keys: dict[str, OctKey] = {}
        self._newest = ""

    async def load(self) -> None:
        """Read the ring, and make its first key if there is none."""
        while not await self._read():
            await self._make()

    def sign(self, claims: Mapping[str, Any], key_id: str | None = None) -> tuple[str, str]:
        """Return a token and the id of the key that signed it: the newest, unless one is named."""
        key_id = key_id or self._newest
        payload = TROUBLESOME.sub(_escape, msgspec.json.encode(claims))
        header = {"alg": ALGORITHM, "typ": "JWT", "kid": key_id}
        return jws.serialize_compact(header, payload, self._keys[key_id], [ALGORITHM]), key_id

    def verify(self, token: str) -> dict[str, Any]:
        """Return the claims of a token that one of our keys signed.

        :raises errors.TokenInvalid: it is anything else.
        """
        try:
            signed = jws.deserialize_compact(token.encode("ascii"), self._choose, [ALGORITHM])
            return msgspec.json.decode(signed.payload, type=dict[str, Any])
        except (JoseError, msgspec.MsgspecError, ValueError, RecursionError):
            raise errors.TokenInvalid from None

    def _choose(self, token: GuestProtocol) -> OctKey:
        header = token.headers()
        if header.keys() != {"alg", "typ", "kid"} or header["kid"] not in self._keys:
            raise errors.TokenInvalid
        return self._keys[header["kid"]]

    async def _read(self) -> bool:
        wanted = select(signing_keys).order_by(signing_keys.c.created_at, signing_keys.c.id)
        async with self._store.read() as db:
            rows = (await db.execute(wanted)).all()
        for row in rows:
            if row.id not in self._keys:
                secret = self._store.sealer.open(row.sealed, context=_context(row.id))
                self._keys[row.id] = OctKey.import_key(secret)
            self._newest = row.id
        return bool(rows)

    async def _make(self) -> None:
        id = secrets.token_hex(8)
        sealed = self._store.sealer.seal(secrets.token_bytes(KEY_BYTES), context=_context(id))
        row = {"id": id, "sealed": sealed, "created_at": self._clock()}
        async with self._store.begin() as db:
            await take_turn(db)
            if await db.scalar(select(signing_keys.c.id).limit(1)) is None:
                await db.execute(insert(signing_keys).values(row))


def _context(key_id: str) -> str:
    return f"signing_keys|sealed|{key_id}"


def _escape(match: re.Match[bytes]) -> bytes:
    utf16 = match[0].decode().encode("utf-16-be")
    return b"".join(b"\\u%02x%02x" % pair for pair in zip(utf16[::2], utf16[1::2], strict=True))
