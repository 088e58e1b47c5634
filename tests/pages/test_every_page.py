"""What holds for every page that is declared, whoever looks at it and whatever stands in it.

A page that is added is tested here with the others; what its path has names for may have to be
said in ``hostile``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest
from playwright.sync_api import Browser, Page

from ostiary.testing.packages import badge, installed

from .conftest import PASSWORD, Site, running
from .every import Place, Values, places
from .visitors import EVERY_RULE, SCREENS, Screen, Visitor

EVIL = (
    '<script>window.ran = 1</script><img src=x onerror="window.ran = 1">'
    "{{7*7}}{% raise %}%(x)s{0}</textarea></title>'\"><b onmouseover=alert(1)>`&amp;"
)
"""What would run where it is taken for anything but text."""

BIDI = "\u202e\u2066"
LONGEST = 512
SECRET = "a-name-that-only-who-may-reads"

LARGEST = 100_000
"""Bytes of a page with all that it needs."""

PAGES = places(lambda place: place.verb == "GET")
FORMS = places(lambda place: place.verb == "POST")
CLOSED = [place for place in PAGES if not place.page.public]
# What users may do to their own account they may be granted.
GUARDED = [one for one in PAGES if one.page.needs and not one.path.startswith("/-/account")]

FOLDER = Path(str(files("ostiary.pages") / "templates"))
TEMPLATES = sorted(FOLDER.rglob("*.html"))

FOCUSABLE = "a[href], button, input:not([type=hidden]), select, textarea, summary"
WITHOUT_FOCUS = f"""() => [...document.querySelectorAll({FOCUSABLE!r})].filter(one => {{
    if (one.disabled || !one.checkVisibility()) return false
    one.focus({{focusVisible: true}})
    const style = getComputedStyle(one)
    return document.activeElement !== one || style.outlineStyle === "none"
}}).map(one => one.outerHTML.slice(0, 200))"""

PARTS = {
    "thead, tbody": "rowgroup",
    "tr": "row",
    "thead th": "columnheader",
    "tbody th": "rowheader",
    "td": "cell",
}
LOST_IN_CARDS = """parts => [...document.querySelectorAll("table.cards")].flatMap(table => {
    const heads = [...table.querySelectorAll("thead th")].map(
        one => one.querySelector(".hidden") ? undefined : one.textContent)
    const cells = [...table.tBodies].flatMap(body => [...body.rows]).flatMap(row => [...row.cells]
        .filter((cell, at) => cell.colSpan === 1 && cell.dataset.label !== heads[at]))
    const silent = Object.entries(parts).flatMap(([part, role]) => [...table.querySelectorAll(part)]
        .filter(one => one.getAttribute("role") !== role))
    return [...cells, ...silent]
}).map(one => one.outerHTML.slice(0, 200))"""
"""What is not called as its column is where rows are cards, or has not the role that a table gives."""


@dataclass
class Hostile:
    """A server with such texts wherever there may be any."""

    site: Site
    values: Values
    shown: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    """A server whose users, rights, keys, sessions and strategies are called as attackers wish."""
    folder = tmp_path_factory.mktemp("hostile")
    label = repr(EVIL)
    declared = (
        f'fields=(CredentialField("badge", label={label}, help={label}),), label={label}, '
        f'identifier="badge", refusal={label}, '
    )
    with (
        installed(folder, badge("evil", declared=declared)),
        running(folder, plugins__allow=["local", "evil"]) as site,
    ):
        yield Hostile(site.administer(), fill(site))


def fill(site: Site) -> Values:
    """Make what has such names, and return what stands for the names in paths."""
    id = (EVIL + "x" * LONGEST)[:LONGEST]
    agent = {"User-Agent": EVIL}
    granted = {"auth": {"actions": {"getCurrentUser": True}}}
    site.call("security:createOrReplaceRole", {"controllers": granted}, _id=EVIL)
    rules = {"policies": [{"roleId": EVIL, "restrictedTo": [{"index": EVIL}]}]}
    site.call("security:createOrReplaceProfile", rules, _id=EVIL)
    content = {"profileIds": [EVIL], "name": EVIL + BIDI, EVIL: {EVIL: EVIL}}
    mallory = {"local": {"username": "mallory", "password": PASSWORD}, "evil": {"badge": EVIL}}
    site.call("security:createUser", {"content": content, "credentials": mallory}, _id=id)
    site.call("security:createApiKey", {"description": EVIL + BIDI}, userId=id)
    for password in (PASSWORD, "wrong, of course"):
        credentials = {"username": "mallory", "password": password}
        site.api.send("POST", "/_login/local", credentials, agent)
    root = site.api.send("POST", "/_login/local", site.credentials("root"), agent)
    assert root.status == 200
    site.call("auth:updateSelf", {EVIL: EVIL, "name": EVIL})
    address = {"email": "root@example.org"}
    site.call("security:updateCredentials", address, strategy="local", _id="root")
    key = site.call("auth:createApiKey", {"description": EVIL})
    site.person("nobody")
    site.call("security:createUser", {"content": {"profileIds": ["default"]}}, _id=SECRET)
    return {
        "/": {"strategy": "local", "form": "new-password", "id": "nothing", "place": "0"},
        "/-/account/keys": {"id": key["_id"]},
        # The address, which is not verified.
        "/-/account/credentials": {"place": "1"},
        "/-/console/users": {"id": id, "kuid": id},
        "/-/console/profiles": {"id": EVIL},
        "/-/console/roles": {"id": EVIL},
    }


@pytest.fixture(scope="module")
def administrator(hostile: Hostile) -> Iterator[Visitor]:
    """Who may see everything."""
    with Visitor(hostile.site.url) as made:
        yield made.sign_in("local", username="root", password=PASSWORD)


@pytest.fixture(scope="module")
def powerless(hostile: Hostile) -> Iterator[Visitor]:
    """Somebody with the rights of every user, and no more."""
    with Visitor(hostile.site.url) as made:
        yield made.sign_in("local", username="nobody", password=PASSWORD)


@pytest.fixture(scope="module")
def screen(hostile: Hostile, browser: Browser, axe: str) -> Iterator[Screen]:
    """A browser in which the administrator has signed in."""
    context = browser.new_context(**SCREENS["desktop"])
    screen = Screen(hostile.site.url, "desktop", context, axe)
    screen.page.on("dialog", lambda dialog: screen.troubles.append(dialog.message))
    screen.sign_in("local", username="root", password=PASSWORD)
    yield screen
    context.close()


@pytest.mark.parametrize("place", PAGES, ids=str)
def test_whatever_stands_in_it_a_page_is_one_and_can_be_used(
    place: Place, hostile: Hostile, screen: Screen
) -> None:
    page = screen.open(place.filled(hostile.values))
    check(page, screen)
    assert screen._judged(EVERY_RULE) == []
    assert screen.overflows() == []
    assert page.evaluate(WITHOUT_FOCUS) == []
    assert page.evaluate(LOST_IN_CARDS, PARTS) == []


@pytest.mark.parametrize("path", ["/-/console/roles/", "/-/console/profiles/", "/-/"])
def test_an_error_shows_what_it_tells_as_text(path: str, screen: Screen) -> None:
    page = screen.open(f"{path}{quote('no ' + EVIL, safe='')}")
    check(page, screen)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/-/account",
        "/-/account/credentials",
        "/-/account/keys",
        "/-/console/profiles",
        "/-/console/profiles/{id}",
        "/-/console/roles",
        "/-/console/roles/{id}",
        "/-/console/tokens",
        "/-/console/audit",
    ],
)
def test_such_texts_are_shown_as_they_are(
    path: str, hostile: Hostile, administrator: Visitor
) -> None:
    place = next(place for place in PAGES if place.path == path)
    with Visitor(hostile.site.url) as stranger:
        looking = stranger if path == "/" else administrator
        looking.open(place.filled(hostile.values))
        values = {str(one.get("value")) for one in looking.soup.select("input, textarea")}
        assert EVIL in {*looking.soup.stripped_strings, *values} or EVIL in looking.soup.get_text()


@pytest.mark.parametrize("place", PAGES, ids=str)
def test_a_page_with_all_that_it_needs_is_small(
    place: Place, hostile: Hostile, administrator: Visitor
) -> None:
    administrator.open(place.filled(hostile.values))
    assert len(administrator.answer.content) + assets(administrator) < LARGEST


@pytest.mark.parametrize("place", CLOSED, ids=str)
def test_who_has_not_signed_in_is_asked_to(place: Place, hostile: Hostile) -> None:
    path = place.filled(hostile.values)
    with Visitor(hostile.site.url) as stranger:
        stranger.open(path)
        assert stranger.path.startswith("/?then=")
        assert SECRET not in stranger.answer.text


@pytest.mark.parametrize("place", GUARDED, ids=str)
def test_who_has_not_the_right_sees_nothing(
    place: Place, hostile: Hostile, powerless: Visitor
) -> None:
    powerless.open(place.filled(hostile.values))
    assert powerless.status == 403
    assert SECRET not in powerless.answer.text


@pytest.mark.parametrize("place", FORMS, ids=str)
def test_a_form_is_heard_from_our_own_pages_alone(
    place: Place, hostile: Hostile, administrator: Visitor
) -> None:
    path = place.filled(hostile.values)
    token = administrator.open("/-/account").filled("/-/sign-out")["formToken"]
    ours, client = {"Origin": hostile.site.url}, administrator._client
    heard = [
        client.post(path, data={}, headers=ours),
        client.post(path, data={"formToken": "0" * 64}, headers=ours),
        client.post(path, data={"formToken": token}, headers={"Origin": "https://evil.example"}),
        client.post(path, data={"formToken": token}, headers={"Origin": "null"}),
        client.post(path, json={"formToken": token}, headers=ours),
    ]
    assert {one.status_code for one in heard} <= {400, 403, 415}
    assert administrator.open("/-/account").path == "/-/account"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda one: str(one.relative_to(FOLDER)))
def test_templates_translate_what_is_declared_elsewhere(template: Path) -> None:
    """By ``said``: what ``_()`` returns is not escaped, so it is for constants of templates."""
    text = template.read_text(encoding="utf-8")
    shown = re.findall(r"\{\{(.*?)\}\}|\{% trans (.*?)%\}", text, re.DOTALL)
    shown = ["".join(one) for one in shown]
    declared = [one for one in shown if re.search(r"\.(label|help|done)\b", one)]
    assert [one for one in declared if "said" not in one] == []
    assert [one for one in shown if re.search(r"\b_\((?!['\"])", one)] == []
    assert not re.search(r"\|\s*safe\b|\bstyle=|\bon[a-z]+=[\"']", text)


def check(page: Page, screen: Screen) -> None:
    """See that a page is whole, and that nothing has run in it."""
    assert screen.troubles == []
    assert page.evaluate("window.ran") is None
    assert page.title().strip(" ·")
    assert page.locator("html").get_attribute("lang") == "en"
    for one in ("h1", "main"):
        assert page.locator(one).count() == 1, one


def assets(visitor: Visitor) -> int:
    """Return the size of what a page asks for besides itself."""
    needed = visitor.soup.select("link[href], script[src], img[src]")
    addresses = {str(one.get("href") or one.get("src")) for one in needed}
    return sum(len(httpx2.get(f"{visitor.url}{one}").content) for one in addresses)
