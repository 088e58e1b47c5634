"""Searching accounts: by user name and kuid, and by nothing that a client may not see."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select

from ostiary import (
    Field,
    Filter,
    FoundCredentials,
    OneOf,
    Order,
    Prefix,
    Store,
    Words,
    condition,
    leaves,
)
from ostiary_local import errors
from ostiary_local.accounts import USERNAME
from ostiary_local.tables import accounts, identifiers

FIELDS = {"username": identifiers.c.value, "kuid": identifiers.c.kuid}

PRIVATE = {column.name for column in (*accounts.c, *identifiers.c)} - FIELDS.keys() | {
    "password",
    # What Kuzzle stores, and clients know of.
    *("userPassword", "userSalt", "passwordHistory", "algorithm", "stretching", "encryption"),
    "pepper",
}
"""Fields whose values must not be guessed at by searching."""


async def search(
    store: Store, filter: Filter, sort: Sequence[Order], *, offset: int, limit: int
) -> FoundCredentials:
    """Return a page of accounts, sorted by user name at last.

    :raises errors.PrivateField: a field is asked for that nobody may see.
    :raises errors.NotSearched: another one is, or in a way that is not searched in.
    """
    _check(filter, sort)
    where = condition(filter, FIELDS) & (identifiers.c.kind == USERNAME)
    order = [FIELDS[one.path].desc() if one.descending else FIELDS[one.path].asc() for one in sort]
    shown = (column.label(name) for name, column in FIELDS.items())
    page = select(*shown).where(where)
    page = page.order_by(*order, identifiers.c.value).limit(limit).offset(offset)
    async with store.read(apart=True) as db:
        total = await db.scalar(select(func.count()).select_from(identifiers).where(where))
        rows = (await db.execute(page)).all()
    return FoundCredentials([row._asdict() for row in rows], total)


def _check(filter: Filter, sort: Sequence[Order]) -> None:
    for leaf in leaves(filter):
        if not isinstance(leaf, Field):
            raise errors.NotSearched(type(leaf).__name__.lower())
        _check_field(leaf.path)
        if not isinstance(leaf.test, OneOf | Prefix | Words):
            raise errors.NotSearched(type(leaf.test).__name__.lower())
    for order in sort:
        _check_field(order.path)


def _check_field(name: str) -> None:
    if name in PRIVATE:
        raise errors.PrivateField(name)
    if name not in FIELDS:
        raise errors.NotSearched(name)
