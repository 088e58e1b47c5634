"""Tokens in the console: listed, narrowed down, and ended."""

from __future__ import annotations

import pytest

from .conftest import PASSWORD, Site
from .visitors import Visitor

HOSTILE = "<script>alert(1)</script>"
END, END_ALL = "/-/console/tokens/end", "/-/console/tokens/end-all"


@pytest.fixture
def warden(site: Site, visitor: Visitor) -> Visitor:
    return visitor.sign_in("local", username="root", password=PASSWORD)


def signed_in(site: Site, name: str, *agents: str) -> list[str]:
    """Make somebody who is signed in from some devices; return the tokens."""
    site.person(name)
    return [
        site.api.send(
            "POST", "/_login/local", site.credentials(name), {"User-Agent": agent}
        ).result["jwt"]
        for agent in agents
    ]


def rows(visitor: Visitor) -> list[str]:
    return [" ".join(row.get_text(" ").split()) for row in visitor.soup.select("tbody tr")]


def test_a_session_is_shown_and_ended(site: Site, warden: Visitor) -> None:
    (jwt,) = signed_in(site, "ann", HOSTILE)
    warden.open("/-/console/tokens?user=ann")
    (row,) = rows(warden)
    assert row.startswith("ann local")
    assert HOSTILE in row
    assert warden.soup.select("main script") == []
    assert jwt not in warden.answer.text
    warden.send(END)
    assert warden.path == "/-/console/tokens?user=ann&done=ended"
    assert rows(warden) == []
    assert site.api.call("auth:getCurrentUser", jwt=jwt).status == 401
    warden.open("/-/console/audit?user=ann")
    assert "Sessions ended" in rows(warden)[0]


@pytest.fixture(scope="module")
def named(site: Site) -> None:
    """Users whose names are not their kuids, and one whose name is the kuid of another."""
    for kuid, name in (("kuid-1", "zoe-a"), ("kuid-2", "zoe-b"), ("kuid-3", "kuid-1")):
        body = {
            "content": {"profileIds": ["default"], "city": "Faro"},
            "credentials": {"local": site.credentials(name)},
        }
        site.call("security:createUser", body, _id=kuid)
        site.api.call("auth:login", site.credentials(name), strategy="local")


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize("path", ["/-/console/tokens?", "/-/console/audit?event=SignedIn&"])
def test_lists_are_narrowed_down_by_names(warden: Visitor, path: str) -> None:
    page = path.partition("?")[0]
    warden.open(f"{path}user=zoe-a&find=name")
    (row,) = rows(warden)
    assert "kuid-1" in row
    assert "By zoe-a signs in: kuid-1" in warden.text
    filled = warden.filled(page)
    assert (filled["user"], filled["find"]) == (["kuid-1"], ["name"])
    warden.open(f"{path}user=zoe&find=name")
    assert rows(warden) == []
    assert "Who may be meant by zoe: kuid-1 city Faro kuid-2 city Faro" in warden.text
    (link,) = [one for one in warden.soup.select(".notice a") if one.get_text() == "kuid-2"]
    (row,) = rows(warden.open(str(link["href"])))
    assert "kuid-2" in row
    assert warden.soup.select(".notice") == []
    # A kuid goes before a name, and nobody else is meant by a link.
    warden.open(f"{path}user=kuid-1&find=name")
    assert "Who may be meant by kuid-1: kuid-3" in warden.text
    assert [row for row in rows(warden) if "kuid-3" in row] == []
    warden.open(f"{path}user=kuid-1")
    assert warden.soup.select(".notice") == []
    assert rows(warden.open(f"{path}user=nobody-at-all&find=name")) == []
    assert "Nobody is found by the name or identifier nobody-at-all." in warden.text


@pytest.mark.usefixtures("named")
def test_authors_are_named_as_well(warden: Visitor) -> None:
    warden.open("/-/console/audit?author=zoe-b&user=zoe-a&find=name")
    filled = warden.filled("/-/console/audit")
    assert (filled["author"], filled["user"]) == (["kuid-2"], ["kuid-1"])


@pytest.mark.usefixtures("named")
def test_who_may_not_search_by_names_does_not(site: Site, visitor: Visitor) -> None:
    site.person("gil", site.role("keepers", security=["searchSessions"], auth=["*"]))
    visitor.sign_in("local", username="gil", password=PASSWORD)
    visitor.open("/-/console/tokens?user=zoe-a&find=name")
    assert (visitor.status, rows(visitor)) == (200, [])
    assert visitor.soup.select(".notice") == []
    assert "signs in by" not in visitor.text


def test_all_sessions_of_a_user_are_ended_at_once(site: Site, warden: Visitor) -> None:
    signed_in(site, "bob", "one", "two", "three")
    warden.open("/-/console/tokens?user=bob")
    assert len(rows(warden)) == 3
    warden.send(END_ALL)
    assert rows(warden) == []


def test_keys_are_shown_and_ended(site: Site, warden: Visitor) -> None:
    site.person("carl")
    made = site.call("security:createApiKey", {"description": HOSTILE}, userId="carl")
    warden.open("/-/console/tokens?kind=apiKey&user=carl&strategy=ignored")
    (row,) = rows(warden)
    assert HOSTILE in row
    assert "never never" in row
    assert made["_source"]["token"] not in warden.answer.text
    warden.send(END)
    assert rows(warden) == []


def test_ones_own_session_is_not_ended_by_mistake(warden: Visitor) -> None:
    warden.open("/-/console/tokens?user=root")
    assert "This is your session." in warden.text


def test_pages_go_on(site: Site, warden: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ostiary.pages.console.tokens.SIZE", 2)
    signed_in(site, "dora", "one", "two", "three")
    warden.open("/-/console/tokens?user=dora")
    assert "3 sessions" in warden.text
    (older,) = [link for link in warden.soup("a") if link.get_text() == "Older"]
    seen = rows(warden) + rows(warden.open(str(older["href"])))
    assert [row.split()[2] for row in seen] == ["three", "two", "one"]


def test_a_refusal_is_told_on_the_page(site: Site, warden: Visitor) -> None:
    signed_in(site, "eve", "one")
    warden.open("/-/console/tokens?user=eve").send(END, id="nothing")
    assert warden.status == 404
    assert warden.soup.select_one("[role=alert]")
    assert warden.open("/-/console/tokens?next=nonsense").status == 400


def test_who_may_only_look_has_no_buttons(site: Site, visitor: Visitor) -> None:
    site.person("fay", site.role("lookers", security=["searchSessions"], auth=["*"]))
    visitor.sign_in("local", username="fay", password=PASSWORD)
    visitor.open("/-/console/tokens?user=fay")
    assert len(rows(visitor)) == 1
    assert visitor.soup.select("main form[method=post]") == []
