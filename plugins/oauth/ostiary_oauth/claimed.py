"""Whose account some credentials name, and who may say so (OAU-15, CVE-2026-49443).

Nobody says by themselves whose account they hold at a provider: credentials are written after a
flow that the server itself began, or by an administrator. What a flow has proved travels through
the core as one member, ``PROVED``, which is believed only where the server kept the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ostiary import Call
from ostiary_oauth import attributes, errors, tokens
from ostiary_oauth.protocol import tenants
from ostiary_oauth.provider import Proved, Provider
from ostiary_oauth.subjects import subject_of

PROVED = "_proved"

ADMINISTRATIVE = frozenset({"security", "admin"})
WRITING = frozenset(
    {
        *("createUser", "createFirstAdmin", "replaceUser", "upsertUser"),
        *("createCredentials", "updateCredentials", "validateCredentials"),
        *("loadUsers", "loadSecurities"),
    }
)
"""Actions of administrators that write credentials; ``createRestrictedUser`` is anybody's."""

TENANT = "tid"
"""The attribute that tells of which tenant an account is, where a provider has many."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """An account that is about to be a user's.

    :ivar tokens: what is kept of the answer of the token endpoint; secret.
    :ivar newcomer: the user is made for it.
    :ivar invitation: the fingerprint of the invitation that is spent on it, in hexadecimal.
    """

    issuer: str
    subject: str
    attributes: Mapping[str, Any] = field(repr=False)
    tokens: Mapping[str, Any] = field(default_factory=dict, repr=False)
    newcomer: bool = False
    invitation: str | None = None


def check_author(call: Call) -> None:
    """Refuse whoever may not say whose account it is.

    :raises errors.NotProved: it is neither the end of a flow nor an administrator's doing.
    """
    if call.state is None and not (call.controller in ADMINISTRATIVE and call.action in WRITING):
        raise errors.NotProved


def read(provider: Provider, credentials: Mapping[str, Any], call: Call) -> Claimed:
    """Return the account that credentials name.

    :raises errors.NotProved: whoever writes them may not.
    :raises errors.MissingIdentifier: they name none.
    :raises errors.InvalidIdentifier: what they name cannot be one.
    :raises errors.InvalidAttribute: an attribute cannot be kept; likewise TooManyAttributes.
    """
    check_author(call)
    proved = credentials.get(PROVED)
    if call.state is not None and isinstance(proved, Mapping):
        return Claimed(**proved)
    if call.state is not None:
        # A flow ends with what it has proved, or with nothing.
        raise errors.NotProved
    return _told(provider, credentials)


def vouched(provider: Provider, credentials: Mapping[str, Any]) -> dict[str, Any]:
    """Return credentials that carry what an administrator has said through the core.

    :raises errors.MissingIdentifier: or another error of ``read``.
    """
    told = _told(provider, credentials)
    member = {"issuer": told.issuer, "subject": told.subject, "attributes": dict(told.attributes)}
    return {PROVED: member}


def carried(
    provider: Provider,
    proved: Proved,
    *,
    newcomer: bool = False,
    invitation: str | None = None,
) -> dict[str, Any]:
    """Return credentials that carry what a flow has proved through the core."""
    member = {
        "issuer": proved.issuer,
        "subject": proved.subject,
        "attributes": attributes.kept(provider, proved.claims),
        "tokens": tokens_of(provider, proved),
        "newcomer": newcomer,
        "invitation": invitation,
    }
    return {PROVED: member}


def tokens_of(provider: Provider, proved: Proved) -> dict[str, Any]:
    """Return the tokens that are kept of a login, as plain JSON; none unless they are kept."""
    return tokens.worth_keeping(proved.tokens) if provider.keep_tokens else {}


def named(provider: Provider, credentials: Mapping[str, Any]) -> str | None:
    """Return the subject that an administrator's credentials name; None for none.

    :raises errors.InvalidIdentifier: it cannot be one (OAU-13).
    """
    value = attributes.value_at(credentials, provider.identifier)
    if value is attributes.MISSING or value is None or value == "":
        return None
    subject = subject_of(value, integers=True)
    if subject is None:
        raise errors.InvalidIdentifier(provider.identifier)
    return subject


def _told(provider: Provider, credentials: Mapping[str, Any]) -> Claimed:
    """Return the account that an administrator names."""
    subject = named(provider, credentials)
    if subject is None:
        raise errors.MissingIdentifier(provider.identifier)
    kept = attributes.given(credentials)
    return Claimed(_issuer(provider, credentials), subject, kept)


def _issuer(provider: Provider, credentials: Mapping[str, Any]) -> str:
    """Return who vouches for an account that an administrator names."""
    try:
        return tenants.issuer_of(provider, credentials)
    except tenants.WrongTenant:
        if credentials.get(TENANT) is None:
            raise errors.MissingIdentifier(TENANT) from None
        raise errors.InvalidAttribute(TENANT) from None
