"""Hashing of secrets: argon2id with a pepper, off the event loop.

Hashes are made in a pool of one thread per core: a hash frees the interpreter
while it works, and more threads would only hold more memory.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
import math
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NoReturn, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import HashingError, InvalidHashError, VerifyMismatchError

from ostiary import errors
from ostiary.patience import not_counted
from ostiary.sealing import Ring

T = TypeVar("T")

FLOOR = ((47104, 1), (19456, 2), (12288, 3), (9216, 4), (7168, 5))
"""Memory (KiB) and passes of the five weakest sets that OWASP's cheat sheet admits."""

PROFILES = {"owasp": (2, 19456, 1), "rfc9106": (3, 65536, 4)}
"""Passes, memory (KiB) and lanes by name: the set that OWASP's cheat sheet names for two passes,
and the second choice of RFC 9106 (section 4), for less memory."""

LOWEST_PRIORITY = 19

LATELY = 16
"""Hashes by which it is known how long the next ones take."""

TOGETHER = 6
"""Results that are handed over at a time, where as many more are waited for."""

HELD = 0.1
"""Seconds that a result is held for that at most, going by how long the next one takes."""

logger = logging.getLogger(__name__)


class HashPool:
    """The threads in which all hashes of a process are made.

    What waits for the results of hashes runs on memory that a hash has just driven out of the
    processor's caches: alone, it takes four times as long as after another of its kind. So where many
    wait, results are handed over a few at a time.

    :param threads: hashes made at once; each holds the memory of one.
    :param queue: hashes that may wait beyond those.
    :param nice: how far the threads stand back behind the event loop (Linux).
    :param max_wait: seconds that a hash may have to wait for its thread, going by how long the
        last ones took; None is any time.
    """

    def __init__(
        self, threads: int, queue: int, nice: int = 10, max_wait: float | None = None
    ) -> None:
        self._places = threading.BoundedSemaphore(threads + queue)
        self._max_wait, self._took = max_wait, 0.0
        self._lock, self._accepted, self._at_once = threading.Lock(), 0, threads
        self._over: list[_Work] = []
        self._threads = ThreadPoolExecutor(
            threads, thread_name_prefix="hash", initializer=_stand_back, initargs=(nice,)
        )

    @property
    def waiting(self) -> int:
        """How many hashes were accepted and wait for a thread."""
        return max(0, self._accepted - self._at_once)

    @property
    def wait(self) -> float:
        """How many seconds a hash would wait for its thread, if it were accepted now."""
        ahead = self._accepted + 1 - self._at_once
        return max(0, ahead) * self._took / self._at_once

    async def run(self, work: Callable[[], T]) -> T:
        """Run some work in a thread; if the caller is cancelled first, it may never start.

        :raises errors.Overloaded: as much waits as may wait; it tells when to come again.
        """
        wait = self.wait
        too_long = self._max_wait is not None and wait > self._max_wait
        if too_long or not self._places.acquire(blocking=False):
            raise errors.Overloaded(retry_after=max(1, math.ceil(wait)))
        self._change(+1)
        wanted = _Work(work)
        try:
            accepted = self._threads.submit(self._do, wanted)
        except BaseException:
            self._give_back()
            raise
        try:
            with not_counted():
                result: T = await wanted.done
        except asyncio.CancelledError:
            if accepted.cancel():
                self._give_back()
                # Others may be held for this one, which does not come.
                self._flush()
            raise
        finally:
            # An error knows this frame: neither would go without the collector.
            del wanted
        return result

    def close(self) -> None:
        """Finish what was accepted, then end the threads."""
        self._threads.shutdown()

    def _do(self, work: _Work) -> None:
        """Do some work in a thread, and hand over what is over, unless more of it is near."""
        begun = time.monotonic()
        work.run()
        # A place is free when the work is over, not when its caller has given up.
        self._give_back()
        now = time.monotonic()
        with self._lock:
            took = now - begun
            self._took += (took - self._took) / LATELY if self._took else took
            work.over = now
            self._over.append(work)
            if self._another_is_near(now):
                return
        self._flush()

    def _another_is_near(self, now: float) -> bool:
        """Tell whether the oldest result can wait for the next one."""
        return (
            self.waiting >= TOGETHER
            and len(self._over) < TOGETHER
            and now + self._took / self._at_once - self._over[0].over < HELD
        )

    def _flush(self) -> None:
        with self._lock:
            over, self._over = self._over, []
        _hand_over(over)

    def _give_back(self) -> None:
        """Let another have the place of a hash that is over, or will not be made."""
        self._change(-1)
        self._places.release()

    def _change(self, by: int) -> None:
        with self._lock:  # Threads of the pool end what the event loop began.
            self._accepted += by


class _Work:
    """Something to do in a thread, and who waits for it in an event loop.

    :ivar over: when it was done.
    """

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[Any] = self.loop.create_future()
        self._result: Any = None
        self._error: BaseException | None = None
        self.over = 0.0

    def run(self) -> None:
        """Do it, unless nobody waits any more."""
        if self.done.cancelled():
            return
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001 - who waits is told
            self._error = error

    def tell(self) -> None:
        """Tell who waits how it went."""
        error, self._error = self._error, None
        if self.done.done():
            return
        if error is None:
            self.done.set_result(self._result)
        else:
            self.done.set_exception(error)


def _hand_over(over: Iterable[_Work]) -> None:
    """Have those who wait told, those of one event loop with one call."""
    for loop, some in groupby(over, key=lambda work: work.loop):
        # Who has ended their loop waits for nothing.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_tell, list(some))


def _tell(over: Iterable[_Work]) -> None:
    for work in over:
        work.tell()


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


def _stand_back(nice: int) -> None:
    """Lower the priority of this thread; elsewhere than on Linux only processes have one."""
    if sys.platform != "linux":
        return
    thread = threading.get_native_id()
    lowered = min(LOWEST_PRIORITY, os.getpriority(os.PRIO_PROCESS, thread) + nice)
    try:
        os.setpriority(os.PRIO_PROCESS, thread, lowered)
    except PermissionError:
        # A sandbox may forbid it; hashes then only compete harder with requests.
        logger.warning("the threads that hash cannot be given a lower priority")
