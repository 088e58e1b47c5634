"""The names by which an account of a file is found: user name, e-mail addresses, telephones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ostiary_local import names
from ostiary_local.accounts import Name
from ostiary_local.strategy import LocalStrategy
from ostiary_local.transfer import values
from ostiary_local.transfer.values import Refused


def name_of(strategy: LocalStrategy, kind: str, value: str) -> Name:
    """Return a name as it is written to the store.

    :raises core.OstiaryError: nobody can have it; says why, without the name.
    """
    names.fit(value)
    return Name(value, strategy.key(value), kind)


def addresses(
    fields: Mapping[str, Any], kind: str, instant: int
) -> Iterator[tuple[str, str, int | None]]:
    """Yield the addresses of a kind, and when each was verified.

    They stand in ``email``, which ``emailVerified`` belongs to, and in ``emails``: texts, or
    objects with ``value``, ``verified`` and ``verifiedAt``.

    :param instant: stands for when one was verified of which only that is known.
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
