"""What this process answers, counted in memory minute by minute until it is written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from time import perf_counter

from msgspec import Struct, field

from ostiary.durations import MINUTE
from ostiary.services.histogram import place_of
from ostiary.storage.tables import PLACES

EVERY_ONE = 1000
"""Requests that are timed one by one in each minute: all, where little is asked."""

STRIDE = 61
"""Of those after them one of so many is timed, and stands for the others. Who asks the same things
in turn does not ask as many: it would be the same one always."""

MOST_KEPT = 120
"""Minutes that may wait for a database; the oldest of more are given up."""

REFUSED = {401, 403, 429}
"""Statuses of requests that were refused for want of rights, or as one too many."""

ERRORS = 500
"""The least status of what the server, or what it depends on, has not managed."""

Timing = tuple[float, int, bool]
"""When a request began, for how many it stands, and whether it is a login."""


class Minute(Struct, eq=False):
    """What happened in one minute.

    :ivar at: its beginning, in ms since the epoch.
    :ivar request_times: a histogram of requests that are no logins, which have one of their own.
    """

    at: int
    requests: int = 0
    refused: int = 0
    failed: int = 0
    sign_ins: int = 0
    sign_ins_refused: int = 0
    request_times: list[int] = field(default_factory=lambda: [0] * PLACES)
    login_times: list[int] = field(default_factory=lambda: [0] * PLACES)

    @property
    def empty(self) -> bool:
        """Nothing has happened."""
        counts = (self.requests, self.refused, self.failed, self.sign_ins, self.sign_ins_refused)
        return not any((*counts, *self.request_times, *self.login_times))


class Tally:
    """Counts requests and sign-ins.

    To look at the clock at each request would take too long: the dispatcher counts ``left`` down,
    and calls ``begin`` with the one that has come to 0. That a minute is over may therefore be seen
    late, at the next look of the housekeeping.

    :param clock: the time, in ms since the epoch.
    :param timer: seconds; both advance together.
    :ivar left: requests until the next one that is timed.
    """

    def __init__(self, clock: Callable[[], int], timer: Callable[[], float] = perf_counter) -> None:
        self._clock, self._timer = clock, timer
        self._over: list[Minute] = []
        self._timed, self._stride, self.left = 0, 1, 1
        self._minute, self._end = self._next_minute()

    def begin(self, *, login: bool) -> Timing:
        """Begin to time a request; count it, and those before it, if ``left`` has come to 0.

        :param login: it is timed whatever ``left`` is.
        """
        now = self._timer()
        if now >= self._end:
            # Those before it belong to the minute that they came in.
            self.left += 1
            self._turn()
            self.left -= 1
        weight = self._stride
        if not self.left:
            self._minute.requests += weight
            self._timed += 1
            self.left = self._stride = 1 if self._timed < EVERY_ONE else STRIDE
        return now, weight, login

    def end(self, timing: Timing) -> None:
        """Count what a request took that is answered now."""
        began, weight, login = timing
        now = self._timer()
        if now >= self._end:
            self._turn()
        place = place_of((now - began) * 1000)
        if login:
            self._minute.login_times[place] += 1
        else:
            self._minute.request_times[place] += weight

    def turn_away(self) -> None:
        """Count a request that is refused before anything is done for it."""
        self._current().requests += 1

    def refuse(self, status: int) -> None:
        """Count what a request was answered, if it is worth it; the request is counted already."""
        if status in REFUSED:
            self._current().refused += 1
        elif status >= ERRORS:
            self._current().failed += 1

    def sign_in(self) -> None:
        """Count that somebody has signed in."""
        self._current().sign_ins += 1

    def refuse_sign_in(self) -> None:
        """Count that somebody was not let in."""
        self._current().sign_ins_refused += 1

    def over(self) -> Sequence[Minute]:
        """Return the minutes that are over and have not been written, the oldest first."""
        self._current()
        return tuple(self._over)

    def close(self) -> None:
        """Take the minute that is for one that is over."""
        self._turn()

    def forget(self, written: Collection[Minute]) -> None:
        """Forget minutes that have been written."""
        self._over = [minute for minute in self._over if minute not in written]

    def _current(self) -> Minute:
        if self._timer() >= self._end:
            self._turn()
        return self._minute

    def _turn(self) -> None:
        """Take the minute for over, and begin another."""
        self._minute.requests += self._stride - self.left
        if not self._minute.empty:
            self._over = [*self._over, self._minute][-MOST_KEPT:]
        self._timed, self._stride, self.left = 0, 1, 1
        self._minute, self._end = self._next_minute()

    def _next_minute(self) -> tuple[Minute, float]:
        """Return the minute that it is, and when it ends by the timer."""
        now = self._clock()
        gone = now % MINUTE
        return Minute(now - gone), self._timer() + (MINUTE - gone) / 1000
