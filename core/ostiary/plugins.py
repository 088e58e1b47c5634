"""Plugins: finding, checking and loading them; and the only door to their credentials hooks."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import Distribution, EntryPoint, entry_points
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pluggy import HookCaller, HookImpl, PluginManager, PluginValidationError

from ostiary import errors, hookspecs
from ostiary.arguments import Duration
from ostiary.durations import duration
from ostiary.log import origin
from ostiary.request import Request
from ostiary.settings import SettingsError
from ostiary.settings.table import Table
from ostiary.storage import Storage, Store
from ostiary.strategies import Call, Directory, Strategy, User, Verdict

logger = logging.getLogger(__name__)

GROUP = "ostiary"
PLUGIN_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
STRATEGY_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
RESERVED = {"core"}
SECRET_HEADERS = {b"authorization", b"cookie", b"x-ostiary-setup"}
"""What no strategy is given, whatever it declares."""

REQUIRED = tuple(
    f"ostiary_{verb}_credentials"
    for verb in ("verify", "validate", "create", "update", "delete", "get")
)

OPTIONAL = ("ostiary_refresh_session",)
HOOKS = (*REQUIRED, *OPTIONAL)


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


def load_plugins(
    settings: Mapping[str, Mapping[str, Any]], allow: list[str] | None, *, dev: bool, version: str
) -> Plugins:
    """Load every plugin that is installed, or those that are allowed.

    :param settings: the tables ``[plugins.<name>]``; each reaches its plugin only.
    :raises PluginError: a declaration is wrong; says which plugin, hook and argument.
    :raises SettingsError: a setting of a plugin is wrong.
    """
    manager = PluginManager("ostiary")
    manager.add_hookspecs(hookspecs)
    loaded: dict[str, Plugin] = {}
    refused: dict[str, str] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        if allow is not None and entry.name not in allow:
            refused[entry.name] = "not among plugins.allow"
        elif entry.name in loaded:
            raise PluginError(f"two packages bring a plugin named {entry.name!r}")
        elif module := _import(entry, refused, version):
            _register(manager, entry.name, module)
            table = Table(name=f"plugins.{entry.name}")
            given = table | settings.get(entry.name, {}) | {"dev": dev}
            loaded[entry.name] = _declared(manager, entry, module, given)
    for name in settings:
        if name not in loaded and name not in refused:
            logger.warning("settings for the plugin %r, which is not installed", name)
    _check_strategies(loaded)
    return Plugins(manager, tuple(loaded.values()), refused)


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


def _import(entry: EntryPoint, refused: dict[str, str], version: str) -> object | None:
    """Return the plugin of an entry point, or note why it cannot be had."""
    if not PLUGIN_NAME.fullmatch(entry.name) or entry.name in RESERVED:
        raise PluginError(f"{entry.name!r} cannot name a plugin: it must match [a-z][a-z0-9_]*")
    if entry.dist is not None:
        _check_version(entry.name, entry.dist, version)
    try:
        module: object = entry.load()
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        logger.error("plugin %s cannot be imported: %s", entry.name, origin(error))  # noqa: TRY400
        refused[entry.name] = f"cannot be imported: {type(error).__name__}: {error}"
        return None
    return module


def _check_version(name: str, distribution: Distribution, version: str) -> None:
    for text in distribution.requires or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if canonicalize_name(requirement.name) != "ostiary":
            continue
        if marker is not None and not marker.evaluate({"extra": ""}):
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            raise PluginError(
                f"plugin {name} needs ostiary {requirement.specifier}, this is {version}"
            )


def _register(manager: PluginManager, name: str, module: object) -> None:
    try:
        manager.register(module, name)
        manager.check_pending()
    except PluginValidationError as error:
        raise PluginError(f"plugin {name}: {error}") from error
    for caller in manager.get_hookcallers(module) or ():
        for implementation in caller.get_hookimpls():
            if implementation.plugin is module:
                _check_implementation(name, caller, implementation)


def _check_implementation(name: str, caller: HookCaller, implementation: HookImpl) -> None:
    """Refuse a function that pluggy would call, and the core could not await."""
    assert caller.spec is not None
    asynchronous = inspect.iscoroutinefunction(caller.spec.function)
    if implementation.wrapper or implementation.hookwrapper:
        return  # pluggy has made sure that it is a generator.
    if asynchronous and not inspect.iscoroutinefunction(implementation.function):
        raise PluginError(f"plugin {name}: hook {caller.name} must be declared with async def")
    if not asynchronous and inspect.iscoroutinefunction(implementation.function):
        raise PluginError(f"plugin {name}: hook {caller.name} must not be declared with async def")


def _declared(
    manager: PluginManager, entry: EntryPoint, module: object, settings: Mapping[str, Any]
) -> Plugin:
    def ask(hook: str, *, listed: bool = False, **arguments: Any) -> Any:
        others = [plugin for plugin in manager.get_plugins() if plugin is not module]
        try:
            answers = manager.subset_hook_caller(hook, others)(**arguments)
            return tuple(answers[0]) if answers and listed else answers[0] if answers else None
        except SettingsError:
            raise
        except Exception as error:
            raise PluginError(
                f"plugin {entry.name}: hook {hook} failed: {type(error).__name__}: {error}"
            ) from error

    strategies = ask("ostiary_strategies", listed=True, settings=settings) or ()
    storage = ask("ostiary_storage")
    _check_types(entry.name, strategies, storage)
    answering, wrapping = _implemented(manager, module)
    if strategies:
        for hook in (*REQUIRED, "ostiary_storage"):
            if hook not in answering:
                raise PluginError(f"plugin {entry.name}: hook {hook} is missing")
    elif foreign := answering & set(HOOKS):
        raise PluginError(
            f"plugin {entry.name}: hook {min(foreign)} would answer for the strategies of others; "
            "without a strategy of its own it must be a wrapper"
        )
    return Plugin(
        name=entry.name,
        distribution=entry.dist.name if entry.dist else "",
        version=entry.dist.version if entry.dist else "",
        module=module,
        strategies=strategies,
        storage=storage,
        wraps=bool(wrapping & set(REQUIRED)) and not strategies,
    )


def _implemented(manager: PluginManager, module: object) -> tuple[set[str], set[str]]:
    """Return the hooks that a plugin answers, and those that it wraps."""
    mine: dict[bool, set[str]] = {False: set(), True: set()}
    for caller in manager.get_hookcallers(module) or ():
        for implementation in caller.get_hookimpls():
            if implementation.plugin is module:
                mine[implementation.wrapper or implementation.hookwrapper].add(caller.name)
    return mine[False], mine[True]


def _check_types(name: str, strategies: tuple[Any, ...], storage: Any) -> None:
    for strategy in strategies:
        if not isinstance(strategy, Strategy):
            raise PluginError(f"plugin {name}: ostiary_strategies gave {strategy!r}, no Strategy")
        if not STRATEGY_NAME.fullmatch(strategy.name):
            raise PluginError(f"plugin {name}: {strategy.name!r} cannot name a strategy")
    if storage is not None and not isinstance(storage, Storage):
        raise PluginError(f"plugin {name}: ostiary_storage gave no Storage")


def _check_strategies(loaded: Mapping[str, Plugin]) -> None:
    owners: dict[str, str] = {}
    for plugin in loaded.values():
        for strategy in plugin.strategies:
            if strategy.name in owners:
                raise PluginError(
                    f"plugins {owners[strategy.name]} and {plugin.name} "
                    f"both declare the strategy {strategy.name!r}"
                )
            owners[strategy.name] = plugin.name
