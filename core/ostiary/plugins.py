"""Plugins that were loaded, and the only door to their credentials hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from msgspec import Struct
from pluggy import HookCaller, PluginManager

from ostiary import errors
from ostiary.actions import Controller
from ostiary.arguments import Duration
from ostiary.calling import Calls, Errors, copied, returned
from ostiary.directory import Directory
from ostiary.durations import duration
from ostiary.filters import Filter, Order
from ostiary.narrowing import narrowed
from ostiary.storage import OwnStore, Storage
from ostiary.stored_strategies import StoredStrategies
from ostiary.strategies import Call, Challenge, FoundCredentials, Redirect, Strategy, User, Verdict
from ostiary.verdicts import found_of, link_of, verdict_of, view_of

REQUIRED = tuple(
    f"ostiary_{verb}_credentials"
    for verb in ("verify", "validate", "create", "update", "delete", "get")
)

BY_ID, SEARCH = "ostiary_get_credentials_by_id", "ostiary_search_credentials"
REAUTHENTICATE, LINK = "ostiary_reauthenticate", "ostiary_link_credentials"
OPTIONAL = (BY_ID, SEARCH, REAUTHENTICATE, LINK, "ostiary_refresh_session")
HOOKS = (*REQUIRED, *OPTIONAL)
BEFORE_LOGIN, AFTER_LOGIN = "ostiary_before_login", "ostiary_after_login"
LOGIN_HOOKS = {BEFORE_LOGIN, AFTER_LOGIN}
BACKGROUND, ADDRESS = "ostiary_background", "ostiary_verified_address"

REFUSALS = (errors.UnauthorizedError, errors.ForbiddenError)
"""Whatever of these a refresh is refused with, the client is told the same."""


class PluginError(Exception):
    """A plugin is not what it has to be; the server does not start."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin that was loaded, and what it declared.

    :param package: the import package that it comes from.
    :param wire_name: what its controllers, routes and errors are called by.
    :param hooks: the version of the hooks that it was written for.
    :param settings: what its hooks are given of the configuration.
    :param stores_strategies: it keeps strategies as data, besides those declared here.
    :param answers: it has hooks for the credentials of its strategies, be there any or none.
    :param controllers: its actions, as the API has them.
    """

    name: str
    distribution: str
    version: str
    module: object
    strategies: tuple[Strategy, ...] = ()
    storage: Storage | None = None
    wraps: bool = False
    package: str = ""
    wire_name: str = ""
    hooks: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    stores_strategies: bool = False
    answers: bool = False
    controllers: tuple[Controller, ...] = ()

    @property
    def has_strategies(self) -> bool:
        """Whether credentials hooks are called on it for strategies of its own, and no others."""
        return bool(self.strategies) or self.stores_strategies or self.answers


class Plugins(Struct, frozen=True):
    """What was found: the loaded plugins, and why others were not loaded.

    :ivar failed: those of the refused ones that were to be loaded, and could not be.
    """

    manager: PluginManager
    loaded: tuple[Plugin, ...]
    refused: Mapping[str, str]
    failed: frozenset[str] = frozenset()

    def callers(self, hook: str) -> Iterator[tuple[Plugin, HookCaller]]:
        """Yield the plugins that implement a hook, by their names, each with what calls it alone."""
        for plugin in sorted(self.loaded, key=lambda plugin: plugin.name):
            others = [one.module for one in self.loaded if one is not plugin]
            caller = self.manager.subset_hook_caller(hook, others)
            if caller.get_hookimpls():
                yield plugin, caller

    def without(self, name: str, reason: str) -> Plugins:
        """Return the plugins without one, none of whose hooks is called any more."""
        self.manager.unregister(name=name)
        loaded = tuple(plugin for plugin in self.loaded if plugin.name != name)
        return Plugins(self.manager, loaded, {**self.refused, name: reason}, self.failed | {name})


class Strategies:
    """The strategies of all plugins: the only door from the core to their credentials hooks.

    :param disabled: strategies of plugins that could not be loaded.
    """

    def __init__(
        self,
        plugins: Plugins,
        stores: Mapping[str, OwnStore],
        calls: Calls | None = None,
        disabled: Iterable[str] = (),
    ) -> None:
        self.calls, self._disabled = calls or Calls(), frozenset(disabled)
        self._strategies: dict[str, tuple[Strategy, OwnStore, dict[str, HookCaller]]] = {}
        self._declaring = {
            plugin.name: plugin for plugin in plugins.loaded if plugin.has_strategies
        }
        self._owned: dict[str, dict[str, Strategy]] = {}
        self._owners: dict[str, str] = {}
        self._stores, self._callers = stores, self._make_callers(plugins)
        for plugin in self._declaring.values():
            self._owned[plugin.name] = {one.name: one for one in plugin.strategies}
        self._arrange()
        self._listeners: list[Callable[[], None]] = []
        self.stored = StoredStrategies(plugins, stores, self.calls, self._install, self._owners.get)
        self._stale = self.stored.stale
        self._directory_of: Callable[[str], Directory | None] = lambda _: None

    def __iter__(self) -> Iterator[str]:
        return iter(self._strategies)

    async def settle(self, name: str | None = None) -> None:
        """Wait until what plugins have changed is known, before any strategy is looked up.

        :param name: the one that is to be used: others need not be waited for.
        """
        if self._stale:
            await self.stored.settle(None if name is None else self._owners.get(name))

    def listen(self, listener: Callable[[], None]) -> None:
        """Call a function whenever other strategies than before are in force."""
        self._listeners.append(listener)

    def direct_by(self, directory_of: Callable[[str], Directory]) -> None:
        """Have hooks ask about users where the core tells; it gives the directory of a plugin."""
        self._directory_of = directory_of

    def of(self, plugin: str) -> Mapping[str, Strategy]:
        """Return the strategies of a plugin by name; none for one that has none."""
        return dict(self._owned.get(plugin, {}))

    def knows(self, name: str) -> bool:
        """Tell whether a strategy is installed."""
        return name in self._strategies

    def find(self, name: str) -> Strategy:
        """Return a strategy.

        :raises errors.UnknownStrategy: no plugin declares it.
        """
        return self._find(name)[0]

    def owner(self, name: str) -> str:
        """Return the plugin that a strategy is of.

        :raises errors.UnknownStrategy: no plugin declares it.
        """
        self._find(name)
        return self._owners[name]

    def wire_name(self, name: str) -> str:
        """Return what the plugin of a strategy is called on the wire."""
        return self._declaring[self.owner(name)].wire_name

    def finds_by_id(self, name: str) -> bool:
        """Tell whether a strategy can say whose credentials a name opens."""
        return self._implements(BY_ID, name)

    def wrapped_by_others(self, name: str) -> bool:
        """Tell whether a plugin takes part in the logins of another's strategy."""
        _, _, callers = self._find(name)
        verify, owner = callers["ostiary_verify_credentials"], self.owner(name)
        return any(one.plugin_name != owner for one in verify.get_hookimpls())

    def reauthenticates(self, name: str) -> bool:
        """Tell whether a strategy may ask its users to prove once more who they are."""
        return self._implements(REAUTHENTICATE, name)

    def account(self, name: str, credentials: Mapping[str, Any]) -> str | None:
        """Return by what attempts with such credentials are counted, if they name an account."""
        work = self.find(name).account
        account = self.calls.ask(f"strategy {name}", "account", work, copied(credentials))
        if account is not None and not isinstance(account, str):
            raise errors.PluginUnexpectedError(f"strategy {name} named no account")
        return account

    async def verify(
        self, name: str, credentials: Mapping[str, Any], call: Call, directory: Directory
    ) -> Verdict:
        """Return whom some credentials belong to."""
        check = partial(verdict_of, name)
        verdict: Verdict = await self._call(
            "verify", name, call, check, credentials=credentials, directory=directory
        )
        return verdict

    async def reauthenticate(
        self, name: str, kuid: str, credentials: Mapping[str, Any], call: Call
    ) -> None:
        """Have a user who is signed in prove once more who they are."""
        await self._ask(REAUTHENTICATE, name, call, kuid=kuid, credentials=credentials)

    def links(self, name: str) -> bool:
        """Tell whether a strategy has its users prove that new credentials are theirs."""
        return self._implements(LINK, name)

    async def link(
        self, name: str, kuid: str, credentials: Mapping[str, Any], call: Call
    ) -> Challenge | Redirect | dict[str, Any]:
        """Have a user prove that new credentials are theirs; return these, or what is to be done."""
        given: dict[str, Any] = {"kuid": kuid, "credentials": credentials}
        given["directory"] = self._directory_for(name)
        answer: Challenge | Redirect | dict[str, Any] = await self._ask(
            LINK, name, call, partial(link_of, name), **given
        )
        return answer

    async def validate(
        self,
        name: str,
        user: User,
        credentials: Mapping[str, Any],
        call: Call,
        *,
        partial: bool = False,
    ) -> None:
        """Refuse credentials that cannot be written."""
        given: dict[str, Any] = {"user": user, "credentials": credentials, "partial": partial}
        given["directory"] = self._directory_for(name)
        await self._call("validate", name, call, **given)

    async def create(
        self,
        name: str,
        kuid: str,
        credentials: Mapping[str, Any],
        call: Call,
        *,
        further: bool = False,
    ) -> dict[str, Any]:
        """Write credentials; erase first what a lost user of the same kuid may have left.

        :param further: they come beside others of the user, which stay.
        """
        if not further and await self.get(name, kuid) is not None:
            await self.erase(name, kuid)
        given: dict[str, Any] = {"kuid": kuid, "credentials": credentials}
        given["directory"] = self._directory_for(name)
        seen: dict[str, Any] = await self._call("create", name, call, _viewed(name), **given)
        return seen

    async def update(
        self, name: str, kuid: str, credentials: Mapping[str, Any], call: Call
    ) -> dict[str, Any]:
        """Change credentials."""
        given: dict[str, Any] = {"kuid": kuid, "credentials": credentials}
        given["directory"] = self._directory_for(name)
        seen: dict[str, Any] = await self._call("update", name, call, _viewed(name), **given)
        return seen

    async def erase(self, name: str, kuid: str) -> None:
        """Erase credentials, if there are any."""
        await self._call("delete", name, Call(), kuid=kuid)

    async def get(self, name: str, kuid: str) -> dict[str, Any] | None:
        """Return what may be seen of a user's credentials, or None."""
        check = _viewed(name, none=True)
        seen: dict[str, Any] | None = await self._call("get", name, Call(), check, kuid=kuid)
        return seen

    async def get_by_id(self, name: str, id: str) -> dict[str, Any]:
        """Return what may be seen of the credentials that an id of the strategy's names."""
        await self.settle(name)
        if not self._implements(BY_ID, name):
            return {}
        seen: dict[str, Any] = await self._ask(BY_ID, name, Call(), _viewed(name), id=id)
        return seen

    async def search(
        self, name: str, filter: Filter, sort: Sequence[Order], *, offset: int, limit: int
    ) -> FoundCredentials:
        """Return a page of credentials.

        :raises errors.MissingOptionalMethod: the strategy cannot be searched.
        """
        await self.settle(name)
        if not self._implements(SEARCH, name):
            raise errors.MissingOptionalMethod(SEARCH, name)
        page: dict[str, Any] = {"sort": tuple(sort), "offset": offset, "limit": limit}
        check = partial(found_of, name, limit=limit)
        found: FoundCredentials = await self._ask(
            SEARCH, name, Call(), check, filter=filter, **page
        )
        return found

    async def renew(self, name: str, kuid: str, call: Call) -> Duration | None:
        """Ask whether a session may go on; return the lifetime of its new token if one is told.

        :raises errors.RefreshForbidden: it may not.
        """
        try:
            told = await self._ask("ostiary_refresh_session", name, call, also=REFUSALS, kuid=kuid)
            return None if told is None else Duration(duration(told))
        except REFUSALS:
            raise errors.RefreshForbidden(f"A session of {name}") from None
        except (ValueError, TypeError):
            raise errors.PluginUnexpectedError(f"strategy {name} told no lifetime") from None

    def _make_callers(self, plugins: Plugins) -> dict[str, dict[str, HookCaller]]:
        """Return the hooks of each plugin, without those of others that have strategies."""
        callers = {}
        for plugin in self._declaring.values():
            others = [one.module for one in self._declaring.values() if one is not plugin]
            callers[plugin.name] = {
                name: plugins.manager.subset_hook_caller(name, others) for name in HOOKS
            }
        return callers

    def _install(self, plugin: str, stored: tuple[Strategy, ...]) -> None:
        """Have a plugin keep these strategies, besides those it declares."""
        declared = self._declaring[plugin].strategies
        self._owned[plugin] = {one.name: one for one in (*declared, *stored)}
        self._arrange()
        for listener in self._listeners:
            listener()

    def _arrange(self) -> None:
        """Build what strategies are found by; in place, for nobody waits within this."""
        self._strategies.clear()
        self._owners.clear()
        for plugin, owned in self._owned.items():
            for name, strategy in owned.items():
                self._strategies[name] = (strategy, self._stores[plugin], self._callers[plugin])
                self._owners[name] = plugin

    def _implements(self, hook: str, name: str) -> bool:
        """Tell whether the plugin of a strategy answers a hook, and does not merely wrap it."""
        _, _, callers = self._find(name)
        return any(not (one.wrapper or one.hookwrapper) for one in callers[hook].get_hookimpls())

    def _directory_for(self, name: str) -> Directory | None:
        return self._directory_of(self.owner(name))

    def _find(self, name: str) -> tuple[Strategy, OwnStore, dict[str, HookCaller]]:
        found = self._strategies.get(name)
        if found is None:
            raise (errors.PluginDisabled if name in self._disabled else errors.UnknownStrategy)(
                name
            )
        return found

    async def _call(
        self,
        verb: str,
        name: str,
        call: Call,
        check: Callable[[Any], Any] = returned,
        **arguments: Any,
    ) -> Any:
        return await self._ask(f"ostiary_{verb}_credentials", name, call, check, **arguments)

    async def _ask(
        self,
        hook: str,
        name: str,
        call: Call,
        check: Callable[[Any], Any] = returned,
        also: Errors = (),
        **arguments: Any,
    ) -> Any:
        """Call a hook of a strategy; None stands for one that its plugin does not have."""
        if self._stale:
            await self.settle(name)
        strategy, store, callers = self._find(name)
        given = {key: copied(value) for key, value in arguments.items()}
        given |= {"strategy": strategy, "store": store, "call": copied(narrowed(call, strategy))}
        ask = partial(callers[hook], **given)
        return await self.calls.call(f"strategy {name}", hook, ask, check, also)


def _viewed(name: str, *, none: bool = False) -> Callable[[Any], Any]:
    """Return the check of a hook that shows credentials, or that there are none."""
    return lambda seen: None if none and seen is None else view_of(name, seen)
