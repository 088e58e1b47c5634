"""The master key, and the keys derived from it; no data base ever holds one.

A dump or a backup alone is worthless: hashes are peppered, secrets sealed and
data base roles given passwords that all come from these 32 bytes.

A master key can be replaced while servers run. Each one has a generation; the
store of the core keeps those before the one in force, each sealed by the one
after it, so that whoever holds the newest key can open what is older, and
nobody the other way round.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
import time
from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NoReturn, Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ostiary import key_sources
from ostiary.hashing import Pepper
from ostiary.key_sources import MasterKeyError
from ostiary.sealing import MOST_GENERATIONS, Sealer, decrypt, encrypt
from ostiary.seals import SealBroken

__all__ = ["GRACE", "MasterKey", "MasterKeyError"]

LENGTH = 32
"""Bytes of a master key."""

MOST_GIVEN = 2
"""The new key and the old one, while one is replaced by the other."""

MOST_DERIVED = 256
"""Derived keys that are kept at hand: of each owner few, and of each generation."""

GRACE = 5000
"""Milliseconds from a rotation until the new key is used: every process has heard of it by then,
and can open what the others seal."""

OWNER = re.compile(r"[a-z][a-z0-9_]*")

HEX = re.compile(r"[0-9a-fA-F]{64}")
BASE64URL = re.compile(r"[A-Za-z0-9_-]{43}=?")


class MasterKey:
    """The secret that all others are derived from, and those that were in force before it.

    :param keys: as given by the operator: the one in force, or a new one and the one that it
        replaces. Which is which, the store of the core tells: see ``settle``.
    """

    __slots__ = ("_current", "_given", "_known", "_used_from")

    def __init__(self, *keys: bytes) -> None:
        if not 1 <= len(keys) <= MOST_GIVEN:
            raise MasterKeyError(
                f"one master key is given, or the new and the old, not {len(keys)}"
            )
        for key in keys:
            if len(key) != LENGTH:
                raise MasterKeyError(f"a master key has {LENGTH} bytes, not {len(key)}")
            if _guessable(key):
                raise MasterKeyError("the master key can be guessed; make one with random bytes")
        self._given = keys
        self._known = {1: keys[0]}
        self._current = 1
        self._used_from = 0

    @classmethod
    def load(
        cls, *, environment: str | None, command: str | None, file: Path | None, create: bool
    ) -> Self:
        """Return the key of the first source that is configured, in the order given.

        :param environment: the key itself, or ``new,old`` while one replaces the other.
        :param command: prints the same; split like a shell's words, but run without a shell.
        :param file: holds the same, readable by its owner only.
        :param create: make the file if there is none; processes that do so at once agree.
        :raises MasterKeyError: no source has a key, or the key is unfit.
        """
        if environment is not None:
            return cls._parse(environment, "OSTIARY_MASTER_KEY")
        if command is not None:
            return cls._parse(
                key_sources.printed_by(command), "the output of security.masterKeyCommand"
            )
        if file is None:
            raise MasterKeyError(
                "no master key: set OSTIARY_MASTER_KEY or security.masterKeyCommand"
            )
        if create and not file.exists():
            key_sources.create(file, cls.random().text())
        return cls._parse(key_sources.content(file), str(file))

    @classmethod
    def random(cls) -> Self:
        """Return a new key."""
        return cls(secrets.token_bytes(LENGTH))

    @property
    def current(self) -> int:
        """The generation that new secrets are kept with."""
        return self._current - 1 if self.waits else self._current

    @property
    def waits(self) -> float:
        """Seconds until the key in force is used, and the one before it no more."""
        return max(0, self._used_from / 1000 - time.time()) if self._current > 1 else 0

    @property
    def pair(self) -> bool:
        """Whether the operator gives two keys."""
        return len(self._given) == MOST_GIVEN

    def derive(self, purpose: str, length: int = LENGTH, *, generation: int | None = None) -> bytes:
        """Return the key for one purpose (HKDF-SHA256); it tells nothing of any other.

        :param generation: of the master key; by default the current one.
        :raises KeyError: this generation is not known.
        """
        key = self._known[self.current if generation is None else generation]
        return _derived(key, purpose, length)

    def candidates(self, purpose: str) -> list[bytes]:
        """Return what every key that is known gives for a purpose, the newest first.

        For what others keep, who may not have heard of the newest key yet.
        """
        known = [self._known[number] for number in sorted(self._known, reverse=True)]
        return [_derived(key, purpose, LENGTH) for key in dict.fromkeys((*known, *self._given))]

    def check_value(self) -> str:
        """Return what a store keeps to notice another key; the key cannot be told from it."""
        return _check_value(self._known[self._current])

    def settle(self, check: str, older: Mapping[int, bytes], rotated_at: int) -> None:
        """Learn from the store of the core which of the given keys is in force, and the older.

        :param check: the check value of the key in force.
        :param older: the keys before it by their generation, each sealed by the one after it.
        :param rotated_at: when the last of them was replaced, in ms.
        :raises MasterKeyError: none of the given keys is in force, or an older one cannot be
            opened; nothing has changed then.
        """
        key = next((one for one in self._given if _is(one, check)), None)
        if key is None:
            raise MasterKeyError("the master key is not the one that these stores were made under")
        generation = len(older) + 1
        known = {generation: key}
        try:
            for number in range(generation - 1, 0, -1):
                known[number] = decrypt(_lock(known[number + 1]), older[number], _place(number))
        except (KeyError, SealBroken):
            raise MasterKeyError("an older master key in the store cannot be opened") from None
        self._known, self._used_from = known, rotated_at + GRACE
        self._current = generation

    def hear(self, given: MasterKey) -> None:
        """Take the keys that the operator gives now for those that were given at the start."""
        self._given = given._given

    def successor(self) -> MasterKey | None:
        """Return the given key that has never been in force, if there is one."""
        for key in self._given:
            if key not in self._known.values():
                return MasterKey(key)
        return None

    def sealed_by(self, successor: MasterKey) -> tuple[int, bytes]:
        """Return the generation of the key in force, and the key sealed by another one.

        :raises MasterKeyError: there were as many generations as there can be.
        """
        if self._current == MOST_GENERATIONS:
            raise MasterKeyError(f"there were {MOST_GENERATIONS} master keys: no more can be told")
        key, lock = self._known[self._current], _lock(successor._given[0])
        return self._current, encrypt(lock, key, _place(self._current))

    def beside(self, older: MasterKey) -> MasterKey:
        """Return this key as the new one, and the one in force of another as the old."""
        return MasterKey(self._given[0], older._known[older._current])

    def alone(self) -> MasterKey:
        """Return the key in force, without those before it."""
        return MasterKey(self._known[self._current])

    def sealer(self, owner: str) -> Sealer:
        """Return what encrypts the secrets of the core or of one plugin."""
        return Sealer(_checked(owner), self)

    def pepper(self, owner: str) -> Pepper:
        """Return what the core or one plugin mixes into its hashes."""
        return Pepper(_checked(owner), self)

    def setup_secret(self) -> str:
        """Return the text that lets somebody become the first administrator (160 bits)."""
        return base64.b32encode(self.derive("setup-secret", 20)).decode().lower()

    def text(self) -> str:
        """Return the given keys as a source of them holds them. A secret."""
        spelt = (base64.urlsafe_b64encode(key).decode() for key in self._given)
        return ",".join(spelt) + "\n"

    def __repr__(self) -> str:
        return "<MasterKey>"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a master key is neither copied nor pickled")

    @classmethod
    def _parse(cls, text: str, source: str) -> Self:
        try:
            return cls(*(_key(word.strip()) for word in text.split(",")))
        except MasterKeyError as unfit:
            raise MasterKeyError(f"{source}: {unfit}") from None


@lru_cache(maxsize=MOST_DERIVED)
def _derived(key: bytes, purpose: str, length: int) -> bytes:
    info = f"ostiary/v1/{purpose}".encode()
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(key)


def _check_value(key: bytes) -> str:
    return _derived(key, "check-value", 16).hex()


def _is(key: bytes, check: str) -> bool:
    return hmac.compare_digest(_check_value(key), check)


def _lock(key: bytes) -> bytes:
    """Return what a master key seals the one before it with."""
    return _derived(key, "older-master-keys", LENGTH)


def _place(generation: int) -> bytes:
    return f"core|master_keys|sealed|{generation}".encode()


def _key(text: str) -> bytes:
    if HEX.fullmatch(text):
        return bytes.fromhex(text)
    if BASE64URL.fullmatch(text):
        return base64.urlsafe_b64decode(text[:43] + "=")
    raise MasterKeyError(f"wanted {LENGTH} bytes as 64 hex digits or in base64url")


def _guessable(key: bytes) -> bool:
    """Tell whether no good source gives such bytes: few values, steps, or plain text.

    A random key fails by chance once in 10**13.
    """
    steps = {(after - before) % 256 for before, after in pairwise(key)}
    text = key.decode("latin-1")
    words = text.isascii() and text.isprintable()
    return len(set(key)) < LENGTH // 2 or len(steps) == 1 or words


def _checked(owner: str) -> str:
    if not OWNER.fullmatch(owner):
        raise ValueError(f"{owner!r} cannot own keys")
    return owner
