"""The ``realtime`` controller: subscribing, for clients that expect to. Nothing is published."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from ostiary import errors
from ostiary.actions import Controller
from ostiary.request import Request
from ostiary.services import Services
from ostiary.services.rooms import digest

realtime = Controller("realtime")

SCOPES = USERS = ("all", "in", "out", "none")


class Room(TypedDict):
    """The body that names a room."""

    roomId: Annotated[str, "The room, as subscribing has named it."]


@realtime.action(
    raises=[
        errors.InvalidScope,
        errors.InvalidUsers,
        errors.UnsupportedProtocol,
        errors.TooManyRooms,
    ]
)
async def subscribe(
    services: Services,
    request: Request,
    index: Annotated[str, "Part of the name of the room."],
    collection: Annotated[str, "Part of the name of the room."],
    body: dict[str, Any],
    scope: Annotated[str, "all, in, out or none."] = "all",
    users: Annotated[str, "all, in, out or none."] = "none",
) -> dict[str, str]:
    """Enter a room, over WebSocket; the body holds the filters that it stands for.

    This server keeps no documents and publishes nothing. A subscription ends when the
    connection closes and when its token does.
    """
    socket = request.connection.socket
    if socket is None:
        raise errors.UnsupportedProtocol(request.connection.protocol, "realtime:subscribe")
    if scope not in SCOPES:
        raise errors.InvalidScope
    if users not in USERS:
        raise errors.InvalidUsers
    room_id = digest(index, collection, body)
    services.rooms.join(socket, room_id)
    return {"roomId": room_id, "channel": f"{room_id}-{digest(scope, users)}"}


@realtime.action(raises=[errors.NotSubscribed])
async def unsubscribe(services: Services, request: Request, body: Room) -> dict[str, str]:
    """Leave a room."""
    socket, room_id = request.connection.socket, body["roomId"]
    if socket is None or room_id not in socket.rooms:
        raise errors.NotSubscribed(request.kuid, room_id)
    services.rooms.leave(socket, room_id)
    return {"roomId": room_id}


@realtime.action(raises=[errors.RoomNotFound])
async def count(services: Services, body: Room) -> dict[str, Any]:
    """Count the connections of this process that are in a room."""
    room_id = body["roomId"]
    return {"roomId": room_id, "count": services.rooms.count(room_id)}
