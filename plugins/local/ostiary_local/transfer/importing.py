"""Bringing accounts: read, compared with what is there, hashed, and written batch by batch.

Each batch is there whole or not at all. Whatever interrupts an import, the same again finds what
is there unchanged, and brings the rest.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ostiary import Enrolled, Recruit, Workplace
from ostiary import errors as core
from ostiary_local.accounts import now
from ostiary_local.transfer import header, standing
from ostiary_local.transfer.entries import Entry, Reader
from ostiary_local.transfer.files import Line
from ostiary_local.transfer.rows import Hashing, Ready, Taken, write
from ostiary_local.transfer.standing import Seen
from ostiary_local.transfer.values import Refused

End = Literal["made", "unchanged", "skipped", "refused"]
ENDS: tuple[End, ...] = ("made", "unchanged", "skipped", "refused")

BATCH = 500
"""Accounts that are written together."""

HEAVY = 2**23
"""Bytes of the lines of a batch after which it is written, however few there are."""

MOST_WAITING = 10_000
"""Lines that wait to be told in their order; more than that is told as it comes."""

STRATEGY = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How an operator wants accounts to be brought.

    :ivar check: only look at everything.
    :ivar skip: leave out what is there and differs, instead of refusing it.
    :ivar join: give accounts to users who are there already and have none.
    """

    wrap: bool = False
    check: bool = False
    skip: bool = False
    join: bool = False


Read = tuple[Line, Entry]
Numbered = tuple[int, Entry]


class Importer:
    """Brings the accounts of one file.

    :ivar ends: how many lines ended how.
    :ivar weak: how many hashes are stored, or would be, that a thief guesses cheaply.
    """

    def __init__(self, place: Workplace, reader: Reader, wishes: Wishes) -> None:
        self._place, self._reader, self._wishes = place, reader, wishes
        self._hashing = Hashing(place.store, wrap=wishes.wrap)
        self.ends: Counter[End] = Counter()
        self.weak = 0
        self._told: list[tuple[int, str]] = []

    async def bring(self, lines: Iterable[Line]) -> None:
        """Bring accounts, and tell of each that is refused or left out."""
        with standing.nothing_seen() as seen:
            try:
                for batch in _batches(self._entries(lines, seen)):
                    await self._bring(batch)
                    self._tell()
                    self._progress()
            finally:
                self._tell()
        self._progress(last=True)

    def _entries(self, lines: Iterable[Line], seen: Seen) -> Iterator[Read]:
        for line in lines:
            fields = line.fields
            if isinstance(fields, Refused):
                self._end(line.number, "refused", str(fields))
            elif header.is_header(fields):
                self._reader.trusted = header.is_ours(self._place.store, fields)
                self._reader.proof_seen = True
            else:
                try:
                    entry = self._reader.read(fields)
                    seen.note(line.number, entry)
                except Refused as refused:
                    self._end(line.number, "refused", str(refused))
                else:
                    yield line, entry

    async def _bring(self, batch: Sequence[Read]) -> None:
        there = await standing.look_up(self._place, [entry for _, entry in batch])
        wanted: list[Numbered] = []
        for line, entry in batch:
            number = line.number
            try:
                why = there.of(entry)
            except Refused as busy:
                self._end(number, "refused", str(busy))
                continue
            if why is None:
                wanted.append((number, entry))
            elif why:
                self._end(number, "skipped" if self._wishes.skip else "refused", why)
            else:
                self._end(number, "unchanged")
        if wanted and self._wishes.check:
            await self._examine(wanted)
        elif wanted:
            ready = await self._hashing.all([entry for _, entry in wanted])
            await self._make(
                [(number, one) for (number, _), one in zip(wanted, ready, strict=True)]
            )

    async def _examine(self, wanted: Sequence[Numbered]) -> None:
        recruits = [_recruit(entry) for _, entry in wanted]
        found = await self._place.examine(STRATEGY, recruits, join=self._wishes.join)
        self._note(wanted, found)

    async def _make(self, ready: Sequence[tuple[int, Ready]]) -> None:
        """Make accounts; where one of them cannot be written, each by itself."""

        async def write_these(kuids: Enrolled) -> None:
            named = zip(kuids, ready, strict=True)
            pairs = [(kuid, one) for kuid, (_, one) in named if isinstance(kuid, str)]
            await write(self._place.store, pairs, now())

        try:
            made = await self._place.enrol(
                STRATEGY,
                [_recruit(one.entry) for _, one in ready],
                write_these,
                join=self._wishes.join,
            )
        except (Taken, core.ActionLocked, core.ProfileNotFound):
            if len(ready) == 1:
                why = "somebody else has changed what it depends on meanwhile: run it again"
                self._end(ready[0][0], "refused", why)
                return
            for one in ready:
                await self._make([one])
        else:
            self._note([(number, one.entry) for number, one in ready], made)

    def _note(self, wanted: Sequence[Numbered], found: Enrolled) -> None:
        for (number, entry), end in zip(wanted, found, strict=True):
            if isinstance(end, str):
                self._end(number, "made")
                self.weak += entry.proof.weak and not self._wishes.wrap
            elif isinstance(end, core.UserAlreadyExists) and not self._wishes.join:
                skipped: End = "skipped" if self._wishes.skip else "refused"
                self._end(number, skipped, str(end))
            else:
                self._end(number, "refused", str(end))

    def _end(self, number: int, end: End, why: str = "") -> None:
        self.ends[end] += 1
        if why:
            self._told.append((number, f"line {number}: {end}: {why}"))
            if len(self._told) >= MOST_WAITING:
                self._tell()

    def _tell(self) -> None:
        """Tell what became of the lines of a batch, in their order."""
        for _, text in sorted(self._told):
            self._place.tell(text)
        self._told.clear()

    def _progress(self, *, last: bool = False) -> None:
        if sys.stderr.isatty():
            told = f"\r{self.ends.total()} lines" + ("\n" if last else "")
            sys.stderr.write(told)
            sys.stderr.flush()


def _batches(entries: Iterable[Read]) -> Iterator[list[Read]]:
    batch: list[Read] = []
    weight = 0
    for line, entry in entries:
        batch.append((line, entry))
        weight += line.size
        if len(batch) == BATCH or weight > HEAVY:
            yield batch
            batch, weight = [], 0
    if batch:
        yield batch


def _recruit(entry: Entry) -> Recruit:
    return Recruit(entry.kuid, entry.profile_ids, entry.content)
