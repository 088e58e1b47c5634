"""The events: everything that matters to who watches over accounts, one class for each.

Plugins receive them in ``ostiary_event``, and the audit log keeps them. No secret is in any:
not a password, not a token, and not what somebody typed as a user name, which may be a password.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Event:
    """What every event tells.

    :ivar at: when it happened, in ms since the epoch.
    :ivar author: the kuid of who did it; None for nobody who has signed in, an operator at the
        command line, or the server itself.
    :ivar protocol: ``http``, ``websocket`` or ``cli``; empty for the server itself.
    :ivar address: where the request came from.
    :ivar agent: the client, as it names itself; at the command line the system's user.
    :ivar request: the id of the request.
    """

    at: int = 0
    author: str | None = None
    protocol: str = ""
    address: str = ""
    agent: str = ""
    request: str = ""


@dataclass(frozen=True, kw_only=True)
class SignedIn(Event):
    """Somebody has signed in, and got a token.

    :ivar session: the id of the new session.
    """

    kuid: str
    strategy: str | None
    session: str


@dataclass(frozen=True, kw_only=True)
class Refusal(Event):
    """Something was refused; the same again within a minute is counted, and told in one.

    :ivar reason: why, for those who watch; clients are told less.
    :ivar count: how often.
    """

    reason: str
    count: int = 1


@dataclass(frozen=True, kw_only=True)
class SignInRefused(Refusal):
    """A login was refused.

    :ivar kuid: of the user whose account was named; None if there is none, or it is not known.
    :ivar account: a keyed hash of the account that was named; None if none was.
    :ivar proved: the secret was right, and the strategy wants something else first.
    """

    kuid: str | None = None
    strategy: str | None
    account: bytes | None = field(default=None, repr=False)
    proved: bool = False


@dataclass(frozen=True, kw_only=True)
class SignInHeldBack(Refusal):
    """A login was not looked at: there were too many failures for the account or the address.

    :ivar account: a keyed hash of the account that was named; None if none was.
    :ivar wait: the seconds after which the next one is looked at.
    """

    strategy: str | None
    account: bytes | None = field(default=None, repr=False)
    wait: int | None = None


@dataclass(frozen=True, kw_only=True)
class ReauthenticationRefused(Refusal):
    """Somebody who is signed in did not prove once more who they are, or was not asked any more.

    It was asked for before a change of their own credentials, which was not made. Who guesses at
    a password with a stolen token is seen here.

    :ivar kuid: of the user whose token it is.
    """

    kuid: str | None
    strategy: str | None


@dataclass(frozen=True, kw_only=True)
class ActionRefused(Refusal):
    """An action that changes something was refused, or failed.

    :ivar action: its controller and name, such as ``security:createUser``.
    :ivar target: the ``_id`` that the request named, or the user it turned out to be about.
    """

    action: str
    target: str | None = None


@dataclass(frozen=True, kw_only=True)
class ActionRun(Event):
    """An action has changed something that no other event tells of."""

    action: str
    target: str | None = None


@dataclass(frozen=True, kw_only=True)
class SignedOut(Event):
    """Somebody has ended the session that they asked with."""

    kuid: str
    session: str


@dataclass(frozen=True, kw_only=True)
class SessionsEnded(Event):
    """Sessions were ended before their time.

    :ivar kuid: whose; None is everybody's.
    :ivar session: the id of the one; None is every one.
    :ivar kept: the id of the one that goes on, where every other was ended.
    """

    kuid: str | None
    session: str | None = None
    kept: str | None = None


@dataclass(frozen=True, kw_only=True)
class TokenCreated(Event):
    """Somebody who is signed in has made one more token: a session of its own."""

    kuid: str
    session: str
    single_use: bool


@dataclass(frozen=True, kw_only=True)
class TokenRefreshed(Event):
    """The token of a session was replaced by a new one."""

    kuid: str
    session: str


@dataclass(frozen=True, kw_only=True)
class UserCreated(Event):
    """A user was created; ``admin`` among the profiles makes an administrator."""

    kuid: str
    profiles: tuple[str, ...]
    strategies: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class UserChanged(Event):
    """The properties of a user were changed."""

    kuid: str


@dataclass(frozen=True, kw_only=True)
class UserProfilesChanged(Event):
    """A user was given other profiles, and may do other things from now on.

    :ivar strategy: which has given them at a login; None if somebody has.
    """

    kuid: str
    profiles: tuple[str, ...]
    strategy: str | None = None


@dataclass(frozen=True, kw_only=True)
class UserDisabled(Event):
    """A user is let in no more; their sessions have ended."""

    kuid: str


@dataclass(frozen=True, kw_only=True)
class UserEnabled(Event):
    """A user is let in again."""

    kuid: str


@dataclass(frozen=True, kw_only=True)
class UserDeleted(Event):
    """A user was deleted, and all access with them."""

    kuid: str


@dataclass(frozen=True, kw_only=True)
class CredentialsCreated(Event):
    """A user can sign in with one more strategy, or with further credentials of one.

    :ivar action: of the plugin, that has added them in a way of its own.
    """

    kuid: str
    strategy: str
    action: str | None = None


@dataclass(frozen=True, kw_only=True)
class CredentialsChanged(Event):
    """A user's credentials were changed.

    :ivar fields: the names of the strategy's fields that were given.
    :ivar action: of the plugin, that has changed them in a way of its own, such as by a token.
    """

    kuid: str
    strategy: str
    fields: tuple[str, ...]
    action: str | None = None


@dataclass(frozen=True, kw_only=True)
class CredentialsDeleted(Event):
    """A user can no longer sign in with a strategy.

    :ivar action: of the plugin, that has removed them in a way of its own.
    """

    kuid: str
    strategy: str
    action: str | None = None


@dataclass(frozen=True, kw_only=True)
class ApiKeyCreated(Event):
    """A user has one more API key.

    :ivar id: of the key, which opens nothing.
    """

    kuid: str
    id: str


@dataclass(frozen=True, kw_only=True)
class ApiKeyDeleted(Event):
    """An API key was ended."""

    kuid: str
    id: str


@dataclass(frozen=True, kw_only=True)
class RoleChanged(Event):
    """A role was created or written over."""

    id: str


@dataclass(frozen=True, kw_only=True)
class RoleDeleted(Event):
    """A role was deleted."""

    id: str


@dataclass(frozen=True, kw_only=True)
class ProfileChanged(Event):
    """A profile was created or written over."""

    id: str


@dataclass(frozen=True, kw_only=True)
class ProfileDeleted(Event):
    """A profile was deleted, and taken off whoever held it."""

    id: str


@dataclass(frozen=True, kw_only=True)
class RightsRestricted(Event):
    """The base roles and profiles were given their restricted rights."""


@dataclass(frozen=True, kw_only=True)
class SecurityReset(Event):
    """All users, profiles and roles were deleted, by a server that runs with ``--dev``."""


@dataclass(frozen=True, kw_only=True)
class SigningKeyRotated(Event):
    """A new key signs tokens.

    :ivar id: of the new key.
    :ivar revoke_all: the others are forgotten, and with them every session and every API key.
    """

    id: str
    revoke_all: bool


@dataclass(frozen=True, kw_only=True)
class MasterKeyRotated(Event):
    """Another master key is in force."""


@dataclass(frozen=True, kw_only=True)
class PluginDisabled(Event):
    """An operator leaves a plugin out, from the next start on."""

    plugin: str


@dataclass(frozen=True, kw_only=True)
class PluginEnabled(Event):
    """An operator has a plugin loaded again, from the next start on."""

    plugin: str


@dataclass(frozen=True, kw_only=True)
class PluginRemoved(Event):
    """An operator has removed the store of a plugin, and the credentials in it."""

    plugin: str


@dataclass(frozen=True, kw_only=True)
class PluginRestored(Event):
    """An operator has filled the store of a plugin from an archive."""

    plugin: str


def kinds() -> dict[str, type[Event]]:
    """Return every class of events that happen, by its name."""
    abstract = (Event, Refusal)
    found = {name: kind for name, kind in globals().items() if isinstance(kind, type)}
    return {
        name: kind
        for name, kind in found.items()
        if issubclass(kind, Event) and kind not in abstract
    }
