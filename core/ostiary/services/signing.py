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
from msgspec import Struct
from sqlalchemy import insert, select

from ostiary import errors
from ostiary.services.changes import take_turn
from ostiary.storage import Store
from ostiary.storage.tables import signing_keys

KEY_BYTES = 32
KNOWN = "SELECT id FROM signing_keys WHERE id = ?"
# In base64url exactly these could come out as "-" or "_", which the decoder of clients refuses.
TROUBLESOME = re.compile(rb"[>?~\x7f]|[^\x00-\x7f]+")


class Kind(Struct, frozen=True):
    """What a token is for: none passes for one of another kind (RFC 8725, 3.11; TOK-24)."""

    prefix: str
    typ: str


SESSION = Kind("kauth-", "JWT")
API_KEY = Kind("kapikey-", "apikey+jwt")


class _UnknownKey(Exception):
    """A token names a key that this process has not read."""

    def __init__(self, key_id: str) -> None:
        super().__init__(key_id)
        self.key_id = key_id


class SigningKeys:
    """Signs and verifies with the keys of the core's store."""

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._store, self._clock = store, clock
        self._keys: dict[str, bytes] = {}
        self._newest = ""
        self._outdated = False

    async def load(self) -> None:
        """Read the ring, and make its first key if there is none."""
        self._outdated = False
        while not await self._read():
            await self._make()

    def heard(self, what: str, _id: str) -> None:
        """Hear of a change: the ring is read again before its next use."""
        # Who has not listened for long is told of changed rights, and nothing else.
        if what in ("keys", "rights"):
            self._outdated = True

    async def mint(
        self, kind: Kind, kuid: str, *, issued_at: int, expires_at: int | None
    ) -> tuple[str, str, str]:
        """Return a new token, its unique claim and the id of the key that signed it."""
        if self._outdated:
            await self.load()
        jti, key_id = secrets.token_hex(16), self._newest
        return self._text(kind, key_id, _claims(kuid, jti, issued_at, expires_at)), jti, key_id

    async def mint_again(
        self,
        kind: Kind,
        key_id: str,
        *,
        kuid: str,
        jti: str,
        issued_at: int,
        expires_at: int | None,
    ) -> str:
        """Return the text of an earlier token: HS256 of the same claims is the same text.

        :raises errors.TokenInvalid: its key is gone.
        """
        if key_id not in self._keys:
            await self.load()
        if key_id not in self._keys:
            raise errors.TokenInvalid
        return self._text(kind, key_id, _claims(kuid, jti, issued_at, expires_at))

    async def check(self, kind: Kind, token: str) -> None:
        """Refuse what none of our keys signed as a token of this kind.

        :raises errors.TokenInvalid: it is anything else.
        """
        if self._outdated:
            await self.load()
        if not token.startswith(kind.prefix):
            raise errors.TokenInvalid
        jwt = token[len(kind.prefix) :]
        try:
            self._verified(jwt, kind.typ)
        except _UnknownKey as unknown:
            # Another machine may sign with a key of which the news is still on its way.
            if await self._store.fetch(KNOWN, unknown.key_id) is not None:
                await self.load()
            self.verify(jwt, kind.typ)

    def sign(
        self, claims: Mapping[str, Any], key_id: str | None = None, typ: str = SESSION.typ
    ) -> tuple[str, str]:
        """Return a token and the id of the key that signed it: the newest, unless one is named."""
        from ostiary.services import jws

        key_id = key_id or self._newest
        payload = TROUBLESOME.sub(_escape, msgspec.json.encode(claims))
        return jws.signed({"typ": typ, "kid": key_id}, payload, self._keys[key_id]), key_id

    def verify(self, token: str, typ: str = SESSION.typ) -> dict[str, Any]:
        """Return the claims of a token that one of our keys signed.

        :raises errors.TokenInvalid: it is anything else.
        """
        try:
            return self._verified(token, typ)
        except _UnknownKey:
            raise errors.TokenInvalid from None

    def _verified(self, token: str, typ: str) -> dict[str, Any]:
        from ostiary.services import jws

        try:
            header, payload = jws.opened(token, self._choose)
            if header["typ"] != typ:
                raise errors.TokenInvalid
            return msgspec.json.decode(payload, type=dict[str, Any])
        except (msgspec.MsgspecError, ValueError):
            raise errors.TokenInvalid from None

    def _text(self, kind: Kind, key_id: str, claims: Mapping[str, Any]) -> str:
        return kind.prefix + self.sign(claims, key_id, kind.typ)[0]

    def _choose(self, header: Mapping[str, Any]) -> bytes:
        if header.keys() != {"alg", "typ", "kid"} or not isinstance(header["kid"], str):
            raise errors.TokenInvalid
        key = self._keys.get(header["kid"])
        if key is None:
            raise _UnknownKey(header["kid"])
        return key

    async def _read(self) -> bool:
        wanted = select(signing_keys).order_by(signing_keys.c.created_at, signing_keys.c.id)
        async with self._store.read() as db:
            rows = (await db.execute(wanted)).all()
        self._keys = {row.id: self._keys.get(row.id) or self._opened(row) for row in rows}
        for row in rows:
            if row.retired_at is None:
                self._newest = row.id
        return bool(rows)

    async def _make(self) -> None:
        row = new_key(self._store, self._clock())
        async with self._store.begin() as db:
            await take_turn(db)
            if await db.scalar(select(signing_keys.c.id).limit(1)) is None:
                await db.execute(insert(signing_keys).values(row))

    def _opened(self, row: Any) -> bytes:
        return self._store.sealer.open(row.sealed, column=signing_keys.c.sealed, row=row.id)


def new_key(store: Store, now: int) -> dict[str, Any]:
    """Return a new key as a row of the ring."""
    id = secrets.token_hex(8)
    key = secrets.token_bytes(KEY_BYTES)
    sealed = store.sealer.seal(key, column=signing_keys.c.sealed, row=id)
    return {"id": id, "sealed": sealed, "created_at": now}


def _claims(kuid: str, jti: str, issued_at: int, expires_at: int | None) -> dict[str, Any]:
    claims = {"_id": kuid, "iat": issued_at // 1000, "jti": jti}
    return claims if expires_at is None else {**claims, "exp": expires_at // 1000}


def _escape(match: re.Match[bytes]) -> bytes:
    utf16 = match[0].decode().encode("utf-16-be")
    return b"".join(b"\\u%02x%02x" % pair for pair in zip(utf16[::2], utf16[1::2], strict=True))
