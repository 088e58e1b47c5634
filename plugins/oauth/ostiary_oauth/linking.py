"""Linking an account to a user by an address, where the operator says so.

It is off by default (OAU-11): whoever can have a provider say that an address is theirs signs in as
its user. So both sides must have verified it, and it happens once: an account that comes with the
address of a user who has another account of this provider is a stranger's. Mailboxes are given to
others, and the subject of an account is not.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from ostiary import Call, Directory, Store, User
from ostiary import errors as core
from ostiary_oauth import claimed, rows
from ostiary_oauth.provider import Proved
from ostiary_oauth.strategy import OAuthStrategy

logger = logging.getLogger(__name__)


async def by_address(
    strategy: OAuthStrategy, store: Store, directory: Directory, proved: Proved, call: Call
) -> User | None:
    """Give an account to the user who has verified its address; return the user, if there is one.

    :raises errors.LoginRefused: the user may not sign in; there shall not be a second one.
    """
    if not strategy.provider.link_by_email:
        return None
    user = await _holder(strategy, store, directory, proved)
    if isinstance(user, str):
        logger.info("an account of %r is not linked by its address: %s", strategy.name, user)
        return None
    fields = claimed.carried(strategy.provider, proved)
    # The user does this, who has proved it.
    await directory.add_credentials(strategy.name, user.kuid, fields, replace(call, kuid=user.kuid))
    return user


async def _holder(
    strategy: OAuthStrategy, store: Store, directory: Directory, proved: Proved
) -> User | str:
    """Return the user who has verified an address, or why nobody is linked by it."""
    if proved.email is None:
        return "the provider has given none"
    if not proved.email_verified:
        return "the provider does not say that it has verified it"
    user = await directory.find_by_address(proved.email)
    if user is None:
        return "no user has verified it here, or several have"
    if not user.enabled:
        reason = "the user of its address is disabled"
        raise core.LoginRefused(strategy.refusal, kuid=user.kuid, reason=reason)
    if await rows.held(store, user.kuid, strategy.name):
        return f"user {user.kuid} has another account of this provider"
    return user
