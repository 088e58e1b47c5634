"""Hashing of secrets: argon2id with a pepper, off the event loop."""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import HashingError, InvalidHashError, VerifyMismatchError

from ostiary.hash_pool import HashPool
from ostiary.sealing import Ring

T = TypeVar("T")

FLOOR = ((47104, 1), (19456, 2), (12288, 3), (9216, 4), (7168, 5))
"""Memory (KiB) and passes of the five weakest sets that OWASP's cheat sheet admits."""

PROFILES = {"owasp": (2, 19456, 1), "rfc9106": (3, 65536, 4)}
"""Passes, memory (KiB) and lanes by name: the set that OWASP's cheat sheet names for two passes,
and the second choice of RFC 9106 (section 4), for less memory."""


@dataclass(frozen=True, slots=True)
class Argon2Parameters:
    """What a hash costs.

    :param time_cost: passes over the memory.
    :param memory_cost: in KiB.
    :param parallelism: lanes; more than one only shortens a hash on idle cores.
    :raises ValueError: less than OWASP admits, or nothing that argon2 can do.
    """

    time_cost: int = 2
    memory_cost: int = 19456
    parallelism: int = 1

    def __post_init__(self) -> None:
        if not any(self.memory_cost >= m and self.time_cost >= t for m, t in FLOOR):
            sets = ", ".join(f"{t} and {m}" for m, t in FLOOR)
            raise ValueError(
                f"argon2 with timeCost {self.time_cost} and memoryCost {self.memory_cost} KiB "
                f"is below OWASP's floor; the weakest sets admitted are {sets}"
            )
        if not 1 <= self.parallelism <= self.memory_cost // 8:
            raise ValueError(f"argon2 cannot work in {self.parallelism} lanes on this memory")


class Pepper:
    """What one owner's hashes are made with: a key of each generation, none of which it shows."""

    __slots__ = ("_purpose", "_ring")

    def __init__(self, owner: str, ring: Ring) -> None:
        self._purpose, self._ring = f"plugin/{owner}/pepper", ring

    @property
    def current(self) -> int:
        """The generation that new hashes are made with."""
        return self._ring.current

    def of(self, generation: int) -> bytes:
        """Return the pepper of a generation.

        :raises KeyError: it is not known.
        """
        return self._ring.derive(self._purpose, generation=generation)

    def __repr__(self) -> str:
        return "<Pepper>"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a pepper is neither copied nor pickled")


class Hasher:
    """Hashes the secrets of one owner. A hash is worthless without the owner's pepper.

    The pepper comes from the master key. The number of its generation stands before a hash
    that was made with a later one than the first: ``2$argon2id$…``.
    """

    __slots__ = ("_argon2", "_nobody", "_pepper", "_pool")

    def __init__(self, pepper: Pepper, parameters: Argon2Parameters, pool: HashPool) -> None:
        self._pepper = pepper
        self._pool = pool
        self._argon2 = PasswordHasher(
            time_cost=parameters.time_cost,
            memory_cost=parameters.memory_cost,
            parallelism=parameters.parallelism,
            type=Type.ID,
        )
        self._nobody = _hash_of_nothing(self._argon2)

    async def prepare(self) -> None:
        """Make a hash on trial, so that parameters too great for this machine stop the start.

        :raises MemoryError: they are; says what argon2 has said.
        """
        # It takes all the memory; more passes would only take time.
        trial = PasswordHasher(
            time_cost=1,
            memory_cost=self._argon2.memory_cost,
            parallelism=self._argon2.parallelism,
            type=Type.ID,
        )
        try:
            await self._pool.run(lambda: trial.hash(b""))
        except HashingError as error:
            raise MemoryError(str(error)) from None

    async def hash(self, secret: str) -> str:
        """Return the hash to store, in the PHC string format, after its generation."""
        generation = self._pepper.current
        pepper = self._pepper.of(generation)
        made = await self._pool.run(lambda: self._argon2.hash(_seasoned(secret, pepper)))
        return made if generation == 1 else f"{generation}{made}"

    async def matches(self, stored: str | None, secret: str) -> bool:
        """Tell whether a secret matches; without a stored hash, work as long and answer no.

        :raises argon2.exceptions.Argon2Error: the stored hash is damaged, or memory is short.
        """
        pepper, hash_ = self._read(self._nobody if stored is None else stored)
        genuine = await self._pool.run(lambda: self._verify(hash_, _seasoned(secret, pepper)))
        return genuine and stored is not None

    async def run(self, work: Callable[[], T]) -> T:
        """Do other expensive work, such as a hash of another kind, where hashes are made.

        :param work: touches nothing of the event loop; it may not be broken off.
        :raises errors.Overloaded: as much waits as may wait.
        """
        return await self._pool.run(work)

    def outdated(self, stored: str) -> bool:
        """Tell whether a hash was made with other parameters, or another pepper, than now."""
        try:
            generation, hash_ = _parts(stored)
            return generation != self._pepper.current or self._argon2.check_needs_rehash(hash_)
        except InvalidHashError:
            return True

    def __repr__(self) -> str:
        return f"<Hasher m={self._argon2.memory_cost} t={self._argon2.time_cost}>"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("what holds a pepper is neither copied nor pickled")

    def _read(self, stored: str) -> tuple[bytes, str]:
        """Return the pepper of a hash and the hash itself."""
        generation, hash_ = _parts(stored)
        try:
            return self._pepper.of(generation), hash_
        except KeyError:
            raise InvalidHashError(f"a hash of an unknown generation: {generation}") from None

    def _verify(self, stored: str, seasoned: bytes) -> bool:
        try:
            return self._argon2.verify(stored, seasoned)
        except VerifyMismatchError:
            return False


def _parts(stored: str) -> tuple[int, str]:
    """Return the generation of a stored hash, and what argon2 made."""
    number, dollar, rest = stored.partition("$")
    if number and not (number.isascii() and number.isdecimal()):
        raise InvalidHashError("a hash begins with its generation, or with a dollar")
    return int(number or 1), dollar + rest


def _seasoned(secret: str, pepper: bytes) -> bytes:
    # Any text is hashed whole, lone surrogates too: what is a fit secret, its owner decides.
    return hmac.digest(pepper, secret.encode("utf-8", "surrogatepass"), "sha256")


def _hash_of_nothing(argon2: PasswordHasher) -> str:
    """Return a hash that no secret has, and that costs as much to refuse as a real one."""
    salt, value = (
        base64.b64encode(secrets.token_bytes(length)).rstrip(b"=").decode()
        for length in (argon2.salt_len, argon2.hash_len)
    )
    cost = f"m={argon2.memory_cost},t={argon2.time_cost},p={argon2.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${value}"
