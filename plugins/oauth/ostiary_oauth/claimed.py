"""Whose account some credentials name, and who may say so (OAU-15, CVE-2026-49443).

Nobody says by themselves whose account they hold at a provider: credentials are written after a
flow that the server itself began, or by an administrator. What a flow has proved travels through
the core as one member, ``PROVED``, which is believed only where the server kept the state.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ostiary import Call
from ostiary_oauth import attributes, errors, issuers
from ostiary_oauth.provider import Proved, Provider

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

LONGEST_SUBJECT = 255
"""Characters (OpenID Connect Core, 2)."""

LARGEST_TOKENS = 65_536
"""Bytes of JSON that are kept of what a token endpoint has answered."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """An account that is about to be a user's.

    :ivar tokens: what the token endpoint answered, if that is kept; secret.
    :ivar newcomer: the user is made for it.
    :ivar invitation: the fingerprint of the invitation that is spent on it, in hexadecimal.
    """

    issuer: str
    subject: str
    attributes: Mapping[str, Any] = field(repr=False)
    tokens: Mapping[str, Any] | None = field(default=None, repr=False)
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
    subject = named(provider, credentials)
    if subject is None:
        raise errors.MissingIdentifier(provider.identifier)
    kept = attributes.given(credentials)
    return Claimed(issuers.named(provider, credentials), subject, kept)


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


def tokens_of(provider: Provider, proved: Proved) -> Mapping[str, Any] | None:
    """Return the tokens that are kept of a login; None for none."""
    if not provider.keep_tokens or not proved.tokens:
        return None
    size = len(json.dumps(dict(proved.tokens)))
    return dict(proved.tokens) if size <= LARGEST_TOKENS else None


def named(provider: Provider, credentials: Mapping[str, Any]) -> str | None:
    """Return the subject that an administrator's credentials name; None for none.

    :raises errors.InvalidIdentifier: it cannot be one (OAU-13).
    """
    value = attributes.value_at(credentials, provider.identifier)
    if value is attributes.MISSING or value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not _is_subject(value):
        raise errors.InvalidIdentifier(provider.identifier)
    assert isinstance(value, str)
    return value


def _is_subject(value: Any) -> bool:
    if not isinstance(value, str) or len(value) > LONGEST_SUBJECT or not value.strip():
        return False
    # Controls, and the halves of surrogate pairs, which no database has.
    return all(" " <= one < "\x7f" or one > "\x9f" for one in value) and not any(
        "\ud800" <= one <= "\udfff" for one in value
    )
