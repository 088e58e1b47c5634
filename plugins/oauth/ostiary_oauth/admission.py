"""Who it is that a flow has proved, and what becomes of who is nobody here yet (OAU-11, OAU-12).

An account is found by strategy, issuer and subject. An address finds nobody, unless the operator
says so and both sides have verified it; see ``linking``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ostiary import Call, Directory, Newcomer, Store, User, Verified
from ostiary import errors as core
from ostiary_oauth import attributes, claimed, errors, invitations, linking, rows, tokens
from ostiary_oauth.invitations import Invitation
from ostiary_oauth.profile_rules import profiles_of
from ostiary_oauth.provider import Proved
from ostiary_oauth.rows import Identity
from ostiary_oauth.sessions import session_name
from ostiary_oauth.strategy import INVITATION, OAuthStrategy

SIGNING_UP = 60_000
"""Milliseconds after which nobody creates a user any more."""

AUTHORITY = (core.MissingRights, core.ProfileNotFound)


def brought(credentials: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the state of a flow keeps of its first step: the fingerprint of an invitation.

    :raises errors.InvalidType: the invitation is no text.
    """
    code = credentials.get(INVITATION)
    if code is None or code == "":
        return {}
    if not isinstance(code, str):
        raise core.InvalidType(INVITATION, "string")
    return {INVITATION: invitations.fingerprint(code).hex()}


async def decide(
    strategy: OAuthStrategy, store: Store, directory: Directory, proved: Proved, call: Call
) -> Verified | Newcomer:
    """Return who it is that has signed in at the provider, or who is to become a user.

    :raises errors.LoginRefused: the user is gone.
    :raises errors.NoAccount: strangers are not let in.
    :raises errors.InvitationNeeded: strangers are let in who are invited.
    :raises errors.InvalidInvitation: the invitation does not let them in.
    :raises errors.SigningUp: the user is being created at this moment.
    """
    identity = await rows.find(store, strategy.name, proved.issuer, proved.subject)
    if identity is not None:
        user = await _user(strategy, directory, identity)
        await _refresh(strategy, store, identity, proved)
        return _verified(strategy, user, proved)
    linked = await linking.by_address(strategy, store, directory, proved, call)
    if linked is not None:
        return _verified(strategy, linked, proved)
    return await _newcomer(strategy, store, directory, proved, call)


def fields_of(strategy: OAuthStrategy, proved: Proved) -> Mapping[str, Any]:
    """Return the credentials of a user who has linked an account."""
    return claimed.carried(strategy.provider, proved)


async def _user(strategy: OAuthStrategy, directory: Directory, identity: Identity) -> User:
    """Return the user of an account.

    :raises errors.SigningUp: the user is being created, by another login with the account.
    """
    user = await directory.find(identity.kuid)
    if user is not None:
        return user
    if rows.now() - identity.created_at <= SIGNING_UP:
        raise errors.SigningUp
    raise core.LoginRefused(strategy.refusal, kuid=identity.kuid, reason="the user is deleted")


async def _refresh(
    strategy: OAuthStrategy, store: Store, identity: Identity, proved: Proved
) -> None:
    """Keep what the provider says now."""
    new = attributes.refreshed(strategy.provider, proved.claims, identity.attributes)
    changed: dict[str, Any] = {}
    if new != identity.attributes:
        changed["attributes"] = attributes.written(new)
    given = claimed.tokens_of(strategy.provider, proved)
    if given or identity.tokens is not None:
        changed |= tokens.columns(strategy, store, identity.id, given, identity.tokens)
    if changed:
        await rows.change(store, identity.id, changed)


def _verified(strategy: OAuthStrategy, user: User, proved: Proved) -> Verified:
    profiles = None
    if strategy.provider.profile_rules:
        profiles = profiles_of(strategy.provider, proved.claims, user.profile_ids)
    return Verified(user.kuid, profiles, _session(strategy, proved))


async def _newcomer(
    strategy: OAuthStrategy, store: Store, directory: Directory, proved: Proved, call: Call
) -> Newcomer:
    provider, invitation = strategy.provider, None
    if provider.admission == "refuse":
        raise errors.NoAccount(reason="nobody here has this account")
    id = (call.state or {}).get(INVITATION)
    if id is not None:
        invitation = await _accepted(strategy, store, directory, proved, id, call)
    elif provider.admission == "invite":
        reason = "nobody here has this account, and there was no invitation"
        raise errors.InvitationNeeded(reason=reason)
    content = {} if invitation is None else dict(invitation.content)
    wanted = content.get("profileIds", provider.default_profiles)
    content["profileIds"] = list(profiles_of(provider, proved.claims, wanted))
    fields = claimed.carried(provider, proved, newcomer=True, invitation=id)
    return Newcomer(fields, content, _session(strategy, proved))


async def _accepted(
    strategy: OAuthStrategy,
    store: Store,
    directory: Directory,
    proved: Proved,
    id: str,
    call: Call,
) -> Invitation:
    """Return the invitation that lets somebody in; it is spent when the user is created.

    Who has invited them must still be allowed to: what somebody has lost the right to give is not
    given in their name (AZ-20).
    """
    invitation = await invitations.find(store, id)
    if invitation is None:
        raise errors.InvalidInvitation(reason="the invitation is spent or over")
    if invitation.strategy not in (None, strategy.name):
        raise errors.InvalidInvitation(reason="the invitation is for another strategy")
    if invitation.email is not None and not (
        proved.email_verified
        and proved.email is not None
        and invitations.same_address(proved.email, invitation.email)
    ):
        raise errors.InvalidInvitation(reason="the invitation is for another address")
    author = await directory.find(invitation.author)
    # Whoever has been created with the kuid of somebody who was deleted has invited nobody.
    same = author is not None and author.generation == invitation.generation
    if author is None or not same or not author.enabled:
        raise errors.InvalidInvitation(reason="who has invited them is no user any more")
    try:
        given = invitation.content.get("profileIds", ())
        await directory.check_profiles(given, replace(call, kuid=invitation.author))
    except AUTHORITY:
        reason = "who has invited them may not give these profiles any more"
        raise errors.InvalidInvitation(reason=reason) from None
    return invitation


def _session(strategy: OAuthStrategy, proved: Proved) -> str | None:
    return None if proved.session is None else session_name(strategy.name, proved.session)
