"""Plugins that were loaded, and the only door to their credentials hooks."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pluggy import HookCaller, PluginManager

from ostiary import errors
from ostiary.arguments import Duration
from ostiary.durations import duration
from ostiary.events import Event
from ostiary.filters import Filter, Order
from ostiary.log import origin
from ostiary.request import Request
from ostiary.storage import Storage, Store
from ostiary.strategies import Call, Directory, FoundCredentials, Strategy, User, Verdict

logger = logging.getLogger(__name__)

SECRET_HEADERS = {b"authorization", b"cookie", b"x-ostiary-setup"}
"""What no strategy is given, whatever it declares."""

REQUIRED = tuple(
    f"ostiary_{verb}_credentials"
    for verb in ("verify", "validate", "create", "update", "delete", "get")
)

BY_ID, SEARCH = "ostiary_get_credentials_by_id", "ostiary_search_credentials"
OPTIONAL = (BY_ID, SEARCH, "ostiary_refresh_session")
HOOKS = (*REQUIRED, *OPTIONAL)
EVENT = "ostiary_event"


class PluginError(Exception):
    """A plugin is not what it has to be; the server does not start."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin that was loaded, and what it declared."""

    name: str
    distribution: str
    version: str
    module: object
    strategies: tuple[Strategy, ...] = ()
    storage: Storage | None = None
    wraps: bool = False


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

    def __init__(self, plugins: Plugins, stores: Mapping[str, Store]) -> None:
        self._strategies: dict[str, tuple[Strategy, Store, dict[str, HookCaller]]] = {}
        declaring = [plugin for plugin in plugins.loaded if plugin.strategies]
        for plugin in declaring:
            others = [other.module for other in declaring if other is not plugin]
            callers = {name: plugins.manager.subset_hook_caller(name, others) for name in HOOKS}
            for strategy in plugin.strategies:
                self._strategies[strategy.name] = (strategy, stores[plugin.name], callers)

    def __iter__(self) -> Iterator[str]:
        return iter(self._strategies)

    def knows(self, name: str) -> bool:
        """Tell whether a strategy is installed."""
        return name in self._strategies

    def find(self, name: str) -> Strategy:
        """Return a strategy.

        :raises errors.UnknownStrategy: no plugin declares it.
        """
        return self._find(name)[0]

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
        if not self._implements(BY_ID, name):
            return {}
        return _view(name, await self._ask(BY_ID, name, Call(), id=id))

    async def search(
        self, name: str, filter: Filter, sort: Sequence[Order], *, offset: int, limit: int
    ) -> FoundCredentials:
        """Return a page of credentials.

        :raises errors.MissingOptionalMethod: the strategy cannot be searched.
        """
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

    def _implements(self, hook: str, name: str) -> bool:
        """Tell whether the plugin of a strategy answers a hook, and does not merely wrap it."""
        _, _, callers = self._find(name)
        return any(not (one.wrapper or one.hookwrapper) for one in callers[hook].get_hookimpls())

    def _find(self, name: str) -> tuple[Strategy, Store, dict[str, HookCaller]]:
        found = self._strategies.get(name)
        if found is None:
            raise errors.UnknownStrategy(name)
        return found

    async def _call(self, verb: str, name: str, call: Call, **arguments: Any) -> Any:
        return await self._ask(f"ostiary_{verb}_credentials", name, call, **arguments)

    async def _ask(self, hook: str, name: str, call: Call, **arguments: Any) -> Any:
        """Call a hook of a strategy; None stands for one that its plugin does not have."""
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


def listeners(plugins: Plugins) -> dict[str, Callable[[Event], Awaitable[None]]]:
    """Return, by the name of the plugin, what hands an event to each plugin that wants them."""
    modules = [plugin.module for plugin in plugins.loaded]
    found: dict[str, Callable[[Event], Awaitable[None]]] = {}
    for plugin in plugins.loaded:
        others = [module for module in modules if module is not plugin.module]
        caller = plugins.manager.subset_hook_caller(EVENT, others)
        if caller.get_hookimpls():
            found[plugin.name] = partial(_hand_over, caller)
    return found


async def _hand_over(caller: HookCaller, event: Event) -> None:
    for answer in caller(event=event):
        await answer


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
        headers={
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in connection.headers.items()
            if name not in SECRET_HEADERS
        },
    )


def _view(name: str, seen: Any) -> dict[str, Any]:
    """Return what may be seen of some credentials, as a hook gave it."""
    if not isinstance(seen, Mapping):
        raise errors.PluginUnexpectedError(f"strategy {name} showed no credentials")
    return dict(seen)


def _narrowed(call: Call, strategy: Strategy) -> Call:
    """Return what one strategy may know of a call: its own fields and headers."""
    return replace(
        call,
        args={name: call.args[name] for name in strategy.fields if name in call.args},
        headers={name: call.headers[name] for name in strategy.headers if name in call.headers},
    )
