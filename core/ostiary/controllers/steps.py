"""The steps of a login on the wire: what a client sends, and what it is asked next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from ostiary import errors
from ostiary.fields import CredentialField, described
from ostiary.request import Reply, Request
from ostiary.services import Services
from ostiary.services.flows import Handle, Holder, Kind, NextStep
from ostiary.services.limits import HANDLES, handle_of
from ostiary.strategies import Challenge

CHALLENGE, STATE, LOGIN_CODE = HANDLES
RETURN_TO, CODE_CHALLENGE, CODE_VERIFIER = "returnTo", "codeChallenge", "codeVerifier"
NO_FIELDS = {*HANDLES, RETURN_TO, CODE_CHALLENGE, CODE_VERIFIER}
"""What stands where the fields of a strategy do, and is for the server."""

TYPED = ("password", "one-time-code")
"""Kinds of fields that a person fills in, and no provider."""

ASKED, REDIRECTION = 202, 302
KINDS: Mapping[str, Kind] = {CHALLENGE: "challenge", STATE: "redirect", LOGIN_CODE: "code"}


def fields_of(
    services: Services, request: Request, strategy: str, body: dict[str, Any]
) -> tuple[dict[str, Any], Handle | None]:
    """Return the fields of a login, from the body or else from the arguments; and its handle.

    :raises errors.SecretInUrl: some stand where every log has them.
    :raises errors.FlowOver: a browser comes back from a provider with what belongs to no login.
    :raises errors.InvalidType: the handle is no text.
    """
    found = services.strategies.find(strategy)
    known = found.described
    given = {one.name: request.args[one.name] for one in known if one.name in request.args}
    kind, text = handle_of(request) or (None, "")
    if kind is None and request.in_url and found.redirects:
        _check_return(request, known)
    if request.in_url and not services.secrets_in_urls:
        _check_url(request, known, given, returning=kind == STATE)
    fields = {name: value for name, value in {**given, **body}.items() if name not in NO_FIELDS}
    if kind is None:
        return fields, None
    if not isinstance(text, str):
        raise errors.InvalidType(kind, "string")
    return fields, Handle(text, KINDS[kind])


def brought_back(known: Iterable[CredentialField]) -> list[str]:
    """Return the names of the fields that a browser brings back from a provider."""
    return [one.name for one in known if not one.registration and one.kind not in TYPED]


def holder_of(services: Services, request: Request, kind: Kind | None = None) -> Holder:
    """Return by what a client is known at its next step.

    :param kind: of the step before; with a one-time code comes what the page has kept.
    :raises errors.InvalidType: that is no text.
    """
    verifier = said(request, CODE_VERIFIER) if kind == "code" else None
    if verifier is not None:
        return Holder(verifier)
    connection = request.connection
    if connection.socket is not None:
        return Holder(connection.socket.secret, socket=True)
    return Holder(services.cookies.flow_of(connection))


def said(request: Request, name: str) -> str | None:
    """Return what a client says in the body or else among the arguments.

    :raises errors.InvalidType: it is no text.
    """
    body = request.body if isinstance(request.body, dict) else {}
    value = body[name] if name in body else request.args.get(name)
    if value is not None and not isinstance(value, str):
        raise errors.InvalidType(name, "string")
    return value


def asked(services: Services, step: NextStep) -> Reply:
    """Return the answer that asks for a next step."""
    what, begun = step.what, step.begun
    if isinstance(what, Challenge):
        assert begun is not None
        question = {
            CHALLENGE: begun.handle,
            "expiresAt": begun.expires_at,
            "question": dict(what.question),
            "fields": [field.to_json() for field in described(what.fields)],
        }
        return Reply(question, status=ASKED)
    if begun is None:
        return Reply.redirect(what.location)
    # A handle of the plugin's is in the address already, or behind it.
    location = what.location if what.handle else _with_state(what.location, begun.handle)
    reply = Reply.redirect(location)
    if begun.cookie is None:
        return reply
    return replace(reply, cookies=(services.cookies.flow(begun.cookie),))


def readable(reply: Reply) -> Reply:
    """Return an answer that scripts can read: what sends a client elsewhere they would follow."""
    return replace(reply, status=200, headers={}) if reply.status == REDIRECTION else reply


def _check_return(request: Request, known: tuple[CredentialField, ...]) -> None:
    """Refuse what a provider sends without a state: a link of its own, or one that was cut off.

    No operator is to admit secrets in URLs for it, and no new login begins where one was refused.
    """
    typed = {CODE_VERIFIER, *(one.name for one in known if one.kind in TYPED)}
    if request.args.keys() & set(brought_back(known)) and not request.args.keys() & typed:
        raise errors.FlowOver


def _check_url(
    request: Request,
    known: tuple[CredentialField, ...],
    given: dict[str, Any],
    *,
    returning: bool,
) -> None:
    """Refuse secrets in a URL; what comes back from a provider is worth nothing without its state.

    That is a code for one use, which opens nothing for who has not begun the login (decision 8).
    """
    for name in (CHALLENGE, LOGIN_CODE, CODE_VERIFIER):
        if name in request.args:
            raise errors.SecretInUrl(name)
    for field in known:
        if field.name in given and not (returning and field.kind != "password"):
            raise errors.SecretInUrl(field.name)


def _with_state(location: str, state: str) -> str:
    """Return an address whose query has a state.

    :raises errors.PluginUnexpectedError: it has one already.
    """
    parts = urlsplit(location)
    if STATE in parse_qs(parts.query, keep_blank_values=True):
        raise errors.PluginUnexpectedError("the address of a redirection has a state already")
    added = urlencode({STATE: state})
    query = f"{parts.query}&{added}" if parts.query else added
    return urlunsplit(parts._replace(query=query))
