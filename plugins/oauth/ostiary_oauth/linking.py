"""Linking an account to a user by an address, where the operator says so.

It is off by default (OAU-11): whoever can have a provider say that an address is theirs signs in as
its user. So both sides must have verified it, and it happens once: an account that comes with the
address of a user who has another account of this provider is a stranger's. Mailboxes are given to
others, and the subject of an account is not.
"""

from __future__ import annotations

from dataclasses import replace

from ostiary import Call, Directory, Store, User
from ostiary import errors as core
from ostiary_oauth import claimed, rows
from ostiary_oauth.provider import Proved
from ostiary_oauth.strategy import OAuthStrategy


async def by_address(
    strategy: OAuthStrategy, store: Store, directory: Directory, proved: Proved, call: Call
) -> User | None:
    """Give an account to the user who has verified its address; return the user, if there is one.

    :raises errors.LoginRefused: the user may not sign in; there shall not be a second one.
    """
    if not strategy.provider.link_by_email or not proved.email_verified or proved.email is None:
        return None
    user = await directory.find_by_address(proved.email)
    if user is None:
        return None
    if not user.enabled:
        reason = "the user of its address is disabled"
        raise core.LoginRefused(strategy.refusal, kuid=user.kuid, reason=reason)
    if await rows.held(store, user.kuid, strategy.name):
        return None
    fields = claimed.carried(strategy.provider, proved)
    # The user does this, who has proved it.
    await directory.add_credentials(strategy.name, user.kuid, fields, replace(call, kuid=user.kuid))
    return user
