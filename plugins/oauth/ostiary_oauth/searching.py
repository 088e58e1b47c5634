"""Searching accounts: by the identifier and the kuid; attributes are personal, and not searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, select

from ostiary import (
    Database,
    Field,
    Filter,
    FoundCredentials,
    OneOf,
    Order,
    Prefix,
    Store,
    Words,
    leaves,
)
from ostiary import condition as as_condition
from ostiary_oauth import errors, rows
from ostiary_oauth.strategy import OAuthStrategy
from ostiary_oauth.tables import identities

PRIVATE = frozenset(("tokens", "tokens_expire_at", "id", "attributes"))
"""Columns whose values must not be guessed at by searching."""


async def search(
    strategy: OAuthStrategy,
    store: Store,
    filter: Filter,
    sort: Sequence[Order],
    *,
    offset: int,
    limit: int,
) -> FoundCredentials:
    """Return a page of the accounts of a strategy, sorted by identifier at last.

    :raises errors.PrivateField: a field is asked for that nobody may see.
    :raises errors.NotSearched: another one is, or in a way that is not searched in.
    """
    columns: dict[str, ColumnElement[Any]] = {
        strategy.provider.identifier: identities.c.subject,
        "kuid": identities.c.kuid,
    }
    _check(filter, sort, columns)
    where = (identities.c.strategy == strategy.name) & as_condition(filter, columns)
    order = [_sorted_by(one, columns) for one in sort]
    last = identities.c.subject, identities.c.issuer
    page = select(*rows.COLUMNS).where(where).order_by(*order, *last)

    async def work(db: Database) -> FoundCredentials:
        total = await db.scalar(select(func.count()).select_from(identities).where(where))
        found = (await db.execute(page.limit(limit).offset(offset))).all()
        return FoundCredentials(
            [{**one.attributes, "kuid": one.kuid} for one in map(rows.of_row, found)],
            total or 0,
        )

    return await store.search(work)


def _sorted_by(order: Order, columns: Mapping[str, ColumnElement[Any]]) -> ColumnElement[Any]:
    by = columns[order.path]
    return by.desc() if order.descending else by.asc()


def _check(filter: Filter, sort: Sequence[Order], known: Mapping[str, Any]) -> None:
    for leaf in leaves(filter):
        if not isinstance(leaf, Field):
            raise errors.NotSearched(type(leaf).__name__.lower())
        _check_field(leaf.path, known)
        if not isinstance(leaf.test, OneOf | Prefix | Words):
            raise errors.NotSearched(type(leaf.test).__name__.lower())
    for order in sort:
        _check_field(order.path, known)


def _check_field(name: str, known: Mapping[str, Any]) -> None:
    if name in known:
        return
    if name in PRIVATE:
        raise errors.PrivateField(name)
    raise errors.NotSearched(name)
