"""What plugins may know of a request: no token, no cookie, and nothing of other strategies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ostiary.declarations import AUTHORIZATION, WITHHELD
from ostiary.log import TOKEN
from ostiary.request import Connection, Request
from ostiary.strategies import Call, Strategy

SECRET_HEADERS = {name.encode() for name in WITHHELD}
"""What no strategy is given, whatever it declares."""

SCHEME = re.compile(r"(?!bearer )[a-z0-9!#$%&'*+.^_`|~-]+ +[^ ]", re.IGNORECASE)
"""How an ``Authorization`` begins that is no token of ours (RFC 9110, 11.4)."""


def call_of(request: Request) -> Call:
    """Return what plugins may know of a request; each strategy gets its own part of it."""
    connection, session = request.connection, request.session
    return Call(
        kuid=request.kuid,
        controller=request.controller,
        action=request.action,
        protocol=connection.protocol,
        address=connection.address,
        user_agent=connection.header("user-agent") or "",
        args=request.args,
        headers=_shown(connection),
        proxied=connection.proxied,
        session=None if session is None or session.api_key else session.id,
    )


def call_for(request: Request, strategies: Iterable[Strategy]) -> Call:
    """Return what an action of a plugin may know of its request: headers of its strategies."""
    call = call_of(request)
    wanted = {name for strategy in strategies for name in _headers_for(strategy, call)}
    return replace(call, args={}, headers=_only(wanted, call.headers))


def narrowed(call: Call, strategy: Strategy) -> Call:
    """Return what one strategy may know of a call: its own fields and headers."""
    return replace(
        call,
        args=_only(strategy.field_names, call.args),
        headers=_only(_headers_for(strategy, call), call.headers),
    )


def _shown(connection: Connection) -> dict[str, str]:
    """Return the headers that strategies may ask for: never with a token, nor a cookie."""
    shown = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in connection.headers.items()
        if name not in SECRET_HEADERS
    }
    given = shown.get(AUTHORIZATION)
    if given is not None and (not SCHEME.match(given) or TOKEN.search(given)):
        del shown[AUTHORIZATION]
    return shown


def _headers_for(strategy: Strategy, call: Call) -> tuple[str, ...]:
    """Return the names of the headers that a strategy is shown."""
    return (*strategy.headers, *strategy.proxy_headers) if call.proxied else strategy.headers


def _only(names: Iterable[str], given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in names if name in given}
