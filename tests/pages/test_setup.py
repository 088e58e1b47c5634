"""The first minute: the first administrator is made in a browser, once, by who holds the secret."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ostiary.pages.account.parts import KEYS, PARTS
from ostiary.pages.self_service import OWN_ACCOUNT
from ostiary.testing.packages import badge, installed, steps
from ostiary.testing.registry import registry_of
from ostiary.testing.server import ThrowAwayServer

from .conftest import PASSWORD, SETUP_SECRET, UNSENT_MAIL, NewSite, Site, running
from .visitors import SCREENS, Screen, Visitor

HASTY = """
[security.hashing]
timeCost = 5
memoryCost = 7168

[plugins]
allow = ["local"]

[logging]
access = true
"""

MAIL: dict[str, Any] = {
    "plugins__<name>": {
        "local": {"mail": {**UNSENT_MAIL, "verifyUrl": "https://app.example/verify"}}
    }
}
UNCHECKED: dict[str, Any] = {"setup.own": []}
ADA = {"username": "ada", "password": PASSWORD}


@pytest.fixture
def fresh(new_site: NewSite) -> Site:
    """A server without an administrator, which could send mail."""
    return new_site(**MAIL)


@pytest.fixture(scope="module")
def unowned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server of which nobody becomes the administrator."""
    with running(tmp_path_factory.mktemp("unowned")) as made:
        yield made


@pytest.fixture
def stranger(unowned: Site) -> Iterator[Visitor]:
    with Visitor(unowned.url) as made:
        yield made


@pytest.fixture
def newcomer(fresh: Site) -> Iterator[Visitor]:
    with Visitor(fresh.url) as made:
        yield made


def opened(visitor: Visitor) -> Visitor:
    """Return who has given the setup secret."""
    return visitor.open("/-/setup").send("/-/setup/secret", **{"setup.secret": SETUP_SECRET})


def granted(site: Site) -> dict[str, Any]:
    answer = site.api.call("auth:login", ADA, strategy="local").result
    role = site.api.call("security:getRole", jwt=answer["jwt"], _id="default").result
    actions: dict[str, Any] = role["_source"]["controllers"]["auth"]["actions"]
    return actions


def test_who_holds_the_secret_becomes_the_administrator_and_is_signed_in(
    fresh: Site, newcomer: Visitor
) -> None:
    assert opened(newcomer).soup.select_one('input[name="setup.own"][checked]')
    newcomer.send("/-/setup", **ADA, **{"setup.name": "Ada", "setup.kuid": "ada-1"})
    assert newcomer.path.startswith("/-/setup/welcome")
    assert "The administrator is made." in newcomer.text
    me = fresh.api.call("auth:login", ADA, strategy="local").result
    source = fresh.api.call("auth:getCurrentUser", jwt=me["jwt"]).result["_source"]
    assert (me["_id"], source["name"], source["profileIds"]) == ("ada-1", "Ada", ["admin"])
    # The box for it was left on.
    rights = granted(fresh)
    assert set(OWN_ACCOUNT) <= rights.keys()
    # What the role granted before stays.
    assert rights["updateSelf"] is True
    assert "Users may look after their own account" in newcomer.text
    # Nor is who cannot sign in left alone: strangers may send what strategies declare for them.
    described = fresh.api.call("auth:describeStrategies", jwt=me["jwt"]).result
    forms = [form for strategy in described for form in strategy["forms"]]
    roles = {
        id: fresh.api.call("security:getRole", jwt=me["jwt"], _id=id).result["_source"][
            "controllers"
        ]
        for id in ("anonymous", "default")
    }
    assert {form["signedIn"] for form in forms} == {True, False}
    for form in forms:
        role = roles["default" if form["signedIn"] else "anonymous"]
        assert role[form["controller"]]["actions"][form["action"]] is True
    assert roles["anonymous"]["auth"]["actions"]["login"] is True
    assert newcomer.open("/-/console").status == 200
    fresh.jwt = me["jwt"]
    with Visitor(fresh.url) as user:
        user.sign_in("local", **fresh.credentials(fresh.person("ordinary")))
        assert all(user.open(part.path).status == 200 for part in PARTS if part != KEYS)


def test_without_the_box_users_may_not_and_may_be_allowed_later(
    fresh: Site, newcomer: Visitor
) -> None:
    opened(newcomer).send("/-/setup", **ADA, **UNCHECKED)
    assert not set(OWN_ACCOUNT) & granted(fresh).keys()
    newcomer.send("/-/setup/own-account")
    assert set(OWN_ACCOUNT) <= granted(fresh).keys()
    assert "nothing else" not in newcomer.text


def test_what_users_need_for_their_account_are_actions_that_exist() -> None:
    names = {action.name for action in registry_of("local") if action.controller == "auth"}
    assert set(OWN_ACCOUNT) <= names


def test_a_refusal_is_told_at_its_field_and_costs_nothing_but_what_is_secret(
    stranger: Visitor,
) -> None:
    short = {"username": "ada", "password": "short"}
    opened(stranger).send("/-/setup", **short, **{"setup.name": "<b>Ada</b>"}, **UNCHECKED)
    assert stranger.status == 400
    (field,) = stranger.soup.select("[aria-invalid=true]")
    assert field["name"] == "password"
    fault = stranger.soup.select_one(f'[id="{str(field["aria-describedby"]).split()[0]}"]')
    assert fault is not None
    assert "15" in fault.text
    assert "short" not in str(stranger.soup.select_one("input[name=password]"))
    kept = stranger.filled("/-/setup")
    assert kept["username"] == ["ada"]
    assert kept["setup.name"] == ["<b>Ada</b>"]
    assert "setup.own" not in kept


@pytest.mark.parametrize("secret", ["", "wrong", SETUP_SECRET[:-1], "sécret ☃"])
def test_a_wrong_secret_is_refused_clearly(stranger: Visitor, secret: str) -> None:
    stranger.open("/-/setup").send("/-/setup/secret", **{"setup.secret": secret})
    assert stranger.status == 401
    alert = stranger.soup.select_one("[role=alert]")
    assert alert is not None
    assert "secret" in alert.text
    assert stranger.soup.select('form[action="/-/setup"]') == []


def test_a_link_on_another_site_leads_to_the_form_and_keeps_its_secret(stranger: Visitor) -> None:
    """Were the page loaded once more, what stands behind the # would be lost."""
    stranger.open("/-/setup", **{"Sec-Fetch-Site": "cross-site"})
    assert stranger.form("/-/setup/secret")
    assert stranger.soup.select("meta[http-equiv=refresh]") == []


def test_the_form_alone_opens_nothing(unowned: Site, stranger: Visitor) -> None:
    opened(stranger).send("/-/setup", **ADA, **{"setup.secret": "wrong"})
    assert stranger.status == 401
    assert unowned.api.call("auth:login", ADA, strategy="local").status == 401


def test_the_secret_is_in_no_address_and_in_nothing_that_is_kept(stranger: Visitor) -> None:
    opened(stranger)
    assert SETUP_SECRET not in stranger.path
    assert stranger.answer.headers["cache-control"] == "no-store"
    assert all(SETUP_SECRET not in value for value in stranger.answer.headers.values())
    (field,) = stranger.soup.select(f'[value="{SETUP_SECRET}"]')
    assert field["type"] == "hidden"


def test_who_chooses_a_language_comes_back_to_the_setup(stranger: Visitor) -> None:
    opened(stranger).send("/-/language", language="fr")
    assert stranger.path.startswith("/-/setup")
    assert stranger.form("/-/setup/secret")


def test_a_used_secret_is_refused_clearly(site: Site) -> None:
    with Visitor(site.url) as late:
        opened(late)
        assert late.status == 401
        assert "used up" in late.text
        assert late.soup.select('a[href="/"]')


def test_who_is_signed_in_is_refused_as_clearly(site: Site, visitor: Visitor) -> None:
    visitor.sign_in("local", **site.credentials(site.person("ordinary")))
    visitor.open("/-/setup").send("/-/setup/secret", **{"setup.secret": SETUP_SECRET})
    assert visitor.status == 403
    assert "used up" in visitor.text


def test_who_guesses_is_in_the_audit_log(site: Site) -> None:
    with Visitor(site.url) as guesser:
        guesser.open("/-/setup").send("/-/setup/secret", **{"setup.secret": "a guess"})
    found = site.call("security:searchAuditLog", {"event": "ActionRefused"})["hits"]
    assert "security:createFirstAdmin" in str(found)
    assert "a guess" not in str(found)


def test_an_administrator_is_told_that_there_is_one(site: Site, visitor: Visitor) -> None:
    visitor.sign_in("local", **site.credentials("root"))
    assert "There is an administrator" in visitor.open("/-/setup").text
    assert visitor.soup.select("main form") == []


def test_of_two_browsers_one_wins(fresh: Site) -> None:
    with Visitor(fresh.url) as one, Visitor(fresh.url) as other, ThreadPoolExecutor(2) as threads:
        ready = [(opened(one), "ada"), (opened(other), "eve")]
        sending = [
            threads.submit(visitor.send, "/-/setup", username=name, password=PASSWORD)
            for visitor, name in ready
        ]
        both = [sent.result() for sent in sending]
    winners = [one for one in both if one.path.startswith("/-/setup/welcome")]
    assert len(winners) == 1
    (loser,) = [one for one in both if one not in winners]
    assert loser.status in (401, 412)
    assert "administrator" in loser.text


def test_of_several_strategies_one_is_chosen_and_the_others_are_offered_after(
    new_site: NewSite, tmp_path: Path
) -> None:
    """A strategy that was installed a minute ago is there, whatever it is called."""
    with installed(tmp_path, badge("pass")):
        site = new_site(plugins__allow=["local", "pass"])
        strategies = site.api.call("auth:describeStrategies").result
        labels = [one["label"] for one in strategies]
        with Visitor(site.url) as visitor:
            opened(visitor)
            assert [
                one.text for one in visitor.soup.select("details[name=strategy] > summary")
            ] == labels
            missing = {"setup.strategy": "pass", "setup.name": "Ada"}
            visitor.send("/-/setup", **missing)
            (unfolded,) = visitor.soup.select("details[name=strategy][open] > summary")
            assert unfolded.text == next(
                one["label"] for one in strategies if one["name"] == "pass"
            )
            # The error names no field of it.
            assert "a badge is a text" in visitor.text
            visitor.send("/-/setup", badge="7", **missing)
            assert visitor.path.startswith("/-/setup/welcome")
            offered = {one["href"]: one.text for one in visitor.soup.select("main li a")}
            assert offered == {
                f"/-/account/credentials/{one['name']}/add": one["label"]
                for one in strategies
                if one["name"] != "pass"
            }
            assert visitor.open(str(next(iter(offered)))).status == 200


def test_who_signs_in_by_several_steps_is_asked_for_the_next(
    new_site: NewSite, tmp_path: Path
) -> None:
    with installed(tmp_path, steps()):
        site = new_site(plugins__allow=["steps"])
        with Visitor(site.url) as visitor:
            opened(visitor).send("/-/setup", badge="7")
            visitor.send("/-/sign-in/steps", pin="2468")
            assert visitor.path.startswith("/-/setup/welcome")
            assert "The administrator is made." in visitor.text


def test_dev_asks_for_no_secret_and_closes_the_server_if_it_is_told_to(new_site: NewSite) -> None:
    site = new_site(dev=True)
    with Visitor(site.url) as visitor:
        visitor.open("/-/setup").send("/-/setup", **ADA)
        assert visitor.path.startswith("/-/setup/welcome")
    assert site.api.call("security:searchUsers").status == 401


def test_without_a_strategy_the_page_says_what_to_do(new_site: NewSite) -> None:
    site = new_site(plugins__allow=[])
    with Visitor(site.url) as visitor:
        opened(visitor)
        assert visitor.soup.select("main form") == []
        assert "ostiary plugins" in visitor.text


@pytest.mark.parametrize("name", sorted(SCREENS))
def test_the_first_minute_in_a_browser(
    open_screen: Callable[[str, str], Screen], name: str
) -> None:
    """From the link that a real server prints to the console."""
    with ThrowAwayServer(settings=HASTY) as server:
        (link,) = re.findall(r"http://\S+/-/setup#\S+", server.log)
        secret = link.partition("#")[2]
        screen = open_screen(server.url, name)
        page = screen.open(link.removeprefix(server.url))
        page.get_by_label("User name", exact=True).fill("ada")
        assert secret not in page.url
        page.get_by_label("Password", exact=True).fill("short")
        page.get_by_role("button", name="Become the administrator").click()
        page.locator("[aria-invalid=true]").wait_for()
        screen.look("setup-refused")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_label("Your name").fill("Ada")
        screen.look("setup")
        page.get_by_role("button", name="Become the administrator").click()
        page.wait_for_url("**/-/setup/welcome**")
        screen.look("welcome")
        page.get_by_role("link", name="To the console").click()
        page.wait_for_url("**/-/console")
        page = screen.open(link.removeprefix(server.url))
        page.get_by_text("There is an administrator").first.wait_for()
        screen.look("setup-done")
        assert secret not in server.log.replace(link, "").replace(f"Setup secret: {secret}", "")
