"""The audit log in the console: looked through, and followed while it is written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from ostiary.events import kinds
from ostiary.pages.console.audit_log import KEPT, SIZE
from ostiary.pages.console.happenings import NAMES

from .conftest import PASSWORD, Site
from .visitors import Screen, Visitor

HOSTILE = "<script>alert(1)</script>"
HTMX = {"HX-Request": "true"}

POLLED = 2_000
"""Milliseconds after which a page that follows the log asks for more."""


@pytest.fixture
def auditor(site: Site, visitor: Visitor) -> Visitor:
    return visitor.sign_in("local", username="root", password=PASSWORD)


def rows(visitor: Visitor) -> list[str]:
    return [" ".join(row.get_text(" ").split()) for row in visitor.soup.select("tbody tr")]


def fail(site: Site, name: str, agent: str = "a test") -> None:
    fields = {"username": name, "password": "wrong"}
    site.api.send("POST", "/_login/local", fields, {"User-Agent": agent})


def test_every_event_has_a_name() -> None:
    assert NAMES.keys() == kinds().keys()


def test_entries_are_shown_with_their_details(site: Site, auditor: Visitor) -> None:
    site.person("ann")
    fail(site, "ann", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")
    auditor.open("/-/console/audit?event=SignInRefused&user=ann")
    (row,) = rows(auditor)
    assert "Sign-in refused wrong password" in row
    assert "Firefox 128 on Linux" in row
    assert auditor.soup.select_one("tbody time[datetime]")
    assert auditor.one("option[selected]").get("value") == "SignInRefused"


def test_a_row_says_which_action_was_refused(site: Site, auditor: Visitor) -> None:
    site.api.call("security:deleteProfile", jwt=site.jwt, _id="admin")
    auditor.open("/-/console/audit?event=ActionRefused&user=admin")
    assert (
        "Action refused security:deleteProfile security.profile.cannot_delete" in rows(auditor)[0]
    )


@pytest.mark.parametrize(
    "query, found",
    [
        ("user=bob", True),
        ("user=nobody", False),
        ("author=root&user=bob", True),
        ("author=bob", False),
        ("user=bob&strategy=local", True),
        ("user=bob&strategy=none", False),
        ("user=bob&address=127.0.0.1", True),
        ("user=bob&address=198.51.100.1", False),
        ("user=bob&since={today}&until={today}", True),
        ("user=bob&since={tomorrow}", False),
        ("user=bob&until={yesterday}", False),
        ("user=bob&since=whenever&until=9999-12-31", True),
    ],
)
def test_filters_narrow_what_is_shown(
    site: Site, auditor: Visitor, query: str, *, found: bool
) -> None:
    if site.api.call("security:getUser", jwt=site.jwt, _id="bob").status == 404:
        site.person("bob")
        site.api.call("auth:login", site.credentials("bob"), strategy="local")
    now = datetime.now(UTC)
    days = {
        "today": now.date(),
        "tomorrow": (now + timedelta(days=2)).date(),
        "yesterday": (now - timedelta(days=2)).date(),
    }
    auditor.open(f"/-/console/audit?{query.format(**days)}")
    assert auditor.status == 200
    assert bool(rows(auditor)) == found


def test_one_goes_back_page_by_page(site: Site, auditor: Visitor) -> None:
    site.person("carl")
    for number in range(SIZE + 1):
        site.call("security:updateUser", {"number": number}, _id="carl")
    auditor.open("/-/console/audit?user=carl")
    first = auditor.soup.select("tbody tr")
    assert len(first) == SIZE
    (older,) = [link for link in auditor.soup("a") if link.get_text() == "Older"]
    auditor.open(str(older["href"]))
    second = auditor.soup.select("tbody tr")
    assert len(second) == 2
    assert not {row["id"] for row in first} & {row["id"] for row in second}


def test_what_others_have_written_stays_text(site: Site, auditor: Visitor) -> None:
    site.call("security:createUser", {"content": {"profileIds": ["default"]}}, _id=HOSTILE)
    fail(site, "nobody-at-all", HOSTILE)
    auditor.open("/-/console/audit")
    assert HOSTILE in auditor.soup.get_text()
    assert auditor.soup.select("main script") == []


def test_what_is_newer_comes_in_parts_that_do_not_grow_without_end(
    site: Site, auditor: Visitor
) -> None:
    site.person("dora")
    auditor.open("/-/console/audit?user=dora&live=1")
    after = auditor.one("#position input[name=after]")["value"]
    tail = f"/-/console/audit/tail?user=dora&after={after}"
    assert auditor.open(f"{tail}&group=0", **HTMX).soup.select("tr") == []
    site.call("security:updateUser", {"number": 1}, _id="dora")
    auditor.open(f"{tail}&group={KEPT}", **HTMX)
    assert len(auditor.soup.select("tr")) == 1
    gone = auditor.soup.select_one('tbody[hx-swap-oob="delete"]')
    assert gone is not None
    assert gone["id"] == "group-1"
    assert "1 new entry," in auditor.text
    for number in range(SIZE + 4):
        site.call("security:updateUser", {"number": number}, _id="dora")
    auditor.open(f"{tail}&group=0", **HTMX)
    assert len(auditor.soup.select("tr[id]")) == SIZE
    assert "5 further entries are not shown." in auditor.text


def test_parts_are_no_pages(auditor: Visitor) -> None:
    """Who signs in again comes back to the whole."""
    for path in ("tail", "position"):
        assert auditor.open(f"/-/console/audit/{path}").path == "/-/console/audit"


def test_who_has_not_the_right_sees_nothing(site: Site, visitor: Visitor) -> None:
    site.person("eve", site.role("clerks", security=["searchUsers"], auth=["*"]))
    visitor.sign_in("local", username="eve", password=PASSWORD)
    for path in ("audit", "audit/tail", "audit/position", "tokens", "limits"):
        assert visitor.open(f"/-/console/{path}").status == 403
    links = [link["href"] for link in visitor.open("/-/console").soup.select(".sections a")]
    assert not {"/-/console/audit", "/-/console/tokens", "/-/console/limits"} & set(links)


@pytest.fixture
def desktop(site: Site, open_screen: Callable[[str, str], Screen]) -> Screen:
    screen = open_screen(site.url, "desktop")
    screen.sign_in("local", username="root", password=PASSWORD)
    return screen


def test_the_log_is_followed_in_a_browser(site: Site, desktop: Screen) -> None:
    site.person("frank")
    desktop.page.clock.install()
    page = desktop.open("/-/console/audit?user=frank&live=1")
    before = page.locator("tbody tr").count()
    site.call("security:updateUser", {"number": 1}, _id="frank")
    page.clock.run_for(POLLED)
    page.get_by_role("status").get_by_text("1 new entry,").wait_for()
    assert page.locator("tbody tr").count() == before + 1
    assert "User changed" in str(page.locator("tbody tr").first.text_content())
    page.get_by_role("button", name="Pause").press("Enter")
    page.get_by_role("button", name="Go on").wait_for()
    site.call("security:disableUser", _id="frank")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(5 * POLLED)
    assert asked == []
    assert page.locator("tbody tr").count() == before + 1
    page.get_by_role("button", name="Go on").press("Enter")
    page.get_by_role("button", name="Pause").wait_for()
    page.clock.run_for(POLLED)
    page.locator("tbody tr").first.get_by_text("User disabled").wait_for()
    desktop.look("audit-log")
