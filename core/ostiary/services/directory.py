"""What a plugin may ask about users, and do for those who sign in with its strategies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from ostiary import errors
from ostiary.address_hooks import AddressHooks
from ostiary.arguments import Duration
from ostiary.cookies import Cookies
from ostiary.durations import duration
from ostiary.login_hooks import LoginHooks
from ostiary.patience import not_counted
from ostiary.plugins import Strategies
from ostiary.services.accounts import Account, Accounts
from ostiary.services.authority import Authority
from ostiary.services.changes import Changes
from ostiary.services.credentials import Credentials
from ostiary.services.door import Door
from ostiary.services.grants import Grants
from ostiary.services.knowledge import known
from ostiary.services.login_limits import LoginLimits
from ostiary.services.sessions import Origin, Sessions
from ostiary.services.subjects import Place
from ostiary.services.tokens import Tokens
from ostiary.services.users import Users
from ostiary.strategies import Call, Strategy, User

ATTEMPTS = 3
"""How often a token is made while the user keeps changing."""

LONGEST_NAME = 512
"""Characters by which a plugin may name a session."""

T = TypeVar("T")


class Directories:
    """Makes the directory of each plugin.

    :param changed: called with the name of a plugin whose strategies have changed.
    """

    def __init__(
        self,
        strategies: Strategies,
        users: Users,
        accounts: Accounts,
        tokens: Tokens,
        sessions: Sessions,
        changes: Changes,
        door: Door,
        hooks: LoginHooks,
        changed: Callable[[str], Awaitable[None]],
        grants: Grants,
        authority: Authority,
        credentials: Credentials,
        limits: LoginLimits,
        addresses: AddressHooks,
        cookies: Cookies,
    ) -> None:
        self.strategies, self.users, self.accounts = strategies, users, accounts
        self.tokens, self.sessions, self.changes = tokens, sessions, changes
        self.door, self.hooks, self.changed = door, hooks, changed
        self.grants, self.authority, self.credentials = grants, authority, credentials
        self.limits, self.addresses, self.cookies = limits, addresses, cookies
        self._made: dict[str, PluginDirectory] = {}

    def of(self, plugin: str) -> PluginDirectory:
        """Return the directory of a plugin."""
        made = self._made.get(plugin)
        if made is None:
            made = self._made[plugin] = PluginDirectory(plugin, self)
        return made


class PluginDirectory:
    """The directory of one plugin; ``Directory`` tells what each method promises."""

    __slots__ = ("_plugin", "_services")

    def __init__(self, plugin: str, services: Directories) -> None:
        self._plugin, self._services = plugin, services

    async def find(self, kuid: str) -> User | None:
        """Return a user, or None."""
        user = await self._services.users.find(kuid)
        return None if user is None else user.shown()

    async def roles(self, profile_ids: Iterable[str]) -> frozenset[str]:
        """Return the ids of the roles that make some profiles."""
        return await self._services.grants.roles(tuple(profile_ids))

    async def check_authority(self, kuid: str, call: Call) -> None:
        """Refuse a caller who holds less rights than a user."""
        caller = await self._services.accounts.find(call.kuid)
        if caller is None:
            raise errors.TargetTooPowerful(kuid)
        await self._services.authority.check_target(caller, kuid)

    async def check_profiles(self, profile_ids: Iterable[str], call: Call) -> None:
        """Refuse a caller who holds less rights than some profiles grant."""
        profile_ids = tuple(profile_ids)
        caller = await self._services.accounts.find(call.kuid)
        if caller is None:
            raise errors.MissingRights(", ".join(profile_ids))
        await self._services.authority.check_grant(caller, profile_ids)

    async def attempt(
        self, strategy: str, account: str | None, call: Call, prove: Callable[[], Awaitable[T]]
    ) -> T:
        """Have something proved, within the limits of failed logins."""
        self._own(strategy)
        limits = self._services.limits
        async with limits.attempt(strategy, account, Place(call.address)) as attempt:
            proved = await prove()
            await limits.give_back(attempt)
        return proved

    def others_take_part(self, strategy: str) -> bool:
        """Tell whether another plugin wraps the logins of a strategy."""
        self._own(strategy)
        return self._services.strategies.wrapped_by_others(strategy)

    async def change_credentials(
        self, strategy: str, kuid: str, fields: Mapping[str, Any], call: Call
    ) -> dict[str, Any]:
        """Change credentials of this plugin's, through its own hooks."""
        self._own(strategy)
        credentials = self._services.credentials
        # Each hook has a time of its own, and what it waits for the server is not counted.
        with not_counted():
            if not await credentials.held(strategy, kuid):
                raise errors.NoCredentials(kuid, strategy)
            action = f"{call.controller}:{call.action}"
            with _about(kuid):
                return await credentials.update(strategy, kuid, fields, call, action=action)

    async def add_credentials(
        self, strategy: str, kuid: str, fields: Mapping[str, Any], call: Call
    ) -> dict[str, Any]:
        """Give a user credentials of this plugin's, through its own hooks."""
        self._own(strategy)
        create = self._services.credentials.create
        with not_counted(), _about(kuid):
            action = f"{call.controller}:{call.action}"
            seen = await create(strategy, kuid, fields, call, known=known(), action=action)
        # Whoever signs in with them at once is found with them.
        await self._services.changes.catch_up()
        return seen

    async def remove_credentials(
        self, strategy: str, kuid: str, call: Call, *, force: bool = False
    ) -> None:
        """Take credentials of this plugin's off a user; their sessions end."""
        self._own(strategy)
        with not_counted(), _about(kuid):
            action = f"{call.controller}:{call.action}"
            await self._services.credentials.delete(strategy, kuid, force=force, action=action)

    async def find_by_address(self, email: str) -> User | None:
        """Return the user for whom a strategy has verified an e-mail address, if it is one."""
        with not_counted():
            holders = await self._services.addresses.holders(email)
            found = [await self._named(plugin, kuid) for plugin, kuid in holders.items()]
        users = {user.kuid: user for user in found if user is not None}
        return users.popitem()[1] if len(users) == 1 else None

    async def open_session(
        self, kuid: str, call: Call, *, lifetime: int | None = None, session: str | None = None
    ) -> dict[str, Any]:
        """Sign a user in whom the plugin has verified by itself."""
        services = self._services
        check_name(self._plugin, session)
        await services.door.check()
        wanted = None if lifetime is None else self._lifetime(lifetime)
        asked = False
        for _ in range(ATTEMPTS):
            since = await services.changes.newest()
            account, strategy = await self._holder(kuid)
            if not asked:
                await services.hooks.before(strategy.name, call)
                await services.hooks.after(kuid, strategy.name, call)
                asked = True
            origin = Origin(strategy.name, call.user_agent[:512] or None, call.address, session)
            issued = await services.tokens.issue(
                account, wanted, origin, unless_changed_since=since
            )
            if issued is not None:
                return issued.to_json()
        raise self._refusal(kuid, "the user keeps changing")

    async def end_sessions(
        self, kuid: str | None, *, session: str | None = None, strategy: str | None = None
    ) -> int:
        """End sessions that this plugin's strategies have opened."""
        check_name(self._plugin, session)
        if kuid is None and session is None:
            raise errors.PluginUnexpectedError(f"{self._plugin} named neither user nor session")
        own: Iterable[str] = self._services.strategies.of(self._plugin)
        if strategy is not None:
            self._own(strategy)
            own = (strategy,)
        return await self._services.sessions.end_of(kuid, own, foreign=session)

    async def end_own_session(self, strategy: str, call: Call) -> tuple[str, ...]:
        """End the session that a call was made with."""
        self._own(strategy)
        services = self._services
        if call.session is None:
            raise errors.SessionNotFound("")
        await services.sessions.revoke(call.kuid, call.session, strategy=strategy)
        return (services.cookies.no_session(),) if services.cookies.sessions else ()

    async def strategies_changed(self) -> None:
        """Have every worker ask the plugin for its strategies again."""
        await self._services.changed(self._plugin)

    def _own(self, strategy: str) -> None:
        """Refuse a strategy that is none of this plugin's."""
        if strategy not in self._services.strategies.of(self._plugin):
            raise errors.UnknownStrategy(strategy)

    async def _named(self, plugin: str, kuid: str) -> User | None:
        """Return a user whom a plugin names; not one who holds nothing of it any more."""
        services = self._services
        await services.strategies.settle()
        own = services.strategies.of(plugin)
        found = await services.users.find_with_strategies(kuid)
        if found is None or (own and own.keys().isdisjoint(found[1])):
            return None
        return found[0].shown()

    def _lifetime(self, told: Any) -> Duration:
        try:
            return Duration(duration(told))
        except (ValueError, TypeError):
            raise errors.PluginUnexpectedError(f"{self._plugin} told no lifetime") from None

    async def _holder(self, kuid: str) -> tuple[Account, Strategy]:
        """Return the account of somebody who may sign in with this plugin, and by what."""
        own = self._services.strategies.of(self._plugin)
        account = await self._services.accounts.find(kuid)
        held = [own[name] for name in account.strategies if name in own] if account else []
        if account is None or not held or not account.user.enabled:
            raise self._refusal(kuid, "no account that may sign in")
        return account, held[0]

    def _refusal(self, kuid: str, reason: str) -> errors.OstiaryError:
        own = self._services.strategies.of(self._plugin)
        refusal = next(iter(own.values()), Strategy(name=self._plugin)).refusal
        return errors.LoginRefused(refusal, kuid=kuid, reason=reason)


def check_name(owner: str, session: Any) -> None:
    """Refuse what cannot name a session.

    :raises errors.PluginUnexpectedError: it is no text, or too long a one.
    """
    if session is not None and not (isinstance(session, str) and len(session) <= LONGEST_NAME):
        raise errors.PluginUnexpectedError(f"{owner} gave no name of a session")


@contextmanager
def _about(kuid: str) -> Iterator[None]:
    """Have errors tell whom they concern."""
    try:
        yield
    except errors.OstiaryError as error:
        error.about = kuid
        raise
