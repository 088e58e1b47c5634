"""Searching accounts: by names and kuid, and by nothing that a client may not see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from ostiary import (
    Database,
    Field,
    Filter,
    FoundCredentials,
    Leaf,
    OneOf,
    Order,
    Prefix,
    Store,
    Words,
    combined,
    condition,
    leaves,
)
from ostiary_local import errors
from ostiary_local.accounts import username
from ostiary_local.identifiers import held, shown
from ostiary_local.naming import KINDS
from ostiary_local.tables import accounts, identifiers

FIELDS = {*KINDS, "kuid"}

PRIVATE = {column.name for column in (*accounts.c, *identifiers.c)} - FIELDS | {
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
    found = _by_name(filter, sort)
    if found is None:
        where = combined(filter, _holds)
        order = [_sorted_by(one) for one in sort]
        found = select(accounts.c.kuid).where(where)
        page = found.order_by(*order, username(), accounts.c.kuid)
    else:
        page = found.order_by(identifiers.c.value)

    async def work(db: Database) -> FoundCredentials:
        total = await db.scalar(select(func.count()).select_from(found.subquery()))
        kuids = (await db.execute(page.limit(limit).offset(offset))).scalars().all()
        rows = await held(db, kuids)
        return FoundCredentials(
            [{**shown([row for row in rows if row.kuid == kuid]), "kuid": kuid} for kuid in kuids],
            total or 0,
        )

    return await store.search(work)


def _by_name(filter: Filter, sort: Sequence[Order]) -> Select[Any] | None:
    """Return the kuids of who has such a name of one kind, if names of that kind are their order.

    Nobody has two of one kind, and an index lists names in this order: what begins as many names
    do is found as soon as what few do.
    """
    match filter:
        case Field(kind, OneOf() | Prefix()) if kind in KINDS and tuple(sort) == (Order(kind),):
            such = condition(filter, {kind: identifiers.c.value})
            return select(identifiers.c.kuid).where(such, identifiers.c.kind == kind)
    return None


def _holds(leaf: Leaf) -> ColumnElement[bool]:
    """Return whether an account has a name, or the kuid, that is asked for."""
    assert isinstance(leaf, Field)
    if leaf.path == "kuid":
        return condition(leaf, {"kuid": accounts.c.kuid})
    value = condition(leaf, {leaf.path: identifiers.c.value})
    return accounts.c.kuid.in_(
        select(identifiers.c.kuid).where(value, identifiers.c.kind == leaf.path)
    )


def _sorted_by(order: Order) -> ColumnElement[Any]:
    by: ColumnElement[Any] = accounts.c.kuid
    if order.path != "kuid":
        names = identifiers.alias()
        one = names.c.kuid == accounts.c.kuid, names.c.kind == order.path
        by = select(func.min(names.c.value)).where(*one).scalar_subquery()
    return by.desc().nulls_last() if order.descending else by.asc().nulls_last()


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
