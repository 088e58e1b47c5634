"""The events: everything that matters to who watches over accounts, one class for each.

Plugins receive them in ``ostiary_event``, and the audit log keeps them. No secret is in any:
not a password, not a token, and not what somebody typed as a user name, which may be a password.
"""

from __future__ import annotations

from msgspec import Struct

HIDDEN = {"account"}
"""Fields that no log shows by the way: keyed hashes of what somebody typed."""


class Event(Struct, frozen=True, kw_only=True):
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

    def __repr__(self) -> str:
        shown = (name for name in self.__struct_fields__ if name not in HIDDEN)
        told = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{type(self).__name__}({told})"


class SignedIn(Event, frozen=True, kw_only=True):
    """Somebody has signed in, and got a token.

    :ivar session: the id of the new session.
    """

    kuid: str
    strategy: str | None
    session: str


class Refusal(Event, frozen=True, kw_only=True):
    """Something was refused; the same again within a minute is counted, and told in one.

    :ivar reason: why, for those who watch; clients are told less.
    :ivar count: how often.
    """

    reason: str
    count: int = 1


class SignInRefused(Refusal, frozen=True, kw_only=True):
    """A login was refused.

    :ivar kuid: of the user whose account was named; None if there is none, or it is not known.
    :ivar account: a keyed hash of the account that was named; None if none was.
    :ivar proved: the secret was right, and the strategy wants something else first.
    """

    kuid: str | None = None
    strategy: str | None
    account: bytes | None = None
    proved: bool = False


class SignInHeldBack(Refusal, frozen=True, kw_only=True):
    """A login was not looked at: there were too many failures for the account or the address.

    :ivar account: a keyed hash of the account that was named; None if none was.
    :ivar wait: the seconds after which the next one is looked at.
    """

    strategy: str | None
    account: bytes | None = None
    wait: int | None = None


class LoginsReleased(Event, frozen=True, kw_only=True):
    """Somebody who had to wait after failed logins may try again at once.

    :ivar kuid: whose account, or device, it is; None if that is not known, or of an address.
    :ivar account: a keyed hash of the account that was held back; None if it was something else.
    :ivar kind: ``account``, ``address`` or ``device``; None if that is not known.
    :ivar network: the address that was held back, or that of the device.
    :ivar fingerprint: the beginning of the hash that the failures were counted by.
    """

    kuid: str | None = None
    strategy: str | None = None
    account: bytes | None = None
    kind: str | None = None
    network: str | None = None
    fingerprint: str


class ReauthenticationRefused(Refusal, frozen=True, kw_only=True):
    """Somebody who is signed in did not prove once more who they are, or was not asked any more.

    It was asked for before a change of their own credentials, which was not made. Who guesses at
    a password with a stolen token is seen here.

    :ivar kuid: of the user whose token it is.
    """

    kuid: str | None
    strategy: str | None


class ActionRefused(Refusal, frozen=True, kw_only=True):
    """An action that changes something was refused, or failed.

    :ivar action: its controller and name, such as ``security:createUser``.
    :ivar target: the ``_id`` that the request named, or the user it turned out to be about.
    """

    action: str
    target: str | None = None


class ActionRun(Event, frozen=True, kw_only=True):
    """An action has changed something that no other event tells of."""

    action: str
    target: str | None = None


class SignedOut(Event, frozen=True, kw_only=True):
    """Somebody has ended the session that they asked with."""

    kuid: str
    session: str


class SessionsEnded(Event, frozen=True, kw_only=True):
    """Sessions were ended before their time.

    :ivar kuid: whose; None is everybody's.
    :ivar session: the id of the one; None is every one.
    :ivar kept: the id of the one that goes on, where every other was ended.
    """

    kuid: str | None
    session: str | None = None
    kept: str | None = None


class TokenCreated(Event, frozen=True, kw_only=True):
    """Somebody who is signed in has made one more token: a session of its own."""

    kuid: str
    session: str
    single_use: bool


class TokenRefreshed(Event, frozen=True, kw_only=True):
    """The token of a session was replaced by a new one."""

    kuid: str
    session: str


class UserCreated(Event, frozen=True, kw_only=True):
    """A user was created; ``admin`` among the profiles makes an administrator."""

    kuid: str
    profiles: tuple[str, ...]
    strategies: tuple[str, ...]


class UserChanged(Event, frozen=True, kw_only=True):
    """The properties of a user were changed."""

    kuid: str


class UserProfilesChanged(Event, frozen=True, kw_only=True):
    """A user was given other profiles, and may do other things from now on.

    :ivar strategy: which has given them at a login; None if somebody has.
    """

    kuid: str
    profiles: tuple[str, ...]
    strategy: str | None = None


class UserDisabled(Event, frozen=True, kw_only=True):
    """A user is let in no more; their sessions have ended."""

    kuid: str


class UserEnabled(Event, frozen=True, kw_only=True):
    """A user is let in again."""

    kuid: str


class UserDeleted(Event, frozen=True, kw_only=True):
    """A user was deleted, and all access with them."""

    kuid: str


class CredentialsCreated(Event, frozen=True, kw_only=True):
    """A user can sign in with one more strategy, or with further credentials of one.

    :ivar action: of the plugin, that has added them in a way of its own.
    """

    kuid: str
    strategy: str
    action: str | None = None


class CredentialsChanged(Event, frozen=True, kw_only=True):
    """A user's credentials were changed.

    :ivar fields: the names of the strategy's fields that were given.
    :ivar action: of the plugin, that has changed them in a way of its own, such as by a token.
    """

    kuid: str
    strategy: str
    fields: tuple[str, ...]
    action: str | None = None


class CredentialsDeleted(Event, frozen=True, kw_only=True):
    """A user can no longer sign in with a strategy.

    :ivar action: of the plugin, that has removed them in a way of its own.
    """

    kuid: str
    strategy: str
    action: str | None = None


class ApiKeyCreated(Event, frozen=True, kw_only=True):
    """A user has one more API key.

    :ivar id: of the key, which opens nothing.
    """

    kuid: str
    id: str


class ApiKeyDeleted(Event, frozen=True, kw_only=True):
    """An API key was ended."""

    kuid: str
    id: str


class RoleChanged(Event, frozen=True, kw_only=True):
    """A role was created or written over."""

    id: str


class RoleDeleted(Event, frozen=True, kw_only=True):
    """A role was deleted."""

    id: str


class ProfileChanged(Event, frozen=True, kw_only=True):
    """A profile was created or written over."""

    id: str


class ProfileDeleted(Event, frozen=True, kw_only=True):
    """A profile was deleted, and taken off whoever held it."""

    id: str


class RightsRestricted(Event, frozen=True, kw_only=True):
    """The base roles and profiles were given their restricted rights."""


class SecurityReset(Event, frozen=True, kw_only=True):
    """All users, profiles and roles were deleted, by a server that runs with ``--dev``."""


class SigningKeyRotated(Event, frozen=True, kw_only=True):
    """A new key signs tokens.

    :ivar id: of the new key.
    :ivar revoke_all: the others are forgotten, and with them every session and every API key.
    """

    id: str
    revoke_all: bool


class MasterKeyRotated(Event, frozen=True, kw_only=True):
    """Another master key is in force."""


class PluginDisabled(Event, frozen=True, kw_only=True):
    """An operator leaves a plugin out, from the next start on."""

    plugin: str


class PluginEnabled(Event, frozen=True, kw_only=True):
    """An operator has a plugin loaded again, from the next start on."""

    plugin: str


class PluginRemoved(Event, frozen=True, kw_only=True):
    """An operator has removed the store of a plugin, and the credentials in it."""

    plugin: str


class PluginRestored(Event, frozen=True, kw_only=True):
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
