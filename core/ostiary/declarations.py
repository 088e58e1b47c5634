"""What a plugin may declare, checked alike when the server starts and while it runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, get_args

from ostiary.strategies import CredentialField, Factor, Kind, Strategy, described

STRATEGY_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
HEADER_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")

RESERVED = {
    *("action", "body", "challenge", "codeChallenge", "codeVerifier", "controller", "cookieAuth"),
    *("expiresIn", "jwt", "kuid", "lang", "loginCode", "noRedirect", "requestId", "returnTo"),
    *("state", "strategy", "volatile"),
}
"""What the server itself reads where the fields of a strategy may stand."""

WITHHELD = {"cookie", "x-ostiary-setup"}
"""Headers that no strategy is given."""

AUTHORIZATION = "authorization"


def fault_of(strategy: Any) -> str | None:
    """Say what is wrong with a strategy, or None."""
    if not isinstance(strategy, Strategy):
        return f"{strategy!r} is no Strategy"
    if not _named(strategy.name, STRATEGY_NAME):
        return f"{strategy.name!r} cannot name a strategy"
    found = next(_faults(strategy), None)
    return found and f"strategy {strategy.name}: {found}"


def name_of(strategy: object) -> str:
    """Return what to call something that should be a strategy."""
    return str(getattr(strategy, "name", type(strategy).__name__))[:63]


def fault_of_fields(fields: Any) -> str | None:
    """Say what is wrong with the fields of a strategy, or of a challenge; or None."""
    if isinstance(fields, str) or not isinstance(fields, Iterable):
        return "fields are a tuple"
    return next(_faults_of_fields(tuple(fields)), None)


def _faults_of_fields(fields: tuple[Any, ...]) -> Iterator[str]:
    if odd := [one for one in fields if not isinstance(one, CredentialField | str)]:
        yield f"{odd[0]!r} is no field"
    seen = set[str]()
    for field in described(fields):
        name = field.name
        if not _named(name, FIELD_NAME):
            yield f"{name!r} cannot name a field"
        if name in RESERVED:
            yield f"the server itself reads {name!r}; it cannot name a field"
        if name in seen:
            yield f"two fields are named {name!r}"
        if field.kind not in get_args(Kind):
            yield f"field {name!r} is of no kind {field.kind!r}"
        seen.add(name)


def _faults(strategy: Strategy) -> Iterator[str]:
    if fault := fault_of_fields(strategy.fields):
        yield fault
    if fault := fault_of_fields(strategy.proof):
        yield f"proof: {fault}"
    if strategy.identifier is not None and strategy.identifier not in strategy.field_names:
        yield f"the identifier {strategy.identifier!r} is none of its fields"
    if odd := [one for one in strategy.factors if one not in get_args(Factor)]:
        yield f"{odd[0]!r} is no factor"
    headers = (*strategy.headers, *strategy.proxy_headers)
    for name in headers:
        if not _named(name, HEADER_NAME):
            yield f"{name!r} cannot name a header; it is written in lower case"
        elif name in WITHHELD:
            yield f"header {name!r} is shown to no strategy"
        elif headers.count(name) > 1:
            yield f"header {name!r} is asked for twice"
    if AUTHORIZATION in strategy.proxy_headers:
        yield f"header {AUTHORIZATION!r} is no header of a proxy"


def _named(name: Any, pattern: re.Pattern[str]) -> bool:
    return isinstance(name, str) and pattern.fullmatch(name) is not None
