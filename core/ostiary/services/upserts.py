"""Changing a user, or creating them if they do not exist, whoever else does the same meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ostiary import errors
from ostiary.services.kuid import NOBODY
from ostiary.services.user_rows import StoredUser
from ostiary.services.users import Users
from ostiary.strategies import Call

if TYPE_CHECKING:
    from ostiary.services.accounts import Account

PATIENCE = 5.0
PAUSE = 0.02


async def upsert(
    users: Users,
    call: Call,
    kuid: str,
    profile_ids: Sequence[str],
    content: Mapping[str, Any],
    *,
    default: Mapping[str, Any],
    credentials: Mapping[str, Mapping[str, Any]],
    by: Account | None = None,
) -> StoredUser:
    """Merge some properties into a user's, or create the user.

    :param default: properties of a user who is created, where ``content`` says nothing.
    :param by: whose account it is who does so.
    :param credentials: made for a user who is created.
    :raises errors.UserAlreadyExists: somebody else has been creating them for too long.
    """
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        try:
            return await users.update(kuid, content, call.kuid, profile_ids, by=by)
        except errors.UserNotFound:
            pass
        try:
            first = {**default, **content}
            return await users.create(call, profile_ids, first, credentials, kuid=kuid)
        except errors.UserAlreadyExists:
            # They exist by now, or are being created: their credentials take a while.
            if kuid in NOBODY or asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(PAUSE)
