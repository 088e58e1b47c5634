"""The pace of one socket, by a clock that stands still."""

from __future__ import annotations

from ostiary.websocket import Pace


class Seconds:
    """A clock in seconds."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_so_many_messages_a_second_pass_and_the_next_second_begins_anew() -> None:
    """WS-06"""
    clock = Seconds()
    pace = Pace(3, clock)
    assert [pace.exceeded() for _ in range(5)] == [False, False, False, True, True]
    clock.now += 0.999
    assert pace.exceeded()
    clock.now += 0.001
    assert [pace.exceeded() for _ in range(4)] == [False, False, False, True]


def test_who_sends_twice_as_many_has_to_wait_for_the_next_second() -> None:
    """WS-06"""
    clock = Seconds()
    pace = Pace(2, clock)
    for wanted in (0, 0, 0, 1):
        pace.exceeded()
        assert pace.rest() == wanted
    clock.now += 0.75
    assert pace.rest() == 0.25
    clock.now += 0.5
    assert pace.rest() == 0


def test_without_a_limit_nothing_is_too_much() -> None:
    pace = Pace(0, Seconds())
    assert not any(pace.exceeded() for _ in range(10_000))
    assert pace.rest() == 0
