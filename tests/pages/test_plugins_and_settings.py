"""The console shows what is installed and how it does, and what is set, without a secret."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ostiary.settings import described_settings
from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.wire import HttpApi

from .conftest import PASSWORD, SETUP_SECRET, Site
from .visitors import SCREENS, Screen, Visitor

SETTINGS, PLUGINS = "/-/console/settings", "/-/console/plugins"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def admin(visitor: Visitor, site: Site) -> Visitor:
    return visitor.sign_in("local", **site.credentials("root"))


def keys(visitor: Visitor) -> list[str]:
    return [one.text for one in visitor.soup.select("h3 code")]


def test_every_setting_is_shown_with_where_it_was_given(admin: Visitor) -> None:
    admin.open(SETTINGS)
    declared = [one.key for one in described_settings() if not one.alias and "<" not in one.key]
    assert sorted(keys(admin)) == sorted(declared)
    tables = [one.text for one in admin.soup.select("h2 code")]
    assert len(tables) == len(set(tables))
    assert "on the command line, by --port" in admin.text
    assert SETUP_SECRET not in admin.answer.text
    assert "********" in admin.text


def test_durations_and_sizes_are_told_in_units(admin: Visitor) -> None:
    admin.open(f"{SETTINGS}?q=expiresIn")
    assert "Value 7200000 (2 h) Given" in admin.text
    admin.open(f"{SETTINGS}?q=maxRequestSize")
    assert "Value 1048576 (1.0 MiB) Given" in admin.text
    admin.open(f"{SETTINGS}?q=authToken.maxTTL")
    assert "Value -1 (without end) Given" in admin.text
    admin.open(f"{SETTINGS}?q=server.port")
    assert "Value 0 Given" in admin.text


def test_settings_are_found_by_words_and_by_whether_they_were_given(admin: Visitor) -> None:
    admin.open(f"{SETTINGS}?q=hashing+MEMORY")
    assert "security.hashing.memoryCost" in keys(admin)
    assert "server.port" not in keys(admin)
    admin.open(f"{SETTINGS}?q=server&given=yes")
    assert "server.port" in keys(admin)
    assert "server.host" not in keys(admin)


def test_what_is_searched_for_stays_text(admin: Visitor) -> None:
    admin.open(SETTINGS).answer.raise_for_status()
    admin.open(f"{SETTINGS}?q={HOSTILE}")
    assert keys(admin) == []
    assert HOSTILE not in admin.answer.text
    assert admin.one("#q")["value"] == HOSTILE


def test_a_script_gets_what_it_asks_for_and_no_whole_page(admin: Visitor) -> None:
    admin.open(f"{SETTINGS}?q=port", **{"HX-Request": "true"})
    assert "server.port" in keys(admin)
    assert admin.soup.select("h1, main") == []


def test_a_plugin_is_shown_with_its_strategies_its_users_and_its_commands(
    admin: Visitor, site: Site
) -> None:
    told = site.call("server:describePlugins")["plugins"]
    admin.open(PLUGINS)
    sections = {one["aria-labelledby"]: one for one in admin.soup.select("main section")}
    assert set(sections) == {f"plugin-{one['name']}" for one in told}
    (loaded,) = [one for one in told if one["state"] == "loaded"]
    shown = sections[f"plugin-{loaded['name']}"]
    assert loaded["strategies"][0]["label"] in shown.text
    assert f"ostiary plugins disable {loaded['name']}" in shown.text
    assert "No administrator could sign in." in shown.text
    others = [one for one in told if one["state"] != "loaded"]
    for other in others:
        assert "not among plugins.allow" in sections[f"plugin-{other['name']}"].text


def test_who_has_no_right_sees_neither(visitor: Visitor, site: Site) -> None:
    site.person("plain")
    visitor.sign_in("local", **site.credentials("plain"))
    for path in (SETTINGS, PLUGINS):
        assert visitor.open(path).status == 403
        assert visitor.soup.select(f'a[href="{path}"]') == []


def test_the_right_to_one_of_them_shows_that_one(visitor: Visitor, site: Site) -> None:
    site.person("reader", site.role("reader", auth=["*"], server=["describeSettings"]))
    visitor.sign_in("local", **site.credentials("reader"))
    assert visitor.open(SETTINGS).status == 200
    assert visitor.open(PLUGINS).status == 403


@pytest.fixture(scope="module")
def lively() -> Iterator[str]:
    """A server with every plugin that is installed, whose pages are open to everybody."""
    with ThrowAwayServer(dev=True) as server:
        api = HttpApi(server.port)
        fields = {"username": "root", "password": PASSWORD}
        api.call("security:createFirstAdmin", {"credentials": {"local": fields}})
        yield server.url
        api.close()


@pytest.mark.parametrize("name", sorted(SCREENS))
def test_both_in_a_browser(
    lively: str, open_screen: Callable[[str, str], Screen], name: str
) -> None:
    screen = open_screen(lively, name)
    page = screen.open(PLUGINS)
    screen.look("plugins")
    page = screen.open(SETTINGS)
    screen.look("settings")
    page.get_by_role("searchbox").fill("maxTTL")
    page.get_by_text("2 settings").wait_for()
    assert page.locator("h3 code").all_inner_texts() == [
        "security.authToken.maxTTL",
        "security.apiKey.maxTTL",
    ]
    page.get_by_role("searchbox").fill("nothing is called so")
    page.get_by_text("There is no such setting.").wait_for()
    assert page.locator("h3 code").count() == 0
