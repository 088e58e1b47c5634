"""Rooms: who is in which, and nothing left of those in which nobody is."""

from __future__ import annotations

import pytest

from ostiary import errors
from ostiary.services.connections import Socket
from ostiary.services.rooms import MOST_ROOMS, Rooms, digest


def socket() -> Socket:
    return Socket(expired=lambda: None)


def test_a_room_is_there_while_somebody_is_in_it() -> None:
    rooms, one, other = Rooms(), socket(), socket()
    rooms.join(one, "r")
    rooms.join(one, "r")
    rooms.join(other, "r")
    assert rooms.count("r") == 2
    rooms.leave(one, "r")
    assert rooms.count("r") == 1
    rooms.leave_all(other)
    with pytest.raises(errors.RoomNotFound):
        rooms.count("r")
    assert (one.rooms, other.rooms) == (set(), set())


def test_one_socket_fills_no_memory() -> None:
    """WS-07"""
    rooms, one = Rooms(), socket()
    for number in range(MOST_ROOMS):
        rooms.join(one, str(number))
    with pytest.raises(errors.TooManyRooms):
        rooms.join(one, "another")
    rooms.join(one, "0")
    rooms.leave_all(one)
    rooms.join(one, "another")
    assert one.rooms == {"another"}


def test_a_digest_stands_for_its_subject_alone() -> None:
    assert digest("a", {"b": 1, "c": {"d": 2, "e": 3}}) == digest(
        "a", {"c": {"e": 3, "d": 2}, "b": 1}
    )
    different = [digest("a", "b"), digest("ab"), digest("a", ["b"]), digest("a", {"b": None})]
    assert len(set(different)) == 4
    assert all(len(one) == 32 for one in different)


def test_many_sockets_fill_no_memory_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """REL-06: who comes when all rooms are full is told to come again."""
    monkeypatch.setattr("ostiary.services.rooms.MOST_SUBSCRIPTIONS", 3)
    rooms, one, other = Rooms(), socket(), socket()
    for room in ("a", "b", "b"):
        rooms.join(one, room)
    rooms.join(other, "a")
    with pytest.raises(errors.Overloaded):
        rooms.join(other, "b")
    assert rooms.subscriptions == 3
    rooms.leave_all(one)
    rooms.join(other, "b")
    assert rooms.subscriptions == 2
