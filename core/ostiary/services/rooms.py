"""Rooms: what WebSockets have subscribed to, as far as one process knows.

Nothing is ever published in them, for there are no documents here: clients of Kuzzle
subscribe to learn that they are still connected, and to be told when they are not.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from ostiary import errors

if TYPE_CHECKING:
    from ostiary.services.connections import Socket

MOST_ROOMS = 200
"""Rooms that one socket may be in."""

MOST_SUBSCRIPTIONS = 100_000
"""Members that all rooms of a process may have together: some 40 MB."""


class Rooms:
    """Who is in which room. A room is there while somebody is in it."""

    def __init__(self) -> None:
        self._members: dict[str, set[Socket]] = {}
        self.subscriptions = 0
        """How many members all rooms have together."""

    def __len__(self) -> int:
        return len(self._members)

    def join(self, socket: Socket, room_id: str) -> None:
        """Let a socket into a room.

        :raises errors.TooManyRooms: it is in too many others.
        :raises errors.Overloaded: there are too many in all rooms together.
        """
        if room_id in socket.rooms:
            return
        if len(socket.rooms) >= MOST_ROOMS:
            raise errors.TooManyRooms(MOST_ROOMS)
        if self.subscriptions >= MOST_SUBSCRIPTIONS:
            raise errors.Overloaded(retry_after=1)
        self.subscriptions += 1
        socket.rooms.add(room_id)
        self._members.setdefault(room_id, set()).add(socket)

    def leave(self, socket: Socket, room_id: str) -> None:
        """Let a socket out of a room that it is in."""
        socket.rooms.remove(room_id)
        self.subscriptions -= 1
        members = self._members[room_id]
        members.remove(socket)
        if not members:
            del self._members[room_id]

    def leave_all(self, socket: Socket) -> None:
        """Let a socket out of all its rooms."""
        for room_id in list(socket.rooms):
            self.leave(socket, room_id)

    def count(self, room_id: str) -> int:
        """Return how many are in a room.

        :raises errors.RoomNotFound: nobody is.
        """
        members = self._members.get(room_id)
        if members is None:
            raise errors.RoomNotFound(room_id)
        return len(members)


def digest(*subject: Any) -> str:
    """Return what stands for a subscription: the same for the same, whatever the order of keys."""
    return sha256(msgspec.json.encode(subject, order="sorted")).hexdigest()[:32]
