"""The tally: everything is counted once, in the minute that it happens in, and few are timed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ostiary.services.histogram import place_of
from ostiary.services.tally import EVERY_ONE, MOST_KEPT, STRIDE, Minute, Tally
from ostiary.testing.clock import SECOND, Clock

MINUTE = 60 * SECOND


class Desk:
    """A tally, and its clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.tally = Tally(self.clock, lambda: self.clock() / 1000)

    def ask(self, count: int = 1, *, login: bool = False, taking: int = 0) -> int:
        """Ask as the dispatcher does, ``taking`` ms each; return how many were timed."""
        timed = 0
        for _ in range(count):
            self.tally.left -= 1
            if login or not self.tally.left:
                timing = self.tally.begin(login=login)
                timed += 1
                self.clock.advance(taking)
                self.tally.end(timing)
        return timed

    def all(self) -> Sequence[Minute]:
        self.tally.close()
        return self.tally.over()


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize("count", [0, 1, EVERY_ONE, EVERY_ONE + 1, EVERY_ONE + 5 * STRIDE + 7])
def test_every_request_is_counted_whether_it_is_timed_or_not(desk: Desk, count: int) -> None:
    desk.ask(count)
    assert sum(minute.requests for minute in desk.all()) == count


def test_few_requests_are_timed_one_by_one_and_of_many_some_stand_for_all(desk: Desk) -> None:
    assert desk.ask(EVERY_ONE) == EVERY_ONE
    assert desk.ask(10 * STRIDE) == 10
    (minute,) = desk.all()
    assert sum(minute.request_times) == EVERY_ONE + 10 * STRIDE


def test_what_many_requests_take_is_told_in_its_proportions(desk: Desk) -> None:
    for _ in range(200):
        desk.ask(90)
        desk.ask(10, taking=3)
    minutes = desk.all()
    times = [sum(place) for place in zip(*(one.request_times for one in minutes), strict=True)]
    assert 0.05 < times[place_of(3)] / sum(times) < 0.15


def test_logins_are_requests_and_have_times_of_their_own(desk: Desk) -> None:
    desk.ask(2, taking=3)
    desk.ask(EVERY_ONE)
    assert desk.ask(4, login=True, taking=100) == 4
    (minute,) = desk.all()
    assert minute.requests == EVERY_ONE + 6
    assert minute.login_times[place_of(100)] == sum(minute.login_times) == 4
    assert minute.request_times[place_of(3)] == 2


def test_a_minute_has_what_began_in_it_also_when_it_was_not_timed(desk: Desk) -> None:
    desk.ask(EVERY_ONE + STRIDE + 5)
    desk.clock.advance(10 * MINUTE)
    assert len(desk.tally.over()) == 1
    desk.ask()
    first, second = desk.all()
    assert (first.requests, second.requests) == (EVERY_ONE + STRIDE + 5, 1)
    assert second.at - first.at == 10 * MINUTE


def test_minutes_begin_where_those_of_the_clock_do(desk: Desk) -> None:
    desk.clock.advance(-desk.clock() % MINUTE + 59 * SECOND)
    late = Tally(desk.clock, lambda: desk.clock() / 1000)
    late.sign_in()
    desk.clock.advance(SECOND)
    late.sign_in()
    (over,) = late.over()
    assert (over.at % MINUTE, over.sign_ins) == (0, 1)


@pytest.mark.parametrize(
    "status, refused, failed",
    [
        *((status, 0, 0) for status in (200, 302, 400, 404, 412)),
        *((status, 1, 0) for status in (401, 403, 429)),
        *((status, 0, 1) for status in (500, 503)),
    ],
)
def test_refusals_and_failures_go_by_their_status(
    desk: Desk, status: int, refused: int, failed: int
) -> None:
    desk.tally.turn_away()
    desk.tally.refuse(status)
    (minute,) = desk.all()
    assert (minute.requests, minute.refused, minute.failed) == (1, refused, failed)


def test_a_minute_in_which_nothing_happens_is_not_kept(desk: Desk) -> None:
    for _ in range(5):
        desk.clock.advance(MINUTE)
        assert desk.tally.over() == ()
    assert desk.all() == ()


def test_what_is_written_is_forgotten_and_nothing_else(desk: Desk) -> None:
    for _ in range(3):
        desk.tally.sign_in()
        desk.clock.advance(MINUTE)
    first, second, third = desk.tally.over()
    desk.tally.forget((first, second))
    assert desk.tally.over() == (third,)


def test_a_database_that_stays_away_does_not_fill_the_memory(desk: Desk) -> None:
    for _ in range(MOST_KEPT + 10):
        desk.tally.refuse_sign_in()
        desk.clock.advance(MINUTE)
    over = desk.tally.over()
    assert len(over) == MOST_KEPT
    assert over[-1].at == desk.clock() - desk.clock() % MINUTE - MINUTE
