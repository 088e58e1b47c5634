"""What plugins may ask about users, and do for those who sign in with their strategies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

from ostiary.strategies import Call, User

T = TypeVar("T")


class Directory(Protocol):
    """What a plugin may ask about users, and do for those who sign in with its strategies."""

    async def find(self, kuid: str) -> User | None:
        """Return a user, or None if nobody has this kuid."""

    async def roles(self, profile_ids: Iterable[str]) -> frozenset[str]:
        """Return the ids of the roles that make some profiles; unknown profiles have none."""

    async def check_authority(self, kuid: str, call: Call) -> None:
        """Refuse a caller who would get rights by acting as a user, or by letting others do so.

        :raises errors.TargetTooPowerful: the user holds rights that the caller does not.
        """

    async def check_profiles(self, profile_ids: Iterable[str], call: Call) -> None:
        """Refuse a caller who would give profiles that grant more than the caller may do.

        :raises errors.ProfileNotFound: there is no such profile.
        :raises errors.MissingRights: a profile grants more, or the caller is nobody.
        """

    async def change_credentials(
        self, strategy: str, kuid: str, fields: Mapping[str, Any], call: Call
    ) -> Mapping[str, Any]:
        """Change the credentials of a user who has proved who they are in another way.

        They are validated and written by the hooks of this plugin, the caches of all processes
        are told, and every session of the user ends, as if an administrator had changed them;
        ``open_session`` opens a new one. The time that the hooks take is not counted as the
        caller's.

        :param strategy: one of this plugin.
        :param call: given to the hooks; ``kuid`` of the user, if it is done by the user.
        :returns: what a client may see of them, and the ``kuid``.
        :raises errors.UnknownStrategy: it is none of this plugin.
        :raises errors.NoCredentials: the user holds none of this strategy.
        :raises errors.CredentialsRejected: or another error of the hooks; nothing was changed.
        """

    async def add_credentials(
        self, strategy: str, kuid: str, fields: Mapping[str, Any], call: Call
    ) -> Mapping[str, Any]:
        """Give a user credentials of this plugin, once it has been proved that they are theirs.

        They are validated and written by the hooks of this plugin, as after
        ``ostiary_link_credentials``. A user who holds some of the strategy gets further ones if
        it has ``several``.

        :param call: given to the hooks.
        :returns: what a client may see of them, and the ``kuid``.
        :raises errors.UnknownStrategy: it is none of this plugin.
        :raises errors.CredentialsExist: there are some, and there may be no others.
        :raises errors.CredentialsRejected: or another error of the hooks; nothing was changed.
        """

    async def remove_credentials(
        self, strategy: str, kuid: str, call: Call, *, force: bool = False
    ) -> None:
        """Take all credentials of a strategy of this plugin off a user; their sessions end.

        :param force: also if nothing else would let the user in.
        :raises errors.UnknownStrategy: it is none of this plugin.
        :raises errors.NoCredentials: the user holds none of this strategy.
        :raises errors.LastWayIn: nothing else would let the user in.
        """

    async def find_by_address(self, email: str) -> User | None:
        """Return the user for whom a strategy has verified an e-mail address.

        None also if several strategies name several users. It is asked of every plugin with
        ``ostiary_verified_address``.
        """

    async def attempt(
        self, strategy: str, account: str | None, call: Call, prove: Callable[[], Awaitable[T]]
    ) -> T:
        """Return what ``prove`` returns; an error that it raises counts as a failed login.

        Guesses are limited together, by whatever door they come (OWASP ASVS 6.3.4): call this
        wherever something secret is looked at that is not given to ``verify``.

        :param strategy: one of this plugin.
        :param account: what ``Strategy.account`` returns for it; None if there is no telling
            before the secret is looked at, and only the address counts.
        :raises errors.TooManyLogins: it has to wait, and ``prove`` is not called. An action
            names it in ``raises``.
        """

    def others_take_part(self, strategy: str) -> bool:
        """Tell whether another plugin wraps the logins of a strategy, such as a second factor.

        Then right credentials are not all that is asked at a login, and ``open_session``
        instead of one would leave the other plugin out (OWASP ASVS 6.4.3).

        :param strategy: one of this plugin.
        """

    async def open_session(
        self, kuid: str, call: Call, *, lifetime: int | None = None, session: str | None = None
    ) -> Mapping[str, Any]:
        """Sign a user in whom the plugin has verified by itself; return what a login answers.

        It is no attempt that the limits of failed logins count.

        :param lifetime: of the token, in ms; -1 is without end, None the default.
        :param session: see ``Verified``.
        :raises errors.LoginRefused: nobody, a disabled user, or one who holds no credentials of
            a strategy of this plugin; or a hook has refused.
        :raises errors.TtlExceeded: the lifetime is above the maximum.
        """

    async def end_sessions(
        self, kuid: str | None, *, session: str | None = None, strategy: str | None = None
    ) -> int:
        """End the sessions of a user that this plugin's strategies have opened; return how many.

        :param kuid: None is whoever has the named session.
        :param session: end only what goes by this name; see ``Verified``.
        :param strategy: end only what this one has opened; None is each of this plugin.
        """

    async def end_own_session(self, strategy: str, call: Call) -> tuple[str, ...]:
        """End the session that a call was made with, and no other of its user.

        :param strategy: one of this plugin, that has opened the session.
        :returns: the cookies of an answer to who keeps the token in one, for ``Reply.cookies``.
        :raises errors.UnknownStrategy: it is none of this plugin.
        :raises errors.SessionNotFound: the call was made with no session, or another strategy
            has opened it. An action names it in ``raises``.
        """

    async def strategies_changed(self) -> None:
        """Have every process ask ``ostiary_stored_strategies`` of this plugin again.

        Call it after the transaction that changed them. When it returns they are in force in
        this process, and in the others at the next request that comes to them, or a moment
        later on other machines.

        :raises errors.StrategyNotRegistered: they are wrong, and those of before stay.
        :raises errors.StrategyOfAnother: one of the names belongs to another plugin; likewise.
        """
