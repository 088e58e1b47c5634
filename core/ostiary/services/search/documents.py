"""Reading documents by their ids, in the form that clients see."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import String, cast, func, select

from ostiary import errors
from ostiary.services.api_keys import API_KEYS, ApiKey
from ostiary.services.profiles import PROFILES, Profile
from ostiary.services.roles import ROLES, Role
from ostiary.services.search.collections import COLLECTIONS
from ostiary.services.user_rows import USERS, read_users
from ostiary.storage import Database
from ostiary.storage.tables import api_keys, profiles, roles

LARGEST_PAGE = 32 * 2**20
"""Characters of JSON that the documents of one page may have."""

FEW = 128
"""Documents that are never too large together."""

BATCH = 1000

Document = dict[str, Any]
Table = Any


async def read(db: Database, collection: str, ids: Sequence[str]) -> list[Document]:
    """Return documents in the order of their ids.

    :raises errors.PageTooLarge: they are too large together.
    """
    found: dict[str, Document] = {}
    size = 0
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        if len(ids) > FEW and collection != API_KEYS:
            size += await _size(db, collection, batch)
            if size > LARGEST_PAGE:
                raise errors.PageTooLarge(LARGEST_PAGE)
        found |= await READERS[collection](db, batch)
    return [found[id] for id in ids]


async def _size(db: Database, collection: str, ids: Sequence[str]) -> int:
    table: Table = COLLECTIONS[collection].table
    id = COLLECTIONS[collection].id
    text = func.length(cast(table.c.content, String))
    return int(await db.scalar(select(func.sum(text)).where(id.in_(ids))) or 0)


async def _users(db: Database, kuids: Sequence[str]) -> dict[str, Document]:
    return {user.kuid: user.to_json() for user in await read_users(db, kuids)}


async def _profiles(db: Database, ids: Sequence[str]) -> dict[str, Document]:
    rows = await db.execute(select(profiles).where(profiles.c.id.in_(ids)))
    return {row.id: Profile(**row._asdict()).to_json() for row in rows}


async def _roles(db: Database, ids: Sequence[str]) -> dict[str, Document]:
    rows = await db.execute(select(roles).where(roles.c.id.in_(ids)))
    return {row.id: Role(**row._asdict()).to_json() for row in rows}


async def _api_keys(db: Database, ids: Sequence[str]) -> dict[str, Document]:
    columns = [api_keys.c[name] for name in ApiKey.__struct_fields__]
    rows = await db.execute(select(*columns).where(api_keys.c.id.in_(ids)))
    return {row.id: ApiKey(**row._asdict()).to_json() for row in rows}


READERS: Mapping[str, Callable[[Database, Sequence[str]], Awaitable[dict[str, Document]]]] = {
    USERS: _users,
    PROFILES: _profiles,
    ROLES: _roles,
    API_KEYS: _api_keys,
}
