"""Loading plugins: found by their entry points, checked, and asked what they declare."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from importlib.metadata import Distribution, EntryPoint, entry_points
from typing import Any

from pluggy import HookCaller, HookImpl, PluginManager, PluginValidationError

from ostiary import hookspecs
from ostiary.actions import WrongDeclaration
from ostiary.declarations import fault_of
from ostiary.errors import DeclaredTwice
from ostiary.log import origin
from ostiary.offering import fault_of_actions
from ostiary.plugin_controllers import named_on_the_wire
from ostiary.plugin_names import (
    check_errors,
    hooks_version,
    package_of,
    whose,
    wire_name,
)
from ostiary.plugins import (
    ADDRESS,
    BACKGROUND,
    HOOKS,
    LOGIN_HOOKS,
    REQUIRED,
    Plugin,
    PluginError,
    Plugins,
)
from ostiary.settings import SettingsError
from ostiary.settings.table import Table
from ostiary.storage import Storage
from ostiary.stored_strategies import STORED
from ostiary.watchdog import Step, Watchdog, watching

logger = logging.getLogger(__name__)

GROUP = "ostiary"
PLUGIN_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
RESERVED = {"core"}

DECLARED = "ostiary_strategies"

NOT_ALLOWED = "not among plugins.allow"
DISABLED = "disabled by `ostiary plugins disable`"

START_LIMIT = 30.0
"""Seconds that a plugin may take to be imported, and to declare what it has."""

LONGEST_TEXT = 300


def load_plugins(
    settings: Mapping[str, Mapping[str, Any]],
    allow: list[str] | None,
    disabled: Collection[str] = (),
    *,
    dev: bool,
    version: str,
    pages_url: str | None = None,
) -> Plugins:
    """Load every plugin that is installed, or those that are allowed.

    :param settings: the tables ``[plugins.<name>]``; each reaches its plugin only.
    :param disabled: not even imported.
    :param pages_url: what the addresses of the forms of strategies begin with; None without pages.
    :raises PluginError: a declaration is wrong; says which plugin, hook and argument.
    :raises SettingsError: a setting of a plugin is wrong.
    """
    manager = PluginManager("ostiary")
    manager.add_hookspecs(hookspecs)
    loaded: dict[str, Plugin] = {}
    refused: dict[str, str] = {}
    failed: dict[str, str] = {}
    added = {"dev": dev} | ({} if pages_url is None else {"pagesUrl": pages_url})
    with watching() as watchdog:
        for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
            if allow is not None and entry.name not in allow:
                refused[entry.name] = NOT_ALLOWED
            elif entry.name in disabled:
                refused[entry.name] = DISABLED
            elif entry.name in loaded:
                raise PluginError(f"two packages bring a plugin named {entry.name!r}")
            elif module := _import(entry, failed, version, watchdog):
                table = Table(name=f"plugins.{entry.name}")
                given = table | settings.get(entry.name, {}) | added
                loaded[entry.name] = _loaded(manager, entry, module, given, watchdog)
    refused |= failed
    for name in settings:
        if name not in loaded and name not in refused:
            logger.warning("settings for the plugin %r, which is not installed", name)
    _check_strategies(loaded)
    check_errors(loaded.values())
    return Plugins(manager, tuple(loaded.values()), refused, frozenset(failed))


def installed() -> dict[str, EntryPoint]:
    """Return the plugins that are installed, by name; none is imported."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def no_plugins() -> Plugins:
    """Return what is there when nothing is to be loaded."""
    return Plugins(PluginManager("ostiary"), (), {})


def _loaded(
    manager: PluginManager,
    entry: EntryPoint,
    module: object,
    settings: Mapping[str, Any],
    watchdog: Watchdog,
) -> Plugin:
    """Return a plugin that was imported, registered and asked what it declares."""
    hooks = hooks_version(manager, entry, module)
    _register(manager, entry.name, module)
    step = Step(f"plugin {entry.name}", START_LIMIT)
    plugin = watchdog.run(step, _declared, manager, entry, module, settings)
    return replace(plugin, hooks=hooks)


def _import(
    entry: EntryPoint, refused: dict[str, str], version: str, watchdog: Watchdog
) -> object | None:
    """Return the plugin of an entry point, or note why it cannot be had."""
    if not PLUGIN_NAME.fullmatch(entry.name) or entry.name in RESERVED:
        raise PluginError(f"{entry.name!r} cannot name a plugin: it must match [a-z][a-z0-9_]*")
    if entry.dist is not None:
        _check_version(entry.name, entry.dist, version)
    step = Step(f"plugin {entry.name}", START_LIMIT)
    try:
        module: object = watchdog.run(step, entry.load)
    except DeclaredTwice as error:
        owner = whose(error.other, entry_points(group=GROUP))
        raise PluginError(f"plugin {entry.name}: {error}, which {owner} declares") from error
    except WrongDeclaration as error:
        raise PluginError(f"plugin {entry.name}: {error}") from error
    except BaseException as error:  # noqa: BLE001 - a plugin may raise anything
        logger.error("plugin %s cannot be imported: %s", entry.name, origin(error))  # noqa: TRY400
        slow = f"it takes more than {START_LIMIT:.0f} s"
        refused[entry.name] = f"cannot be imported: {slow if step.interrupted else _text(error)}"
        return None
    return module


def _check_version(name: str, distribution: Distribution, version: str) -> None:
    texts = [text for text in distribution.requires or () if text.strip().lower() != "ostiary"]
    if not any(text.lower().startswith("ostiary") for text in texts):
        return
    # Most plugins take any version, and need no parser of versions: 8 ms of a start.
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    for text in texts:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise PluginError(f"plugin {name}: what it requires cannot be read: {error}") from None
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
        # pluggy writes several lines.
        raise PluginError(f"plugin {name}: {' '.join(str(error).split())}") from error
    except Exception as error:
        raise PluginError(f"plugin {name}: {_text(error)}") from error
    for caller in manager.get_hookcallers(module) or ():
        for implementation in caller.get_hookimpls():
            if implementation.plugin is module:
                _check_implementation(name, caller, implementation)


def _check_implementation(name: str, caller: HookCaller, implementation: HookImpl) -> None:
    """Refuse a function that pluggy would call, and the core could not await."""
    assert caller.spec is not None
    asynchronous = inspect.iscoroutinefunction(caller.spec.function)
    if implementation.wrapper or implementation.hookwrapper:
        if caller.name in {*LOGIN_HOOKS, BACKGROUND, ADDRESS}:
            raise PluginError(f"plugin {name}: hook {caller.name} is asked of each, not wrapped")
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
        except BaseException as error:
            raise PluginError(f"plugin {entry.name}: hook {hook} failed: {_text(error)}") from error

    strategies = ask(DECLARED, listed=True, settings=settings) or ()
    storage = ask("ostiary_storage")
    _check_types(entry.name, strategies, storage)
    answering, wrapping = _implemented(manager, module)
    stored, answers = STORED in answering, answering & set(HOOKS)
    if strategies or stored:
        for hook in (*REQUIRED, "ostiary_storage"):
            if hook not in answering:
                raise PluginError(f"plugin {entry.name}: hook {hook} is missing")
    elif answers and DECLARED not in answering:
        raise PluginError(
            f"plugin {entry.name}: hook {min(answers)} would answer for the strategies of others; "
            "without a strategy of its own it must be a wrapper"
        )
    plugin = Plugin(
        name=entry.name,
        distribution=(entry.dist.name if entry.dist else None) or "",
        version=(entry.dist.version if entry.dist else None) or "",
        module=module,
        strategies=strategies,
        storage=storage,
        wraps=_takes_part(answering, wrapping, strategies=bool(strategies or stored or answers)),
        package=package_of(entry.value),
        wire_name=wire_name(entry.name, ask("ostiary_wire_name")),
        settings=settings,
        stores_strategies=stored,
        # Its settings may name no strategy yet: its hooks are then asked for nothing.
        answers=bool(answers),
    )
    declared = ask("ostiary_controllers", listed=True) or ()
    plugin = replace(plugin, controllers=named_on_the_wire(plugin, declared))
    for strategy in strategies:
        if (fault := fault_of_actions(plugin, strategy)) is not None:
            raise PluginError(f"plugin {plugin.name}: ostiary_strategies: {fault}")
    return plugin


def _takes_part(answering: set[str], wrapping: set[str], *, strategies: bool) -> bool:
    """Tell whether a plugin takes part in the logins of others (decision 26)."""
    return bool(answering & LOGIN_HOOKS) or (bool(wrapping & set(REQUIRED)) and not strategies)


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
        if (fault := fault_of(strategy)) is not None:
            raise PluginError(f"plugin {name}: ostiary_strategies: {fault}")
    if storage is not None and not isinstance(storage, Storage):
        raise PluginError(f"plugin {name}: ostiary_storage gave no Storage")


def _text(error: BaseException) -> str:
    """Return what an exception says; it may say anything, or break down over it."""
    try:
        return f"{type(error).__name__}: {error}"[:LONGEST_TEXT]
    except BaseException:  # noqa: BLE001 - it is what a plugin has raised
        return type(error).__name__


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
