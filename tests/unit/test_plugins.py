"""Plugins as pip leaves them: what is loaded, and what stops the start and why."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import pytest

from ostiary import Call, SettingsError, Strategy, __version__, errors
from ostiary.narrowing import call_of, narrowed
from ostiary.plugin_loading import load_plugins
from ostiary.plugins import PluginError, Plugins, Strategies
from ostiary.request import Connection, Request
from ostiary.services.sessions import Session
from ostiary.testing.packages import Package, badge, installed

BROKEN = Package(name="broken", source="import a_library_that_is_not_there")
WRAPPER = """
from ostiary import hookimpl

@hookimpl(wrapper=True)
def ostiary_verify_credentials(call):
    verdict = yield
    return verdict
"""


class Install(Protocol):
    def __call__(
        self,
        *packages: Package,
        settings: Mapping[str, Any] | None = None,
        allow: list[str] | None = None,
    ) -> Plugins: ...


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Install]:
    """Installs packages and loads them, and no others unless ``allow`` names them."""
    with ExitStack() as stack:

        def install_(
            *packages: Package,
            settings: Mapping[str, Any] | None = None,
            allow: list[str] | None = None,
        ) -> Plugins:
            stack.enter_context(installed(tmp_path, *packages))
            allow = allow or [package.name for package in packages]
            return load_plugins(settings or {}, allow, dev=False, version=__version__)

        yield install_


def names(plugins: Plugins) -> list[str]:
    return [plugin.name for plugin in plugins.loaded]


def test_an_installed_plugin_is_found_with_its_strategies(install: Install) -> None:
    (plugin,) = install(badge()).loaded
    assert (plugin.name, plugin.distribution, plugin.version) == ("badge", "toy-badge", "1.0")
    assert [strategy.name for strategy in plugin.strategies] == ["badge"]
    assert not plugin.wraps


def test_without_a_list_every_installed_plugin_is_loaded(tmp_path: Path) -> None:
    with installed(tmp_path, badge("badge"), badge("card")):
        plugins = load_plugins({}, None, dev=True, version=__version__)
    assert {"badge", "card"} <= set(names(plugins))


def test_with_a_list_the_others_are_not_even_imported(install: Install) -> None:
    """ISO-09"""
    plugins = install(badge(), BROKEN, allow=["badge"])
    assert names(plugins) == ["badge"]
    assert plugins.refused["broken"] == "not among plugins.allow"


def test_what_cannot_be_imported_is_missing_alone_and_loudly(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        plugins = install(badge(), BROKEN)
    assert names(plugins) == ["badge"]
    assert "a_library_that_is_not_there" in plugins.refused["broken"]
    assert "plugin broken cannot be imported" in caplog.text


def test_settings_reach_their_plugin_only(install: Install) -> None:
    settings = {"badge": {"door": "north"}, "card": {"door": "south"}}
    plugins = install(badge("badge"), badge("card"), settings=settings)
    given = {plugin.name: vars(plugin.module)["given"] for plugin in plugins.loaded}
    assert given == {
        "badge": {"door": "north", "dev": False},
        "card": {"door": "south", "dev": False},
    }


FORMS = """
from ostiary import Controller, Form
from typing import TypedDict

class New(TypedDict):
    phrase: str
    code: str

class Name(TypedDict):
    name: str

lost = Controller("lost")

@lost.action()
async def reset(body: New):
    return {}

@lost.action(signed_in=True)
async def mine(body: New):
    return {}

@lost.action(signed_in=True)
async def verify(body: Name):
    return {}

@lost.action()
async def listed():
    return []

@hookimpl
def ostiary_controllers():
    return [lost]
"""


@pytest.mark.parametrize(
    "form, told",
    [
        ("'lost:find', fields=('phrase',), code='code'", "there is no action 'lost:find'"),
        ("'lost:mine', fields=('phrase',), code='code'", "for who has signed in"),
        ("'lost:listed'", "more than a body, or none"),
        ("'lost:reset', fields=('phrase', 'name'), code='code'", "has no 'name'"),
        ("'lost:reset', fields=('phrase',)", "lacks 'code'"),
        ("'lost:reset', fields=('phrase',), code='code', **MINE", "for everybody"),
        ("'lost:verify', **MINE", "lacks 'name'"),
        ("'lost:verify', **MINE, value='badge'", "has no 'badge'"),
    ],
)
def test_a_form_that_its_action_could_not_answer_stops_the_start(
    install: Install, form: str, told: str
) -> None:
    wrong = ("Strategy(", f"Strategy(forms=(Form(name='lost', label='Lost', action={form}),), ")
    mine = "MINE = {'beside': ('badge',), 'signed_in': True}"
    source = badge().source.replace(*wrong) + FORMS + mine
    with pytest.raises(PluginError, match=f"form 'lost': .*{told}"):
        install(Package(name="badge", source=source))


EACH = """
from ostiary import Controller, Each

held = Controller("held")

@held.action(signed_in=True)
async def mine():
    return {}

@held.action(signed_in=True)
async def give_up(strategy: str, badge: str, force: bool = False):
    return {}

@held.action()
async def anybodys(strategy: str, badge: str, force: bool = False):
    return {}

@held.action()
async def theirs(id: str):
    return {}

@held.action()
async def take(id: str, strategy: str, badge: str, force: bool = False):
    return {}

@hookimpl
def ostiary_controllers():
    return [held]

NAMED = {"member": "held", "named_by": ("badge",), "mine": "held:mine", "give_up": "held:giveUp",
         "theirs": "held:theirs", "take": "held:take"}
"""


@pytest.mark.parametrize(
    "change, told",
    [
        ("'take': 'held:find'", "there is no action 'held:find'"),
        ("'mine': 'held:theirs'", "held:theirs wants '_id'"),
        ("'give_up': 'held:take'", "held:take wants '_id'"),
        ("'take': 'held:giveUp'", "held:giveUp takes no '_id'"),
        ("'named_by': ('number',)", "held:giveUp takes no 'number'"),
        ("'give_up': 'held:anybodys'", "held:anybodys is for everybody"),
    ],
)
def test_actions_that_could_give_up_none_of_several_stop_the_start(
    install: Install, change: str, told: str
) -> None:
    def declared(named: str) -> Package:
        source = badge().source.replace(
            "Strategy(", f"Strategy(several=True, each=Each(**{named}), "
        )
        return Package(name="badge", source=source + EACH)

    with pytest.raises(PluginError, match=f"each: {told}"):
        install(declared(f"{{**NAMED, {change}}}"))


def test_each_of_several_is_given_up_by_actions_of_the_plugin(install: Install) -> None:
    source = badge().source.replace("Strategy(", "Strategy(several=True, each=Each(**NAMED), ")
    plugins = install(Package(name="badge", source=source + EACH))
    assert [one.name for one in plugins.loaded] == ["badge"]


def test_a_form_may_be_for_who_is_signed_in(install: Install) -> None:
    form = "name='it', action='lost:verify', label='It', value='name', **MINE"
    source = badge().source.replace("Strategy(", f"Strategy(forms=(Form({form}),), ")
    source += FORMS + "MINE = {'beside': ('badge',), 'signed_in': True}"
    plugins = install(Package(name="badge", source=source))
    assert [one.name for one in plugins.loaded] == ["badge"]


def test_a_wrong_setting_stops_the_start_and_is_named_with_its_table(install: Install) -> None:
    source = badge().source.replace("given.update(settings)", "read_settings(settings, Doors)")
    source += "\nfrom dataclasses import dataclass\n@dataclass\nclass Doors:\n    door: str = ''\n"
    settings = {"badge": {"dor": "north"}}
    with pytest.raises(SettingsError, match=r"plugins\.badge\.dor .*door"):
        install(Package(name="badge", source=source), settings=settings)


def test_settings_for_nobody_are_told(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    install(badge(), settings={"bagde": {}})
    assert "'bagde', which is not installed" in caplog.text


SYNC = (
    "@hookimpl\nasync def ostiary_get_credentials(strategy, store, kuid):",
    """@hookimpl
def ostiary_get_credentials(strategy, store, kuid):
    return None

async def unused(strategy, store, kuid):""",
)
ASYNC = "@hookimpl\ndef ostiary_strategies", "@hookimpl\nasync def ostiary_strategies"
MISSING = "@hookimpl\nasync def ostiary_get", "async def ostiary_get"
NO_STORAGE = "@hookimpl\ndef ostiary_storage", "def ostiary_storage"
ONLY_WRAPS = (
    "@hookimpl\nasync def ostiary_get_credentials(strategy, store, kuid):",
    """@hookimpl(wrapper=True)
def ostiary_get_credentials(strategy, store, kuid):
    return (yield)

async def unused(strategy, store, kuid):""",
)
UNKNOWN_HOOK = "async def ostiary_get_credentials", "async def ostiary_got_credentials"
UNKNOWN_ARGUMENT = "ostiary_get_credentials(strategy", "ostiary_get_credentials(stratagem"
NO_STRATEGY = "return [Strategy(", "return ['badge'] or [Strategy("
NO_LIST = "return [Strategy(", "return 5 or [Strategy("
BAD_FIELD = 'fields=("badge",)', 'fields=("badge", "challenge")'
BAD_NAME = 'Strategy(name="badge"', 'Strategy(name="Badge!"'
BAD_STORAGE = "return Storage(", "return 'everywhere' or Storage("
RAISES = "given.update(settings)", "raise ValueError('the door is stuck')"


@pytest.mark.parametrize(
    "change, told",
    [
        (SYNC, ["ostiary_get_credentials", "must be declared with async def"]),
        (ASYNC, ["ostiary_strategies", "must not be declared with async def"]),
        (MISSING, ["ostiary_get_credentials", "missing"]),
        (NO_STORAGE, ["ostiary_storage", "missing"]),
        (ONLY_WRAPS, ["ostiary_get_credentials", "missing"]),
        (UNKNOWN_HOOK, ["ostiary_got_credentials"]),
        (UNKNOWN_ARGUMENT, ["ostiary_get_credentials", "stratagem"]),
        (NO_STRATEGY, ["ostiary_strategies", "'badge' is no Strategy"]),
        (NO_LIST, ["ostiary_strategies", "TypeError"]),
        (BAD_FIELD, ["strategy badge", "the server itself reads 'challenge'"]),
        (BAD_NAME, ["'Badge!' cannot name a strategy"]),
        (BAD_STORAGE, ["ostiary_storage gave no Storage"]),
        (RAISES, ["ostiary_strategies", "the door is stuck"]),
    ],
)
def test_a_wrong_declaration_stops_the_start_and_is_named(
    install: Install, change: tuple[str, str], told: list[str]
) -> None:
    source = badge().source
    assert source.count(change[0]) == 1
    with pytest.raises(PluginError) as stopped:
        install(Package(name="badge", source=source.replace(*change)))
    for words in ["badge", *told]:
        assert words in str(stopped.value)


def test_a_strategy_belongs_to_one_plugin(install: Install) -> None:
    twin = Package(name="twin", source=badge().source)
    with pytest.raises(PluginError, match="badge and twin both declare the strategy 'badge'"):
        install(badge(), twin)


def test_a_name_belongs_to_one_package(install: Install, tmp_path: Path) -> None:
    """ISO-08"""
    other = tmp_path / "toy_other-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-other\nVersion: 1.0\n")
    (other / "entry_points.txt").write_text("[ostiary]\nbadge = toy_badge\n")
    with pytest.raises(PluginError, match="two packages bring a plugin named 'badge'"):
        install(badge())


@pytest.mark.parametrize("name", ["Badge", "1badge", "core", "ba-dge", "b" * 32])
def test_a_name_that_could_not_stand_in_sql_is_refused(install: Install, name: str) -> None:
    """ISO-08"""
    with pytest.raises(PluginError, match=re.escape(repr(name))):
        install(Package(name=name, source=badge().source))


@pytest.mark.parametrize(
    "requirement",
    ["ostiary>=99", "Ostiary (>=99)", "ostiary==0.0.1", "ostiary>99;python_version>'3'"],
)
def test_a_plugin_that_needs_another_ostiary_stops_the_start(
    install: Install, requirement: str
) -> None:
    with pytest.raises(PluginError, match=rf"plugin badge needs ostiary .*{__version__}"):
        install(Package(name="badge", source=badge().source, requires=(requirement,)))


@pytest.mark.parametrize(
    "requirement", ["ostiary", f"ostiary>={__version__}", "ostiary>99;extra=='x'", "ostia>99"]
)
def test_a_plugin_that_needs_this_ostiary_is_loaded(install: Install, requirement: str) -> None:
    package = Package(name="badge", source=badge().source, requires=(requirement,))
    assert names(install(package)) == ["badge"]


def test_a_plugin_without_a_strategy_may_wrap_the_hooks_of_others(install: Install) -> None:
    plugins = install(badge(), Package(name="second", source=WRAPPER))
    assert {plugin.name: plugin.wraps for plugin in plugins.loaded} == {
        "badge": False,
        "second": True,
    }


ANSWER = """
@hookimpl
async def ostiary_verify_credentials(call):
    return None
"""
ASYNC_WRAPPER = """
@hookimpl(wrapper=True)
async def ostiary_verify_credentials(call):
    return await call
"""


@pytest.mark.parametrize(
    "source, told",
    [(ANSWER, "would answer for the strategies of others"), (ASYNC_WRAPPER, "not a generator")],
)
def test_a_plugin_without_a_strategy_can_do_nothing_but_wrap(
    install: Install, source: str, told: str
) -> None:
    with pytest.raises(PluginError, match=told) as stopped:
        install(badge(), Package(name="second", source="from ostiary import hookimpl" + source))
    assert "second" in str(stopped.value)
    assert "ostiary_verify_credentials" in str(stopped.value)


@pytest.mark.parametrize("api_key", [False, True])
def test_a_plugin_is_told_which_session_calls_and_of_no_api_key(*, api_key: bool) -> None:
    request = Request("auth", "logout", {}, None, None, Connection("http", ""), "1")
    assert call_of(request).session is None
    account: Any = SimpleNamespace(kuid="ann")
    request.session = Session(b"", account, None, "badge", id="an id", api_key=api_key)
    assert call_of(request).session == (None if api_key else "an id")


def test_no_strategy_is_shown_a_token_or_what_is_another_ones() -> None:
    """ISO-15"""
    wanted = ("authorization", "cookie", "x-ostiary-setup", "x-door")
    headers = {name.encode(): b"some value" for name in (*wanted, "x-other")}
    headers[b"authorization"] = b"Bearer some value"
    args = {"badge": "1", "password": "of another strategy"}
    connection = Connection("http", "127.0.0.1", headers)
    request = Request("auth", "login", args, None, "kauth-token", connection, "1")
    strategy = Strategy(name="badge", fields=("badge",), headers=wanted)
    call = narrowed(call_of(request), strategy)
    assert (call.args, call.headers) == ({"badge": "1"}, {"x-door": "some value"})
    assert "some value" not in repr(call)
    assert "kauth-token" not in repr(request)
    assert "some value" not in repr(connection)


def seen_by(strategy: Strategy, headers: Mapping[bytes, bytes], *, proxied: bool = False) -> Any:
    connection = Connection("http", "127.0.0.1", headers, proxied=proxied)
    request = Request("auth", "login", {}, None, None, connection, "1")
    return narrowed(call_of(request), strategy).headers


@pytest.mark.parametrize("scheme", ["Negotiate", "Basic", "negotiate", "SCRAM-SHA-256"])
def test_a_strategy_may_ask_for_the_authorization_of_another_scheme(scheme: str) -> None:
    headers = {b"authorization": f"{scheme} YWJj".encode()}
    asking = Strategy(name="badge", headers=("authorization",))
    assert seen_by(asking, headers) == {"authorization": f"{scheme} YWJj"}
    assert seen_by(Strategy(name="badge"), headers) == {}


@pytest.mark.parametrize(
    "given",
    [
        *("Bearer abc", "bearer  abc", "BEARER abc", "Bearer\tabc", "Bearer", "", " Bearer abc"),
        *("kauth-abc", "Token kauth-abc", "Basic kapikey-abc", "Negotiate", "abc"),
    ],
)
def test_no_strategy_is_shown_what_may_be_a_token(given: str) -> None:
    """ISO-15"""
    asking = Strategy(name="badge", headers=("authorization",))
    assert seen_by(asking, {b"authorization": given.encode()}) == {}


def test_the_word_of_a_proxy_is_shown_only_if_a_trusted_one_gave_it() -> None:
    asking = Strategy(name="badge", proxy_headers=("x-ssl-client-cert",))
    headers = {b"x-ssl-client-cert": b"a certificate"}
    assert seen_by(asking, headers) == {}
    assert seen_by(asking, headers, proxied=True) == {"x-ssl-client-cert": "a certificate"}
    assert seen_by(Strategy(name="card"), headers, proxied=True) == {}


@pytest.mark.anyio
async def test_a_plugin_whose_settings_name_no_strategy_is_asked_for_nobodys(
    install: Install,
) -> None:
    idle = badge("idle", REFRESH.format("return 9000"))
    source = idle.source.replace("return [Strategy(", "return []\n    return [Strategy(")
    strategies = asked(install, "return 1000", replace(idle, source=source))
    assert list(strategies) == ["badge"]
    assert await strategies.renew("badge", "ann", CALL) == 1000
    assert strategies.of("idle") == {}


REFRESH = """
@hookimpl
async def ostiary_refresh_session(strategy, kuid, call):
    {}
"""
CALL = Call(kuid="ann")


def asked(install: Install, code: str, *others: Package) -> Strategies:
    """Return the strategies of a plugin that does this when a session is refreshed."""
    plugins = install(badge(extra=REFRESH.format(code)), *others)
    stores: Any = {plugin.name: None for plugin in plugins.loaded}
    return Strategies(plugins, stores)


@pytest.mark.anyio
async def test_a_strategy_without_a_say_in_refreshes_agrees(install: Install) -> None:
    strategies = asked(install, "return 1000", badge("card"))
    assert await strategies.renew("card", "ann", CALL) is None
    assert await strategies.renew("badge", "ann", CALL) == 1000


@pytest.mark.anyio
@pytest.mark.parametrize(
    "told, wanted", [("None", None), ("5000", 5000), ("-1", -1), ("'2h'", 7_200_000)]
)
async def test_a_strategy_tells_how_long_a_refreshed_token_lives(
    install: Install, told: str, wanted: int | None
) -> None:
    assert await asked(install, f"return {told}").renew("badge", "ann", CALL) == wanted


@pytest.mark.anyio
@pytest.mark.parametrize("told", ["0", "-2", "{}", "True", "'soon'", "float('nan')", "b'2h'"])
async def test_what_is_no_lifetime_refreshes_nothing(install: Install, told: str) -> None:
    """ISO-10"""
    with pytest.raises(errors.PluginUnexpectedError):
        await asked(install, f"return {told}").renew("badge", "ann", CALL)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "refusal", ["RefreshForbidden('It')", "LoginRefused('x')", "MissingRights('x')"]
)
async def test_a_strategy_may_refuse_a_refresh(install: Install, refusal: str) -> None:
    with pytest.raises(errors.RefreshForbidden) as caught:
        await asked(install, f"raise errors.{refusal}").renew("badge", "ann", CALL)
    assert caught.value.props == ["A session of badge"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "failure, error",
    [
        ("OSError('secret')", errors.PluginUnexpectedError),
        ("errors.ServiceUnavailable('the provider')", errors.ServiceUnavailable),
    ],
)
async def test_a_strategy_that_fails_refreshes_nothing(
    install: Install, failure: str, error: type[errors.OstiaryError]
) -> None:
    """ISO-10, AUTH-16: nor does one whose provider cannot be reached."""
    with pytest.raises(error) as caught:
        await asked(install, f"raise {failure}").renew("badge", "ann", CALL)
    assert "secret" not in str(caught.value)


def test_no_plugin_decides_on_the_sessions_of_others(install: Install) -> None:
    source = "from ostiary import errors, hookimpl\n" + REFRESH.format("return -1")
    with pytest.raises(PluginError, match="ostiary_refresh_session would answer for"):
        install(Package(name="meddler", source=source))
