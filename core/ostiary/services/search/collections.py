"""What can be searched: where each collection keeps its documents, and the fields that are columns.

A field that is not listed here is a property, whose values stand in ``search_values``.
Names of fields are looked up or bound, and never written into SQL (INP-02).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, FromClause, String, func, literal, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from ostiary.services.api_keys import API_KEYS
from ostiary.services.profiles import PROFILES
from ostiary.services.roles import ROLES
from ostiary.services.user_rows import ENABLED, USERS
from ostiary.storage.tables import api_keys, profiles, roles, user_profiles, user_strategies, users


class Listed(Struct, frozen=True):
    """A field of several values that has a table of its own, in which ``id`` is the document's."""

    table: FromClause
    id: ColumnElement[str]
    value: ColumnElement[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Documents of one kind.

    :ivar columns: the fields that are columns of ``table``.
    :ivar indexed: those of them in whose order, and then that of the ids, an index lists documents.
    :ivar properties: whether every other field is a property.
    """

    name: str
    table: FromClause
    id: ColumnElement[str]
    columns: Mapping[str, ColumnElement[Any]]
    lists: Mapping[str, Listed] = field(default_factory=dict)
    indexed: tuple[str, ...] = ()
    properties: bool = True

    def inner(self, path: str) -> list[str]:
        """Return the fields that are columns and lie within an object."""
        return [name for name in self.columns if name.startswith(f"{path}.")]

    def reads(self, path: str) -> bool:
        """Tell whether a field is a column, or an object of columns."""
        return path in self.columns or bool(self.inner(path))


class Hexadecimal(FunctionElement[str]):
    """Bytes as lower-case hexadecimal digits."""

    type = String()
    inherit_cache = True


@compiles(Hexadecimal, "sqlite")
def _hex(element: Hexadecimal, compiler: SQLCompiler, **options: Any) -> str:
    return f"lower(hex({compiler.process(element.clauses, **options)}))"


@compiles(Hexadecimal, "postgresql")
def _encode(element: Hexadecimal, compiler: SQLCompiler, **options: Any) -> str:
    return f"encode({compiler.process(element.clauses, **options)}, 'hex')"


def _recorded(table: Any) -> dict[str, ColumnElement[Any]]:
    return {
        "_kuzzle_info.author": table.c.author,
        "_kuzzle_info.createdAt": table.c.created_at,
        "_kuzzle_info.updater": table.c.updater,
        "_kuzzle_info.updatedAt": table.c.updated_at,
    }


# As it is shown: of those who are disabled only.
DISABLED = select(users.c.kuid, users.c.status).where(users.c.status != ENABLED).subquery()


COLLECTIONS: Mapping[str, Collection] = {
    one.name: one
    for one in (
        Collection(
            name=USERS,
            table=users,
            id=users.c.kuid,
            columns={
                "_id": users.c.kuid,
                **_recorded(users),
            },
            indexed=("_kuzzle_info.createdAt",),
            lists={
                "profileIds": Listed(
                    user_profiles, user_profiles.c.kuid, user_profiles.c.profile_id
                ),
                "_kuzzle_info.status": Listed(DISABLED, DISABLED.c.kuid, DISABLED.c.status),
                "_kuzzle_info.strategies": Listed(
                    user_strategies, user_strategies.c.kuid, user_strategies.c.strategy
                ),
            },
        ),
        Collection(
            name=PROFILES,
            table=profiles,
            id=profiles.c.id,
            columns={
                "_id": profiles.c.id,
                "rateLimit": profiles.c.rate_limit,
                **_recorded(profiles),
            },
        ),
        Collection(
            name=ROLES,
            table=roles,
            id=roles.c.id,
            columns={"_id": roles.c.id, **_recorded(roles)},
        ),
        Collection(
            name=API_KEYS,
            table=api_keys,
            id=api_keys.c.id,
            columns={
                "_id": api_keys.c.id,
                "userId": api_keys.c.kuid,
                "description": api_keys.c.description,
                "ttl": api_keys.c.ttl,
                "expiresAt": func.coalesce(api_keys.c.expires_at, literal(-1)),
                "fingerprint": Hexadecimal(api_keys.c.fingerprint),
            },
            properties=False,
        ),
    )
}
