"""The names by which an account of a file is found: user name, e-mail addresses, telephones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ostiary import Call
from ostiary import errors as core
from ostiary_local import claims, naming
from ostiary_local.naming import Name
from ostiary_local.strategy import LocalStrategy
from ostiary_local.transfer import values
from ostiary_local.transfer.values import Refused

Address = tuple[str, int | None]
"""An address, and when it was verified."""

Named = tuple[Name, int | None]
"""A name, and when it was verified, in ms; None if it is not."""


def names_of(strategy: LocalStrategy, fields: Mapping[str, Any], instant: int) -> tuple[Named, ...]:
    """Return the names that a line gives, the user name first.

    They are those that credentials could give. An address that is the user name too stands once,
    as an address.

    :param instant: stands for when one was verified of which only that is known.
    :raises Refused: one of them nobody can have, or there is none.
    """
    credentials: dict[str, Any] = {}
    if (username := values.text(fields, naming.USERNAME)) is not None:
        credentials[naming.USERNAME] = username
    verified: dict[str, int | None] = {}
    for kind in naming.ADDRESSES:
        if found := list(_addresses(fields, kind, instant)):
            credentials[kind] = [value for value, _ in found]
            verified |= {strategy.key(value): at for value, at in found}
    try:
        names = naming.names_of(strategy, credentials, Call())
    except core.OstiaryError as error:
        raise Refused(str(error)) from None
    named = tuple((name, verified.get(name.key)) for name in names.every())
    if not named:
        raise Refused("there is no username, email or phone")
    if len(named) > naming.MOST:
        raise Refused(f"an account has at most {naming.MOST} names")
    return named


def row_of(kuid: str, named: Named, instant: int) -> dict[str, Any]:
    """Return the row of a name."""
    name, verified_at = named
    return {
        "key": name.key,
        "value": name.value,
        "kind": name.kind,
        "kuid": kuid,
        "skeleton": claims.stored(name),
        "verified_at": verified_at,
        "created_at": instant,
    }


def _addresses(fields: Mapping[str, Any], kind: str, instant: int) -> Iterator[Address]:
    """Yield the addresses of a kind.

    They stand in ``email``, which ``emailVerified`` belongs to, and in ``emails``: texts, or
    objects with ``value``, ``verified`` and ``verifiedAt``.
    """
    single = values.text(fields, kind)
    if single is not None:
        yield single, instant if values.flag(fields, f"{kind}Verified") else None
    for one in values.listed(fields, f"{kind}s"):
        told = {"value": one} if isinstance(one, str) else one
        if not isinstance(told, Mapping) or (value := values.text(told, "value")) is None:
            raise Refused(f"{kind}s: wanted: texts, or objects with a value")
        verified_at = values.instant(told, "verifiedAt")
        if verified_at is None and values.flag(told, "verified"):
            verified_at = instant
        yield value, verified_at
