"""Setting a new password without the old one: reset tokens, and the controller ``password``.

A token is 256 random bits, of which SHA-256 is stored. It is good for one account, once, for a
while, and until the credentials change in whatever way (OWASP ASVS 6.4.1, 6.4.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal, TypedDict

from ostiary import GET, POST, Call, Controller, Directory, Store, Strategy, mark
from ostiary import errors as core
from ostiary_local import accounts, errors, policies, tickets
from ostiary_local.accounts import Account
from ostiary_local.strategy import LocalStrategy, only
from ostiary_local.tickets import Ticket

SPENT = "ticket"
"""By what ``call.state`` names the ticket that a change of password spends."""

REFUSALS = {"expired": errors.ExpiredPassword, "must_change": errors.MustChangePassword}
REASONS = {"expired": "the password has expired", "must_change": "the password must be changed"}

password = Controller("password")


class NewPassword(TypedDict):
    """The body of ``reset``."""

    password: Annotated[str, "The new password."]
    token: Annotated[str, "A reset token, which is spent."]


@password.action(
    GET("/password/resetToken/{_id}"),
    raises=[errors.NothingToReset, errors.OwnPassword, core.TargetTooPowerful],
    noted=True,
)
async def get_reset_password_token(
    store: Store,
    directory: Directory,
    strategies: Mapping[str, Strategy],
    call: Call,
    id: Annotated[str, "The kuid of a user who has a user name and a password."],
) -> dict[str, str]:
    """Return a token with which a user can set a new password.

    Whoever holds it can sign in as that user: hand it over as you would a password. Nobody gets
    one for a user who may do more than they may themselves; nor for themselves, where a change
    takes the current password.
    """
    strategy = only(strategies)
    if id == call.kuid and strategy.settings.asks_current_password:
        # It would let a stolen session replace the password (OWASP ASVS 6.2.3).
        raise errors.OwnPassword
    await directory.check_authority(id, call)
    account = await accounts.of(store, id)
    if account is None or await directory.find(id) is None:
        raise errors.NothingToReset(id)
    return {"resetToken": await issue(strategy, store, account)}


@password.action(
    POST("/password/reset"),
    strict=True,
    raises=[
        errors.ExpiredToken,
        errors.InvalidToken,
        errors.CommonPassword,
        errors.ExpectedPassword,
        errors.GuessablePassword,
        errors.InvalidPassword,
        errors.LoginInPassword,
        errors.PasswordTooLong,
        errors.PasswordTooShort,
        errors.ReusedPassword,
        errors.WeakPassword,
        core.LoginRefused,
        core.TooManyLogins,
    ],
)
async def reset(
    store: Store,
    directory: Directory,
    strategies: Mapping[str, Strategy],
    call: Call,
    body: NewPassword,
) -> Mapping[str, Any]:
    """Set a new password with a reset token, and sign in.

    A password that is refused leaves the token as it is. One that is set ends every session of
    the user. Where another plugin takes part in logins, such as a second factor, the answer has
    `_id` alone: sign in with the new password.
    """
    if not body["password"].strip():
        raise errors.InvalidPassword(mark("must not be blank"))
    strategy = only(strategies)
    prove = partial(_redeemable, store, directory, body["token"])
    ticket = await directory.attempt(strategy.name, None, call, prove)
    # The user does this, who has proved it: not whoever signed the request.
    call = replace(call, kuid=ticket.kuid)
    fields = {"password": body["password"]}
    spending = replace(call, state={SPENT: ticket.fingerprint})
    change = partial(directory.change_credentials, strategy.name, ticket.kuid, fields, spending)
    # By what is refused as reused, who holds a token could try out what the password was.
    await directory.attempt(strategy.name, f"\0reset {ticket.kuid}", call, change)
    if directory.others_take_part(strategy.name):
        return {"_id": ticket.kuid}
    return await directory.open_session(ticket.kuid, call)


async def issue(strategy: LocalStrategy, store: Store, account: Account) -> str:
    """Return a new reset token for an account."""
    lifetime = strategy.settings.reset_password_expires_in
    bound_to = bound(account.password_set_at)
    return await tickets.issue(store, "reset", account.kuid, bound_to, lifetime)


def bound(password_set_at: int) -> str:
    """Return what a reset token is bound to: the password that it replaces."""
    return str(password_set_at)


async def admit(
    strategy: LocalStrategy, store: Store, account: Account, directory: Directory
) -> None:
    """Let nobody in who has to set another password first; asked once it was found right.

    Who is disabled or deleted is told nothing of this: the core sees to it (AUTH-03).

    :raises errors.ExpiredPassword: it is too old.
    :raises errors.MustChangePassword: somebody else has set it.
    """
    which = await policies.demand(strategy, account, directory)
    if which is not None:
        raise await refusal(strategy, store, account, which)


async def refusal(
    strategy: LocalStrategy,
    store: Store,
    account: Account,
    which: Literal["expired", "must_change"],
) -> core.LoginRefusal:
    """Return what a login is refused with whose password was right, and is good for nothing else.

    Its ``resetToken`` is the only thing that a refused login ever gives.
    """
    token = await issue(strategy, store, account)
    return REFUSALS[which](kuid=account.kuid, reason=REASONS[which], proved=True, resetToken=token)


def spent_by(call: Call) -> bytes | None:
    """Return the fingerprint of the ticket that a change of password has to spend; None for none.

    No client can set the state of a call.
    """
    return None if call.state is None else call.state.get(SPENT)


async def _redeemable(store: Store, directory: Directory, token: str) -> Ticket:
    """Return the ticket of a token with which a password may be set; it is not spent yet.

    Who is deleted or disabled holds a token that is not valid, like any other.
    """
    ticket = await tickets.find(store, "reset", token)
    if ticket is None:
        raise errors.InvalidToken
    account = await accounts.of(store, ticket.kuid)
    user = await directory.find(ticket.kuid)
    if (
        account is None
        or ticket.bound != bound(account.password_set_at)
        or user is None
        or not user.enabled
    ):
        raise errors.InvalidToken
    if ticket.expired:
        raise errors.ExpiredToken
    return ticket
