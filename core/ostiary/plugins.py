"""Plugins that were loaded, and the only door to their credentials hooks."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pluggy import HookCaller, PluginManager

from ostiary import errors
from ostiary.actions import Controller
from ostiary.arguments import Duration
from ostiary.declarations import AUTHORIZATION, WITHHELD
from ostiary.durations import duration
from ostiary.filters import Filter, Order
from ostiary.log import TOKEN, origin
from ostiary.request import Connection, Request
from ostiary.storage import OwnStore, Storage
from ostiary.stored_strategies import StoredStrategies
from ostiary.strategies import Call, Directory, FoundCredentials, Strategy, User, Verdict

logger = logging.getLogger(__name__)

SECRET_HEADERS = {name.encode() for name in WITHHELD}
"""What no strategy is given, whatever it declares."""

SCHEME = re.compile(r"(?!bearer )[a-z0-9!#$%&'*+.^_`|~-]+ +[^ ]", re.IGNORECASE)
"""How an ``Authorization`` begins that is no token of ours (RFC 9110, 11.4)."""

REQUIRED = tuple(
    f"ostiary_{verb}_credentials"
    for verb in ("verify", "validate", "create", "update", "delete", "get")
)

BY_ID, SEARCH = "ostiary_get_credentials_by_id", "ostiary_search_credentials"
OPTIONAL = (BY_ID, SEARCH, "ostiary_refresh_session")
HOOKS = (*REQUIRED, *OPTIONAL)
BEFORE_LOGIN, AFTER_LOGIN = "ostiary_before_login", "ostiary_after_login"
LOGIN_HOOKS = {BEFORE_LOGIN, AFTER_LOGIN}


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
    controllers: tuple[Controller, ...] = ()

    @property
    def has_strategies(self) -> bool:
        """Whether credentials hooks are called on it."""
        return bool(self.strategies) or self.stores_strategies


@dataclass(frozen=True, slots=True)
class Plugins:
    """What was found: the loaded plugins, and why others were not loaded."""

    manager: PluginManager
    loaded: tuple[Plugin, ...]
    refused: Mapping[str, str]

    def without(self, name: str, reason: str) -> Plugins:
        """Return the plugins without one, none of whose hooks is called any more."""
        self.manager.unregister(name=name)
        loaded = tuple(plugin for plugin in self.loaded if plugin.name != name)
        return Plugins(self.manager, loaded, {**self.refused, name: reason})


class Strategies:
    """The strategies of all plugins: the only door from the core to their credentials hooks."""

    def __init__(self, plugins: Plugins, stores: Mapping[str, OwnStore]) -> None:
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
        self.stored = StoredStrategies(plugins, stores, self._install, self._owners.get)
        self._stale = self.stored.stale

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

    def account(self, name: str, credentials: Mapping[str, Any]) -> str | None:
        """Return by what attempts with such credentials are counted, if they name an account."""
        strategy = self.find(name)
        try:
            account = strategy.account(credentials)
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            logger.error("strategy %s failed to name an account: %s", name, origin(error))  # noqa: TRY400
            raise errors.PluginUnexpectedError(f"strategy {name} failed") from None
        if account is not None and not isinstance(account, str):
            raise errors.PluginUnexpectedError(f"strategy {name} named no account")
        return account

    async def verify(
        self, name: str, credentials: Mapping[str, Any], call: Call, directory: Directory
    ) -> Verdict:
        """Return whom some credentials belong to."""
        verdict = await self._call(
            "verify", name, call, credentials=credentials, directory=directory
        )
        if not isinstance(verdict, Verdict):
            raise errors.InvalidVerdict(name)
        return verdict

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
        await self._call(
            "validate", name, call, user=user, credentials=credentials, partial=partial
        )

    async def create(
        self, name: str, kuid: str, credentials: Mapping[str, Any], call: Call
    ) -> dict[str, Any]:
        """Write credentials; erase first what a lost user of the same kuid may have left."""
        if await self.get(name, kuid) is not None:
            await self.erase(name, kuid)
        seen = await self._call("create", name, call, kuid=kuid, credentials=credentials)
        return _view(name, seen)

    async def update(
        self, name: str, kuid: str, credentials: Mapping[str, Any], call: Call
    ) -> dict[str, Any]:
        """Change credentials."""
        seen = await self._call("update", name, call, kuid=kuid, credentials=credentials)
        return _view(name, seen)

    async def erase(self, name: str, kuid: str) -> None:
        """Erase credentials, if there are any."""
        await self._call("delete", name, Call(), kuid=kuid)

    async def get(self, name: str, kuid: str) -> dict[str, Any] | None:
        """Return what may be seen of a user's credentials, or None."""
        seen = await self._call("get", name, Call(), kuid=kuid)
        return None if seen is None else _view(name, seen)

    async def get_by_id(self, name: str, id: str) -> dict[str, Any]:
        """Return what may be seen of the credentials that an id of the strategy's names."""
        await self.settle(name)
        if not self._implements(BY_ID, name):
            return {}
        return _view(name, await self._ask(BY_ID, name, Call(), id=id))

    async def search(
        self, name: str, filter: Filter, sort: Sequence[Order], *, offset: int, limit: int
    ) -> FoundCredentials:
        """Return a page of credentials.

        :raises errors.MissingOptionalMethod: the strategy cannot be searched.
        """
        await self.settle(name)
        if not self._implements(SEARCH, name):
            raise errors.MissingOptionalMethod(SEARCH, name)
        wanted: dict[str, Any] = {
            "filter": filter,
            "sort": tuple(sort),
            "offset": offset,
            "limit": limit,
        }
        found = await self._ask(SEARCH, name, Call(), **wanted)
        if not isinstance(found, FoundCredentials):
            raise errors.PluginUnexpectedError(f"strategy {name} found no credentials")
        for hit in found.hits:
            if not isinstance(_view(name, hit).get("kuid"), str):
                raise errors.InvalidKuid(name, "none")
        return found

    async def renew(self, name: str, kuid: str, call: Call) -> Duration | None:
        """Ask whether a session may go on; return the lifetime of its new token if one is told.

        :raises errors.RefreshForbidden: it may not.
        """
        try:
            told = await self._ask("ostiary_refresh_session", name, call, kuid=kuid)
            return None if told is None else Duration(duration(told))
        except (errors.UnauthorizedError, errors.ForbiddenError):
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

    def _find(self, name: str) -> tuple[Strategy, OwnStore, dict[str, HookCaller]]:
        found = self._strategies.get(name)
        if found is None:
            raise errors.UnknownStrategy(name)
        return found

    async def _call(self, verb: str, name: str, call: Call, **arguments: Any) -> Any:
        return await self._ask(f"ostiary_{verb}_credentials", name, call, **arguments)

    async def _ask(self, hook: str, name: str, call: Call, **arguments: Any) -> Any:
        """Call a hook of a strategy; None stands for one that its plugin does not have."""
        if self._stale:
            await self.settle(name)
        strategy, store, callers = self._find(name)
        arguments |= {"strategy": strategy, "store": store, "call": _narrowed(call, strategy)}
        try:
            answer = callers[hook](**arguments)
            return answer if answer is None else await answer
        except errors.OstiaryError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
            failure = origin(error)
            logger.error("strategy %s failed in %s: %s", name, hook, failure)  # noqa: TRY400
            raise errors.PluginUnexpectedError(f"strategy {name} failed") from None


def call_of(request: Request) -> Call:
    """Return what plugins may know of a request; each strategy gets its own part of it."""
    connection = request.connection
    return Call(
        kuid=request.kuid,
        controller=request.controller,
        action=request.action,
        protocol=connection.protocol,
        address=connection.address,
        user_agent=connection.header("user-agent") or "",
        args=request.args,
        headers=_shown(connection),
        proxied=connection.proxied,
    )


def _shown(connection: Connection) -> dict[str, str]:
    """Return the headers that strategies may ask for: never with a token, nor a cookie."""
    shown = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in connection.headers.items()
        if name not in SECRET_HEADERS
    }
    given = shown.get(AUTHORIZATION)
    if given is not None and (not SCHEME.match(given) or TOKEN.search(given)):
        del shown[AUTHORIZATION]
    return shown


def call_for(request: Request, strategies: Iterable[Strategy]) -> Call:
    """Return what an action of a plugin may know of its request: headers of its strategies."""
    call = call_of(request)
    wanted = {name for strategy in strategies for name in _headers_for(strategy, call)}
    return replace(call, args={}, headers=_only(wanted, call.headers))


def _headers_for(strategy: Strategy, call: Call) -> tuple[str, ...]:
    """Return the names of the headers that a strategy is shown."""
    return (*strategy.headers, *strategy.proxy_headers) if call.proxied else strategy.headers


def _only(names: Iterable[str], given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in names if name in given}


def _view(name: str, seen: Any) -> dict[str, Any]:
    """Return what may be seen of some credentials, as a hook gave it."""
    if not isinstance(seen, Mapping):
        raise errors.PluginUnexpectedError(f"strategy {name} showed no credentials")
    return dict(seen)


def _narrowed(call: Call, strategy: Strategy) -> Call:
    """Return what one strategy may know of a call: its own fields and headers."""
    return replace(
        call,
        args=_only(strategy.field_names, call.args),
        headers=_only(_headers_for(strategy, call), call.headers),
    )
