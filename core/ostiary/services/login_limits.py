"""Limits of failed logins: for each account, each address, and each device that is known.

Every attempt is counted as failed before any secret is looked at, and given back if it was not:
guesses made at the same time cannot overrun a limit. Strangers share the allowance of an account,
and that of their address. A device that signed in to the account before has one of its own, so
that strangers cannot keep its owner out. Failures above an allowance bring a growing delay, and
nothing else.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial

from msgspec import Struct

from ostiary import errors
from ostiary.durations import MINUTE, SECOND
from ostiary.networks import network
from ostiary.services.batches import Batch
from ostiary.services.counters import LONGEST_DELAY, Counted, Counters, Locked
from ostiary.services.devices import Devices
from ostiary.services.subjects import Allowances, Place, Subjects
from ostiary.services.turns import Turn, Turns
from ostiary.storage import Database, Store

logger = logging.getLogger(__name__)

MOST_NOTED = 100
"""Lines of the log about logins held back, in a minute."""

UNDECIDED = (errors.ServiceUnavailableError, errors.TtlExceeded, errors.FlowOver)

LOOK = (
    "SELECT (SELECT seen_at FROM devices WHERE account = ? AND device = ?),"
    " (SELECT locked_until FROM login_counters WHERE subject = ?),"
    " (SELECT locked_until FROM login_counters WHERE subject = ?),"
    " (SELECT locked_until FROM login_counters WHERE subject = ?)"
)

LOCK = "SELECT locked_until FROM login_counters WHERE subject = ?"


class Attempt(Struct, frozen=True):
    """An attempt that is counted as failed, until it is given back.

    :ivar account: a hash of whose it is; None if that is not known, or nothing is counted.
    :ivar fresh: the address is known as one of the account's, and need not be written again.
    """

    account: bytes | None = None
    address: bytes = b""
    counted: tuple[Counted, ...] = ()
    fresh: bool = True


class LoginLimits:
    """Counts attempts to prove who one is, by whatever door they come.

    :param allowances: None is without limit.
    :param key: of the hashes that stand in the store for accounts, devices and addresses.
    :param former: the keys of such hashes that may still stand in the audit log; by default none.
    """

    def __init__(
        self,
        store: Store,
        allowances: Allowances | None,
        key: Callable[[], bytes],
        clock: Callable[[], int],
        former: Callable[[], Sequence[bytes]] = tuple,
    ) -> None:
        self._store, self.allowances, self._key, self._clock = store, allowances, key, clock
        self._former = former
        window = 0 if allowances is None else allowances.window
        self._counters = Counters(store, window, clock)
        self._turns = Turns()
        self._devices = Devices(store, partial(self._digest, "stamps", b""), clock)
        self._minute, self._noted = 0, set[bytes]()

    @asynccontextmanager
    async def attempt(
        self, strategy: str, account: str | bytes | None, place: Place
    ) -> AsyncIterator[Attempt]:
        """Count an attempt as failed while it is made, and afterwards unless it has succeeded.

        Attempts that come together for one account wait for each other.

        :param account: what all spellings of its name share, whether it exists or not; None if
            there is no telling before the secret is looked at. Bytes are the hash that stood for
            it at an earlier step of the same login.
        :raises errors.TooManyLogins: it has to wait, and is not counted.
        """
        if self.allowances is None:
            yield Attempt()
            return
        who = self._subjects(strategy, account, place)
        async with self._turns.take(who.at_once(self.allowances)) as turns:
            attempt = await self._admitted(self.allowances, who, turns, strategy, place)
            with ExitStack() as undecided:
                for turn in turns.values():
                    undecided.enter_context(turn.undecided())
                try:
                    yield attempt
                except errors.OstiaryError as error:
                    await self._fail(attempt, error)
                    raise

    def digest(self, strategy: str, account: str) -> bytes:
        """Return the keyed hash that stands in the store for an account, existing or not."""
        return self._digest("account", _name(strategy, account))

    def digests(self, strategy: str, account: str) -> tuple[bytes, ...]:
        """Return every hash that has stood for an account; the one that stands now is the first."""
        named = _of_kind("account", _name(strategy, account))
        former = (hmac.digest(key, named, "sha256") for key in self._former())
        return tuple(dict.fromkeys((self.digest(strategy, account), *former)))

    def subject(self, strategy: str, account: str | bytes | None) -> bytes | None:
        """Return the hash of an account, which may be one already; None for none."""
        return self.digest(strategy, account) if isinstance(account, str) else account

    def of_address(self, address: str) -> bytes:
        """Return what failures from an address, or from its network, are counted by."""
        return self._digest("address", network(address).encode(errors="replace"))

    def of_device(self, account: bytes, device: bytes) -> bytes:
        """Return what failures of a device are counted by, for an account that it is known for.

        :param device: its id, or the hash of its address.
        """
        return self._digest("device", account + device)

    async def locked_until(self, account: bytes) -> int:
        """Return until when strangers have to wait with an account; 0 is not at all."""
        row = await self._store.fetch(LOCK, account)
        return 0 if row is None else int(row[0])

    async def succeed(self, db: Database, attempt: Attempt) -> None:
        """Take back that an attempt has failed, and remember from where it succeeded.

        :param db: the transaction that gives out what the attempt was made for.
        """
        await self._counters.uncount(db, attempt.counted)
        if attempt.account is not None and not attempt.fresh:
            await self._devices.remember(db, attempt.account, attempt.address)

    async def give_back(self, attempt: Attempt) -> None:
        """Take back that an attempt has failed: it has come to no verdict yet."""
        await self._give_back(attempt.counted)

    def stamped(self, attempt: Attempt, place: Place) -> str | None:
        """Return what the cookie of a device that has signed in is to hold; None for none."""
        if attempt.account is None:
            return None
        return self._devices.stamped(attempt.account, place.device)

    async def purge(self, batch: Batch) -> int:
        """Remove some counters and addresses that mean nothing any more.

        :returns: how many; the batch if there may be more.
        """
        counters = await self._counters.purge(batch)
        return max(counters, await self._devices.purge(batch))

    async def _admitted(
        self,
        allowances: Allowances,
        who: Subjects,
        turns: Mapping[bytes, Turn],
        strategy: str,
        place: Place,
    ) -> Attempt:
        """Return an attempt that is counted.

        A lock may be due to attempts that are not decided yet: then it is waited for that.
        """
        while True:
            try:
                return await self._reserve(allowances, who)
            except Locked as locked:
                turn = turns.get(locked.subject) or next(iter(turns.values()))
                if not await turn.another_decision():
                    raise self._held_back(locked, strategy, place) from None

    async def _reserve(self, allowances: Allowances, who: Subjects) -> Attempt:
        seen_at, locks = await self._look(who)
        free = who.free(allowances, regular=self._devices.recent(seen_at))
        until, subject = max((locks[subject], subject) for subject in free)
        if until > self._clock():
            # Without a transaction: attackers go on asking.
            raise Locked(subject, until)
        counted = await self._counters.count(free)
        return Attempt(who.account, who.address, counted, self._devices.fresh(seen_at))

    async def _fail(self, attempt: Attempt, error: errors.OstiaryError) -> None:
        """Let an attempt stand as failed, as far as its error may come from a wrong secret.

        What there was no room for, or no store, has come to no verdict, nor has what came too late
        for the step before; a lifetime is refused after a good one. A plugin that breaks down may do so over wrong secrets only: the
        account counts that, but the address does not, for it would keep everybody there from
        every other strategy.
        """
        proved = isinstance(error, errors.LoginRefusal) and error.proved
        if proved or isinstance(error, UNDECIDED):
            await self._give_back(attempt.counted)
        elif error.status >= errors.PluginImplementationError.status:
            await self._give_back(one for one in attempt.counted if one.subject == attempt.address)

    async def _give_back(self, counted: Iterable[Counted]) -> None:
        if some := list(counted):
            await self._counters.give_back(some)

    def _subjects(self, strategy: str, account: str | bytes | None, place: Place) -> Subjects:
        address = self.of_address(place.address)
        if account is None:
            return Subjects(None, address, None, b"")
        named = self.subject(strategy, account)
        assert named is not None
        device = self._devices.known(named, place.device)
        own = self.of_device(named, device or address)
        return Subjects(named, address, device, own)

    async def _look(self, who: Subjects) -> tuple[int | None, dict[bytes | None, int]]:
        """Return when the address was seen last, and until when each subject is locked."""
        account = who.account or b""
        row = await self._store.fetch(LOOK, account, who.address, who.own, account, who.address)
        seen_at, *locks = row or (None,) * 4
        subjects = (who.own, who.account, who.address)
        return seen_at, {subject: lock or 0 for subject, lock in zip(subjects, locks, strict=True)}

    def _held_back(self, locked: Locked, strategy: str, place: Place) -> errors.OstiaryError:
        wait = min(max(locked.until - self._clock(), SECOND), LONGEST_DELAY)
        seconds = -(-wait // SECOND)
        said = "logins with %r from %s have to wait for %d s"
        self._note(locked.subject, said, strategy, place.address, seconds)
        return errors.TooManyLogins(retry_after=seconds)

    def _note(self, subject: bytes, text: str, *values: object) -> None:
        """Log once a minute that a subject is held back; never the name that was typed."""
        minute = self._clock() // MINUTE
        if minute != self._minute:
            self._minute, self._noted = minute, set()
        if subject not in self._noted and len(self._noted) < MOST_NOTED:
            self._noted.add(subject)
            logger.warning(text, *values)

    def _digest(self, kind: str, value: bytes) -> bytes:
        return hmac.digest(self._key(), _of_kind(kind, value), "sha256")


def _name(strategy: str, account: str) -> bytes:
    return f"{strategy} {account}".encode(errors="surrogatepass")


def _of_kind(kind: str, value: bytes) -> bytes:
    return f"{kind} ".encode() + value
