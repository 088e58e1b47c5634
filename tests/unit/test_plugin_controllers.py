"""Actions, names, errors and hooks of plugins: what stops the start, and with which words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ostiary import __version__, hookspecs
from ostiary.errors import CATALOGUE
from ostiary.plugin_controllers import check_names
from ostiary.plugin_loading import load_plugins
from ostiary.plugins import PluginError, Plugins
from ostiary.testing.packages import Package, badge, installed

Install = Callable[..., Plugins]

GATE = """
gate = Controller("{controller}")

@gate.action({routes})
{define} {name}({parameters}):
    return True

@hookimpl
def ostiary_controllers():
    return {returned}
"""
WIRE = """
@hookimpl
def ostiary_wire_name():
    return {!r}
"""
VERSION = """
@hookimpl
def ostiary_hooks_version():
    return {!r}
"""


def gate(
    routes: str = "GET('/open')",
    parameters: str = "",
    *,
    controller: str = "gate",
    define: str = "async def",
    name: str = "open_gate",
    returned: str = "[gate]",
) -> str:
    return GATE.format(
        controller=controller,
        routes=routes,
        parameters=parameters,
        define=define,
        name=name,
        returned=returned,
    )


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Install]:
    """Installs packages, and loads them alone."""
    with ExitStack() as stack:

        def install_(*packages: Package) -> Plugins:
            stack.enter_context(installed(tmp_path, *packages))
            allow = [package.name for package in packages]
            plugins = load_plugins({}, allow, dev=False, version=__version__)
            check_names(plugins.loaded, {"auth", "ms"})
            return plugins

        yield install_


def test_an_action_is_named_after_its_plugin_and_has_both_routes_of_kuzzle(
    install: Install,
) -> None:
    """Contract, 2.2; decision 10."""
    source = gate("POST('/gates/{_id}')", "id: str") + WIRE.format("the-badge")
    (plugin,) = install(badge(extra=source)).loaded
    (controller,) = plugin.controllers
    (action,) = controller.actions
    assert (plugin.wire_name, controller.name) == ("the-badge", "the-badge/gate")
    assert (action.controller, action.name) == ("the-badge/gate", "openGate")
    assert [(route.verb, route.path) for route in action.routes] == [
        ("POST", "/_plugin/the-badge/gates/{_id}"),
        ("POST", "/_/gates/{_id}"),
    ]


def test_without_a_name_of_its_own_a_plugin_is_called_by_its_entry_point(install: Install) -> None:
    (plugin,) = install(badge(extra=gate())).loaded
    assert plugin.wire_name == "badge"
    assert plugin.controllers[0].name == "badge/gate"


@pytest.mark.parametrize(
    "source, told",
    [
        (gate(parameters="services"), "'services', which no plugin is given"),
        (gate(parameters="request"), "'request', which no plugin is given"),
        (gate(define="def"), "must be declared with async def"),
        (gate("GET('/gates/{name}')"), "no argument 'name'"),
        (gate("GET('gates')"), "the path 'gates'"),
        (gate("GET('/gates?x=1')"), "the path '/gates?x=1'"),
        (gate("GET('/..')"), "the path '/..'"),
        (gate("GET('/../_me')"), "the path '/../_me'"),
        (gate("Route('FETCH', '/gates')"), "the verb 'FETCH'"),
        (gate(controller="a/b"), "'a/b' cannot name a controller"),
        (gate(name="_hidden"), "a name that no action can have"),
        (gate(returned="[gate, gate]"), "is declared twice"),
        (gate(returned="['gate']"), "'gate', no Controller"),
        (gate(returned="5"), "ostiary_controllers failed: TypeError"),
        (gate("GET('/a'), GET('/a')"), "both declare the route GET /_plugin/badge/a"),
        (gate(parameters="wide"), "'wide' has no type"),
        (gate(parameters="wide: set"), "can be of the type <class 'set'>"),
        (gate(parameters="**rest: str"), "'rest' has no type"),
        (WIRE.format("Badge/x"), "ostiary_wire_name gave 'Badge/x'"),
        (WIRE.format(7), "ostiary_wire_name gave 7"),
        (WIRE.format("auth"), "the server itself are both called 'auth'"),
        (WIRE.format("ms"), "the server itself are both called 'ms'"),
        ("errors.NotFoundError.declare('plugin.card.x', 0x04_01_0001, '')", "'plugin.badge.'"),
        ("errors.NotFoundError.declare('plugin.badge.x', 0x07_01_FF01, '')", "begin with 0x04"),
        (
            "errors.NotFoundError.declare('plugin.badge.x', 0x07_01_0001, '')",
            "which the server itself declares",
        ),
    ],
)
def test_what_no_plugin_may_declare_stops_the_start_and_is_named(
    install: Install, source: str, told: str
) -> None:
    """ISO-15, among others."""
    with pytest.raises(PluginError) as stopped:
        install(badge(extra=source))
    assert told in str(stopped.value)
    assert "badge" in str(stopped.value)


def test_an_action_asks_for_a_store_only_where_there_is_one(install: Install) -> None:
    source = "from ostiary import *\n" + gate(parameters="store")
    with pytest.raises(PluginError, match="asks for a store"):
        install(Package(name="gate", source=source))
    assert install(Package(name="door", source=source.replace("store", "call"))).loaded


def test_two_plugins_do_not_share_a_name_on_the_wire(install: Install) -> None:
    with pytest.raises(PluginError) as stopped:
        install(badge(), badge("card", extra=WIRE.format("badge")))
    assert "plugin card and plugin badge are both called 'badge'" in str(stopped.value)


def test_two_plugins_do_not_share_a_route(install: Install) -> None:
    one, other = gate("GET('/gates/{a}')", "a: str"), gate("GET('/gates/{b}')", "b: str")
    with pytest.raises(PluginError) as stopped:
        install(badge(extra=one), badge("card", extra=other))
    assert "plugin card and plugin badge both declare the route GET /_/gates/{b}" in str(
        stopped.value
    )


@pytest.mark.parametrize("id, code", [("plugin.card.x", 0x04_01_0001), ("plugin.badge.x", 5)])
def test_two_plugins_do_not_share_an_error(install: Install, id: str, code: int) -> None:
    declared = "errors.NotFoundError.declare({!r}, {}, 'It is not there.')"
    one = badge(extra=declared.format("plugin.badge.x", 0x04_01_0001))
    with pytest.raises(PluginError) as stopped:
        install(one, badge("card", extra=declared.format(id, code)))
    told = str(stopped.value)
    assert "plugin card: the error" in told
    assert "which the plugin badge declares" in told


def test_an_error_knows_who_declared_it(install: Install) -> None:
    install(badge(extra="errors.NotFoundError.declare('plugin.badge.x', 0x04_01_0001, '')"))
    assert CATALOGUE["plugin.badge.x"].__module__ == "toy_badge"
    assert CATALOGUE["security.token.invalid"].__module__ == "ostiary.errors"


def test_a_plugin_is_of_the_first_hooks_unless_it_says_otherwise(install: Install) -> None:
    versions = [
        plugin.hooks for plugin in install(badge(), badge("card", VERSION.format(1))).loaded
    ]
    assert versions == [1, 1]


@pytest.mark.parametrize(
    "version, told",
    [
        (hookspecs.HOOKS_VERSION + 1, "upgrade ostiary"),
        (hookspecs.OLDEST_HOOKS - 1, "upgrade the package toy-badge"),
        ("1", "gave '1', no number"),
        (True, "gave True, no number"),
    ],
)
def test_hooks_that_this_server_does_not_speak_are_refused_with_what_to_upgrade(
    install: Install, version: object, told: str
) -> None:
    with pytest.raises(PluginError) as stopped:
        install(badge(extra=VERSION.format(version)))
    assert told in str(stopped.value)


def test_the_version_is_looked_at_before_what_it_may_explain(install: Install) -> None:
    """A plugin of newer hooks implements some that are not there; that is not what is told."""
    source = VERSION.format(2) + "\n@hookimpl\nasync def ostiary_smell(): ...\n"
    with pytest.raises(PluginError, match="upgrade ostiary"):
        install(badge(extra=source))


def test_who_keeps_strategies_as_data_needs_every_hook_of_a_strategy(install: Install) -> None:
    source = """
from ostiary import hookimpl

@hookimpl
async def ostiary_stored_strategies(store):
    return []
"""
    with pytest.raises(PluginError, match="ostiary_verify_credentials is missing"):
        install(Package(name="keeper", source=source))
