"""Users in the console: found among many, made, changed and deleted, each as far as rights go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from ostiary.testing.packages import badge, installed

from .conftest import PASSWORD, Site, running
from .visitors import Screen, Visitor

LIST, NEW, SEVERAL = "/-/console/users", "/-/console/new-user", "/-/console/several-users"
HOSTILE = [
    "<script>alert(1)</script>",
    "a/b//c",
    "100%",
    "%2F%00",
    "who?what=1#there",
    "two words  and more",
    "'\"><img src=x onerror=alert(1)>",
    "...",
    "é" * 200,
    "x" * 512,
    "{{ 7 * 7 }}{0}",
]


def at(kuid: str) -> str:
    return f"{LIST}/{quote(kuid, safe='')}"


@pytest.fixture(scope="module")
def root(site: Site) -> Iterator[Visitor]:
    """The administrator, who has signed in."""
    with Visitor(site.url) as visitor:
        yield visitor.sign_in("local", username="root", password=PASSWORD)


@pytest.fixture
def as_role(site: Site) -> Iterator[Any]:
    """Visit as somebody who may run some actions of ``security`` and no others."""
    made: list[Visitor] = []

    def visit(name: str, *actions: str) -> Visitor:
        role = site.role(f"role-{name}", security=list(actions), auth=["getCurrentUser", "logout"])
        site.person(name, "default", role)
        made.append(Visitor(site.url))
        return made[-1].sign_in("local", username=name, password=PASSWORD)

    yield visit
    for one in made:
        one.__exit__()


def listed(visitor: Visitor) -> list[str]:
    return [str(one["value"]) for one in visitor.soup.select("td input[name=kuid]")]


def count(visitor: Visitor) -> str:
    found = visitor.soup.select_one("#count")
    assert found is not None
    return found.get_text(strip=True)


@pytest.fixture(scope="module")
def people(site: Site) -> list[str]:
    """Users with something in common, and something of their own."""
    site.role("editors", auth=["getCurrentUser"])
    made = [
        site.person("find-ada", "editors", name="Ada Lovelace", city="London"),
        site.person("find-bob", "default", name="bob Ada", city="Loulé"),
        site.person("find-eve", "default", name="Émile Eve", nick="adamant"),
    ]
    content = {"content": {"profileIds": ["editors"], "name": "Nobody"}}
    site.call("security:createUser", content, _id="find-none")
    site.call("security:disableUser", _id="find-bob")
    return [*made, "find-none"]


@pytest.mark.parametrize(
    "query, kuids",
    [
        ("q=find-", ["find-ada", "find-bob", "find-eve", "find-none"]),
        ("q=ADA", ["find-ada", "find-eve"]),
        ("q=ada&within=yes", ["find-ada", "find-bob", "find-eve"]),
        ("q=émile", ["find-eve"]),
        ("q=lou", ["find-bob"]),
        ("q=find-&profile=editors", ["find-ada", "find-none"]),
        ("q=find-&strategy=local", ["find-ada", "find-bob", "find-eve"]),
        ("q=find-&status=disabled", ["find-bob"]),
        ("q=find-&status=enabled&strategy=local", ["find-ada", "find-eve"]),
        ("q=find-&sort=newest", ["find-none", "find-eve", "find-bob", "find-ada"]),
        ("q=find-&sort=oldest", ["find-ada", "find-bob", "find-eve", "find-none"]),
        ("q=nobody+begins+so", []),
    ],
)
def test_users_are_found_by_how_what_is_known_of_them_begins(
    root: Visitor, people: list[str], query: str, kuids: list[str]
) -> None:
    assert people
    assert listed(root.open(f"{LIST}?{query}")) == kuids
    assert count(root) == ("1 user" if len(kuids) == 1 else f"{len(kuids)} users")


def test_a_name_in_credentials_finds_its_user(root: Visitor, site: Site) -> None:
    body = {
        "content": {"profileIds": ["default"]},
        "credentials": {"local": site.credentials("signs-in-by-this")},
    }
    site.call("security:createUser", body, _id="otherwise-called")
    for begun in ("sig", "signs-in-by-this"):
        assert listed(root.open(f"{LIST}?q={begun}")) == ["otherwise-called"]


def test_a_script_gets_the_part_of_the_page_that_changes(root: Visitor, people: list[str]) -> None:
    root.open(f"{LIST}?q=find-ada", **{"HX-Request": "true"})
    assert listed(root) == people[:1]
    assert root.soup.select("header, form[role=search]") == []


@pytest.mark.parametrize("fault", ["raise RuntimeError", "return 5"])
def test_a_strategy_that_fails_keeps_nobody_from_being_found(fault: str, tmp_path: Path) -> None:
    failing = badge(
        "failing",
        f"""
@hookimpl
async def ostiary_search_credentials(strategy, store, filter, sort, offset, limit):
    {fault}

async def at(step, kuid):
    if step == "get":
        raise RuntimeError
""",
    )
    with (
        installed(tmp_path, failing),
        running(tmp_path, plugins__allow=["local", "failing"]) as site,
        Visitor(site.administer().url) as root,
    ):
        site.person("found", name="Ada")
        root.sign_in("local", username="root", password=PASSWORD)
        assert listed(root.open(f"{LIST}?q=found")) == ["found"]
        told = "Names could not be searched for in Failing"
        assert told in root.text
        assert told in root.open("/-/console/tokens?user=found&find=name").text
        root.open(at("found"))
        path = f"{at('found')}/credentials/failing"
        assert root.soup.select(f'form[action="{path}"]') == []
        token = root.filled("/-/sign-out")["formToken"]
        sent = {"formToken": token, "failing.badge": "b1"}
        answer = root._client.post(path, data=sent, headers={"Origin": site.url})
        assert answer.status_code == 500
        assert "This does not work at the moment" in answer.text


def test_however_many_sessions_and_keys_a_user_has_their_page_is_small(
    root: Visitor, site: Site
) -> None:
    credentials = site.credentials(site.person("many-at-once"))
    for _ in range(12):
        site.api.send("POST", "/_login/local", credentials, {"User-Agent": "<" * 1000})
        site.call("security:createApiKey", {"description": "&" * 1024}, userId="many-at-once")
    root.open(at("many-at-once"))
    assert len(root.answer.content) < 50_000
    assert root.text.count("10 of 12 are listed.") == 2
    assert len(root.soup.select("#sessions ~ .scroll tbody tr")) == 10
    links = [str(one["href"]) for one in root.soup("a") if one.get_text() == "All of them"]
    assert [root.open(one).status for one in links] == [200, 200]
    assert len(root.answer.content) < 50_000


@pytest.mark.parametrize("kuid", HOSTILE)
def test_every_kuid_has_a_page_on_which_it_is_text(root: Visitor, site: Site, kuid: str) -> None:
    content = {"profileIds": ["default"], "name": kuid, kuid[:100]: {"deep": [kuid] * 20}}
    site.call("security:createUser", {"content": content}, _id=kuid)
    root.open(f"{LIST}?q={quote(kuid[:192], safe='')}")
    link = next(one for one in root.soup.select("tbody th a") if one.get_text() == kuid)
    root.open(str(link["href"]))
    assert root.status == 200
    heading = root.soup.h1
    assert heading is not None
    assert heading.get_text() == kuid
    assert root.soup.select("main img, main script") == []
    root.send(f"{at(kuid)}/status", do="disable")
    assert "disabled" in root.text
    assert root.path.startswith(f"{at(kuid)}?done=saved")
    root.open(f"{at(kuid)}/delete").send(f"{at(kuid)}/delete", typed=kuid)
    assert root.path == f"{LIST}?done=deleted"
    assert site.api.call("security:getUser", jwt=site.jwt, _id=kuid).status == 404


def test_pages_show_each_user_once_while_others_come_and_go(site: Site, root: Visitor) -> None:
    """However users are created and deleted, those who stay are seen, each exactly once."""
    stay = [f"page-{number:03}" for number in range(90)]
    for kuid in stay:
        site.call("security:createUser", {"content": {"profileIds": ["default"]}}, _id=kuid)
    go = [kuid for kuid in stay if kuid.endswith("7")]
    seen: list[str] = []
    root.open(f"{LIST}?q=page-")
    for number in range(100):
        seen += listed(root)
        # One before, one behind the page; one behind it goes, and one of it that was seen.
        for kuid in (f"page-000-{number}", f"page-089-{number}"):
            site.call("security:createUser", {"content": {"profileIds": ["default"]}}, _id=kuid)
        for kuid in [go.pop()] if go else []:
            site.call("security:deleteUser", _id=kuid)
        later = root.soup.select_one("a[rel=next]")
        if later is None:
            break
        root.open(str(later["href"]))
    assert len(seen) == len(set(seen))
    assert {kuid for kuid in stay if not kuid.endswith("7")} <= set(seen)
    back = listed(root)
    while (earlier := root.soup.select_one("a[rel=prev]")) is not None:
        root.open(str(earlier["href"]))
        back = listed(root) + back
    # Back at the beginning the first page is a whole one, and may show again what was seen.
    assert list(dict.fromkeys(back)) == sorted(set(back))
    assert {kuid for kuid in stay if not kuid.endswith("7")} <= set(back)
    assert root.soup.select_one("a[rel=next]")


@pytest.mark.parametrize("sort", ["newest", "oldest"])
def test_pages_go_forwards_and_back_in_the_order_of_creation(
    site: Site, root: Visitor, sort: str
) -> None:
    made = []
    for number in range(60):
        body = {"content": {"profileIds": ["default"], "made": sort}}
        user = site.call("security:createUser", body, _id=f"{sort}-{number * 37 % 60:02}")
        # Two may be made in one millisecond.
        made.append((user["_source"]["_kuzzle_info"]["createdAt"], user["_id"]))
    root.open(f"{LIST}?q={sort}-&sort={sort}")
    pages = [listed(root)]
    while (later := root.soup.select_one("a[rel=next]")) is not None:
        pages.append(listed(root.open(str(later["href"]))))
    wanted = [kuid for _, kuid in sorted(made, reverse=sort == "newest")]
    assert list(chain(*pages)) == wanted
    for page in pages[-2::-1]:
        earlier = root.soup.select_one("a[rel=prev]")
        assert earlier is not None
        assert listed(root.open(str(earlier["href"]))) == page
    assert root.soup.select_one("a[rel=prev]") is None


def test_a_user_is_made_with_profiles_properties_and_credentials(root: Visitor, site: Site) -> None:
    root.open(NEW).send(
        NEW,
        kuid="new one",
        profile=["default"],
        properties='{"name": "New", "tags": ["a", 1, true, null]}',
        **{"local.username": "new-one", "local.password": PASSWORD},
    )
    assert root.path == f"{at('new one')}?done=created"
    assert "new-one" in root.text
    source = site.call("security:getUser", _id="new one")["_source"]
    assert source["tags"] == ["a", 1, True, None]
    assert site.api.call("auth:login", site.credentials("new-one"), strategy="local").status == 200


@pytest.mark.parametrize(
    "fields, told",
    [
        ({"properties": "{"}, "not JSON"),
        ({"properties": "[]"}, "no JSON object"),
        ({"properties": '{"a": 1, "a": 2}'}, "a"),
        ({"properties": '{"profileIds": ["admin"]}'}, "no property"),
        ({"profile": []}, "at least one profile"),
        ({"kuid": "root"}, "already"),
        ({"kuid": ".."}, "_id"),
        ({"local.username": "root", "local.password": PASSWORD}, "root"),
    ],
)
def test_what_is_wrong_with_a_new_user_is_told_and_what_was_typed_stays(
    root: Visitor, fields: dict[str, Any], told: str
) -> None:
    root.open(NEW).send(NEW, **{"kuid": "never-made", **fields})
    assert 400 <= root.status < 500
    alert = root.soup.select_one("[role=alert]")
    assert alert is not None
    assert told in alert.get_text()
    typed = root.soup.select_one("textarea[name=properties]")
    assert typed is not None
    assert typed.get_text() == fields.get("properties", "{}")
    assert PASSWORD not in root.answer.text


def test_two_who_edit_a_user_do_not_undo_each_other(root: Visitor, site: Site) -> None:
    site.person("edited", name="Old", city="Porto", gone=1)
    root.open(at("edited"))
    loaded = root.filled(f"{at('edited')}/edit")
    site.call("security:updateUser", {"city": "Faro", "more": [1]}, _id="edited")
    site.call("security:disableUser", _id="edited")
    typed = json.dumps({"name": "New", "city": "Porto"})
    root.send(f"{at('edited')}/edit", **{**loaded, "properties": typed})
    assert root.path.endswith("done=saved")
    source = site.call("security:getUser", _id="edited")["_source"]
    assert source.pop("_kuzzle_info")["status"] == "disabled"
    assert source == {"profileIds": ["default"], "name": "New", "city": "Faro", "more": [1]}


def test_who_edits_what_somebody_else_has_changed_is_told(root: Visitor, site: Site) -> None:
    site.person("fought-over", name="Old")
    root.open(at("fought-over"))
    site.call("security:updateUser", {"name": "Theirs"}, _id="fought-over")
    root.send(f"{at('fought-over')}/edit", properties='{"name": "Mine"}')
    assert root.status == 422
    assert 'changed "name" meanwhile' in root.text
    assert "Mine" in root.soup.select("textarea[name=properties]")[0].get_text()
    assert site.call("security:getUser", _id="fought-over")["_source"]["name"] == "Theirs"


def test_properties_that_are_large_have_a_page_of_their_own(root: Visitor, site: Site) -> None:
    site.person("large", **{f"name{number}": "x" * 1000 for number in range(200)})
    assert len(root.open(at("large")).answer.content) < 50_000
    assert "All properties" in root.text
    typed = root.open(f"{at('large')}/properties").filled(f"{at('large')}/edit")["properties"]
    changed = json.loads(typed[0]) | {"name7": "changed"}
    root.send(f"{at('large')}/edit", properties=f"{json.dumps(changed)}}}")
    assert root.status == 422
    assert "not JSON" in root.text
    root.send(f"{at('large')}/edit", properties=json.dumps(changed))
    assert root.path.endswith("done=saved")
    source = site.call("security:getUser", _id="large")["_source"]
    assert (source["name7"], source["name8"]) == ("changed", "x" * 1000)


def test_profiles_are_given_and_taken(root: Visitor, site: Site) -> None:
    site.role("given", auth=["getCurrentUser"])
    site.person("profiled")
    root.open(at("profiled")).send(f"{at('profiled')}/edit", profile=["default", "given"])
    assert site.call("security:getUser", _id="profiled")["_source"]["profileIds"] == [
        "default",
        "given",
    ]
    root.send(f"{at('profiled')}/edit", profile=[])
    assert "at least one profile" in root.text


def test_credentials_are_given_changed_and_taken_and_the_last_way_in_is_warned_of(
    root: Visitor, site: Site
) -> None:
    site.call("security:createUser", {"content": {"profileIds": ["default"]}}, _id="bare")
    there = f"{at('bare')}/credentials/local"
    root.open(at("bare"))
    assert "no way to sign in" in root.text
    named = {"local.username": "bare-one"}
    root.send(there, **named)
    assert root.status == 400
    assert root.soup.select_one("details[open] input[name='local.username']")
    root.send(there, **named, **{"local.password": PASSWORD})
    assert site.api.call("auth:login", site.credentials("bare-one"), strategy="local").status == 200
    root.send(there, **{"local.username": "bare-two", "local.email": "bare@example.org"})
    assert "E-mail address" in [one.text for one in root.soup.select("dt")]
    assert "verified" not in root.one("#credentials ~ section dl").text
    assert site.api.call("auth:login", site.credentials("bare-two"), strategy="local").status == 200
    assert "last way in" in root.open(f"{there}/delete").text
    root.send(f"{there}/delete", last="yes")
    assert "no way to sign in" in root.text
    assert not site.call("security:hasCredentials", _id="bare", strategy="local")


def test_the_last_way_in_is_taken_by_who_has_confirmed_it(as_role: Any, site: Site) -> None:
    site.person("taken")
    there = f"{at('taken')}/credentials/local/delete"
    taker = as_role("taker", "getUser", "deleteCredentials")
    taker.open(there).send(there)
    assert (taker.status, "Nothing else would let this user in." in taker.text) == (422, True)
    assert site.call("security:hasCredentials", _id="taken", strategy="local")
    taker.send(there, last="yes")
    assert taker.path == f"{at('taken')}?done=deleted"
    assert not site.call("security:hasCredentials", _id="taken", strategy="local")
    assert taker.open(f"{at('taken')}/credentials/gone/delete").status == 404


def test_sessions_are_ended_one_by_one_and_all(root: Visitor, site: Site) -> None:
    site.person("busy")
    login = [
        site.api.call("auth:login", site.credentials("busy"), strategy="local").result["jwt"]
        for _ in range(3)
    ]
    root.open(at("busy"))
    assert len(root.soup.select("input[name=session]")) == 3
    root.send(f"{at('busy')}/sessions")
    valid = [site.api.call("auth:checkToken", {"token": one}).result["valid"] for one in login]
    assert sorted(valid) == [False, True, True]
    last = root.soup.select(f"form[action='{at('busy')}/sessions']")[-1]
    assert last.select("input[name=session]") == []
    root.send(f"{at('busy')}/sessions", session="")
    assert not any(
        site.api.call("auth:checkToken", {"token": one}).result["valid"] for one in login
    )


def test_a_new_key_is_shown_once_and_a_deleted_one_opens_nothing(root: Visitor, site: Site) -> None:
    site.person("keyed")
    root.open(at("keyed")).send(
        f"{at('keyed')}/keys", description="for <b>builds</b>", expiresIn="1h"
    )
    (shown,) = root.soup.select(".notice pre")
    key = shown.get_text()
    assert site.api.call("auth:checkToken", {"token": key}).result["kuid"] == "keyed"
    assert key not in root.open(at("keyed")).answer.text
    assert "for <b>builds</b>" in root.text
    root.send(f"{at('keyed')}/keys/delete")
    assert not site.api.call("auth:checkToken", {"token": key}).result["valid"]


def test_who_is_deleted_is_named_before(root: Visitor, site: Site) -> None:
    site.person("doomed")
    root.open(f"{at('doomed')}/delete").send(f"{at('doomed')}/delete", typed="domed")
    assert root.status == 422
    assert site.call("security:getUser", _id="doomed")
    root.send(f"{at('doomed')}/delete", typed="doomed")
    assert site.api.call("security:getUser", jwt=site.jwt, _id="doomed").status == 404


def test_several_users_are_disabled_and_deleted_once_that_is_confirmed(
    root: Visitor, site: Site
) -> None:
    several = [site.person(f"several-{one}") for one in "abc"]
    root.open(f"{LIST}?q=several-").send(SEVERAL, kuid=several[:2], do="disable")
    assert "2 users" in root.text
    assert listed(root.open(f"{LIST}?q=several-&status=disabled")) == []
    root.open(f"{LIST}?q=several-").send(SEVERAL, kuid=several[:2], do="disable")
    root.send(SEVERAL, confirmed="yes")
    assert listed(root.open(f"{LIST}?q=several-&status=disabled")) == several[:2]
    root.send(SEVERAL, kuid=[*several, "root"], do="delete").send(SEVERAL, confirmed="yes")
    assert root.status == 206
    assert "last administrator" in root.text
    assert listed(root.open(f"{LIST}?q=several-")) == []


def test_the_last_administrator_stays(root: Visitor, site: Site) -> None:
    root.open(at("root")).send(f"{at('root')}/status", do="disable")
    assert root.status == 412
    assert "last administrator" in root.text
    assert (
        site.call("security:getUser", _id="root")["_source"]["_kuzzle_info"].get("status") is None
    )


def test_who_may_only_look_sees_no_more_than_that(as_role: Any, site: Site) -> None:
    site.person("looked-at")
    clerk = as_role("clerk", "searchUsers", "getUser")
    clerk.open(f"{LIST}?q=looked-at")
    assert "looked-at" in clerk.text
    assert clerk.soup.select("main form[method=post]") == []
    assert clerk.soup.select("main a.button:not(.quiet)") == []
    clerk.open(at("looked-at"))
    assert clerk.soup.select("main form") == []
    assert [one.get_text() for one in clerk.soup.select("main h2")] == ["Who this is"]
    for path in (NEW, f"{at('looked-at')}/delete"):
        assert clerk.open(path).status == 403


def test_nobody_reaches_over_themselves_by_the_console(as_role: Any) -> None:
    helper = as_role("helper", "searchUsers", "getUser", "disableUser", "updateUser", "deleteUser")
    helper.open(at("root")).send(f"{at('root')}/status", do="disable")
    assert helper.status == 403
    assert "may do more than you" in helper.text
    helper.open(at("helper")).send(
        f"{at('helper')}/edit", profile=["default", "role-helper"], profiles="admin"
    )
    assert helper.status == 403
    assert "than you may do yourself" in helper.text


def test_searching_paging_and_the_life_of_a_user_in_a_browser(
    screen: Screen, site: Site, people: list[str]
) -> None:
    name = screen.name
    for number in range(30):
        body = {"content": {"profileIds": ["default"]}}
        site.call("security:createUser", body, _id=f"in-{name}-{number:02}")
    page = screen.sign_in("local", username="root", password=PASSWORD)
    screen.open(LIST)
    screen.look("users")
    search = page.get_by_label("Begins with")
    search.press_sequentially("find-a")
    page.locator("#count", has_text="1 user").wait_for()
    assert people[0] in page.locator("tbody").inner_text()
    search.fill(f"in-{name}-")
    page.locator("#count", has_text="30 users").wait_for()
    page.get_by_role("link", name="Next").click()
    page.get_by_role("link", name=f"in-{name}-29").wait_for()
    page.get_by_role("link", name="Previous").click()
    page.get_by_role("link", name=f"in-{name}-00").wait_for()
    page.goto(f"{screen.url}{NEW}")
    page.get_by_label("Identifier").fill(f"born-{name}")
    page.get_by_label("User name", exact=True).fill(f"born-{name}")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    screen.look("user-new")
    page.get_by_role("button", name="Create the user").click()
    page.get_by_role("heading", name=f"born-{name}").wait_for()
    page.get_by_text("Edit", exact=True).click()
    page.get_by_label("Properties").fill('{"name": "Born"}')
    page.get_by_role("button", name="Save").first.click()
    page.get_by_text("Saved.").wait_for()
    assert site.call("security:getUser", _id=f"born-{name}")["_source"]["name"] == "Born"
    screen.look("user")
    page.get_by_role("button", name="Disable").click()
    page.get_by_role("button", name="Enable").wait_for()
    page.get_by_role("link", name="Delete…").click()
    page.get_by_label("Type the identifier").fill(f"born-{name}")
    screen.look("user-delete")
    page.get_by_role("button", name="Delete the user").click()
    page.get_by_text("Deleted.").wait_for()
    assert site.api.call("security:getUser", jwt=site.jwt, _id=f"born-{name}").status == 404
