"""The names by which an account of a file is found: user name, e-mail addresses, telephones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ostiary import errors as core
from ostiary_local import names
from ostiary_local.accounts import USERNAME, Name
from ostiary_local.strategy import LocalStrategy
from ostiary_local.transfer import values
from ostiary_local.transfer.values import Refused

Address = tuple[str, str, int | None]
"""A kind, an address of it, and when that was verified."""

Named = tuple[Name, int | None]
"""A name, and when it was verified, in ms; None if it is not."""


def names_of(strategy: LocalStrategy, fields: Mapping[str, Any], instant: int) -> tuple[Named, ...]:
    """Return the names that a line gives, the user name first.

    An address that is the user name too stands once, as an address.

    :param instant: stands for when one was verified of which only that is known.
    :raises Refused: one of them nobody can have, or there is none.
    """
    username = values.text(fields, USERNAME)
    found: list[Address] = [] if username is None else [(USERNAME, username, None)]
    found += [*_addresses(fields, "email", instant), *_addresses(fields, "phone", instant)]
    named: dict[str, Named] = {}
    for kind, value, verified_at in found:
        try:
            names.fit(value)
        except core.OstiaryError as error:
            raise Refused(str(error)) from None
        name = Name(value, strategy.key(value), kind)
        named[name.key] = name, verified_at
    if not named:
        raise Refused("there is no username, email or phone")
    return tuple(named.values())


def row_of(kuid: str, named: Named, instant: int) -> dict[str, Any]:
    """Return the row of a name."""
    name, verified_at = named
    return {
        "key": name.key,
        "value": name.value,
        "kind": name.kind,
        "kuid": kuid,
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
        yield kind, single, instant if values.flag(fields, f"{kind}Verified") else None
    for one in values.listed(fields, f"{kind}s"):
        told = {"value": one} if isinstance(one, str) else one
        if not isinstance(told, Mapping) or (value := values.text(told, "value")) is None:
            raise Refused(f"{kind}s: wanted: texts, or objects with a value")
        verified_at = values.instant(told, "verifiedAt")
        if verified_at is None and values.flag(told, "verified"):
            verified_at = instant
        yield kind, value, verified_at
