"""Profiles and roles in the console: what saving would change is shown, asked about, then done."""

from __future__ import annotations

import re
from itertools import count
from typing import Any
from urllib.parse import quote

import pytest

from ostiary.pages.console.saving import MANY

from .conftest import PASSWORD, Site
from .visitors import Screen, Visitor

NUMBERS = count(1)
ROLES, PROFILES = "/-/console/roles", "/-/console/profiles"
HOSTILE = "<script>alert(1)</script>\"'&{{7*7}}/:?#"
SIGNED = {"username": "root", "password": PASSWORD}


@pytest.fixture
def root(visitor: Visitor, site: Site) -> Visitor:
    """An administrator, in front of the console."""
    way = visitor.open("/").soup.select_one("form[action^='/-/sign-in/']")
    assert way is not None
    return visitor.send(str(way["action"]), **SIGNED)


@pytest.fixture
def new() -> str:
    """An id that nothing has."""
    return f"edited-{next(NUMBERS)}"


def stored(site: Site, kind: str, id: str) -> dict[str, Any]:
    found: dict[str, Any] = site.call(f"security:get{kind}", _id=id)["_source"]
    return found


def controllers(site: Site, id: str) -> dict[str, Any]:
    found: dict[str, Any] = stored(site, "Role", id)["controllers"]
    return found


def save_role(site: Site, id: str, controllers: dict[str, Any], **also: Any) -> None:
    body = {"controllers": {one: {"actions": given} for one, given in controllers.items()}, **also}
    site.call("security:createOrReplaceRole", body, _id=id, force=True)


def test_the_editor_knows_every_action(root: Visitor, site: Site) -> None:
    root.open(f"{ROLES}/default")
    boxes = {one["value"] for one in root.soup.select("input[name=grant]")}
    described = site.call("server:describeActions")["hits"]
    assert {f"{one['controller']}:{one['action']}" for one in described} <= boxes
    assert {f"{one['controller']}:*" for one in described} <= boxes
    ticked = {one["value"] for one in root.soup.select("input[name=grant][checked]")}
    assert ticked == {
        f"{controller}:{action}"
        for controller, entry in controllers(site, "default").items()
        for action in entry["actions"]
    }
    told = " ".join(root.soup.get_text().split())
    for one in described:
        assert one["description"].replace("`", "") in told


def test_a_role_is_made_previewed_changed_and_deleted(root: Visitor, site: Site, new: str) -> None:
    path = f"{ROLES}/{new}"
    root.open(f"{ROLES}.new")
    root.send(f"{ROLES}.new", id=new, grant=["auth:*", "server:now"], do="preview")
    assert "rights are given" in root.text
    assert site.api.call("security:getRole", jwt=site.jwt, _id=new).status == 404
    root.send(f"{ROLES}.new", do="save")
    assert (root.path, "Created." in root.text) == (f"{path}?done=created", True)
    assert controllers(site, new) == {
        "auth": {"actions": {"*": True}},
        "server": {"actions": {"now": True}},
    }
    root.send(path, grant=["server:now", "server:info"], do="preview")
    assert re.search(r"1 right is given server : info", root.text)
    assert "rights are taken away" in root.text
    assert "auth" in controllers(site, new)
    root.send(path, do="save")
    assert "Saved." in root.text
    assert controllers(site, new) == {"server": {"actions": {"now": True, "info": True}}}
    root.open(f"{path}/delete")
    assert "nobody loses a right" in root.text
    site.call("security:createOrReplaceProfile", {"policies": [{"roleId": new}]}, _id=new)
    root.send(f"{path}/delete")
    assert (root.status, "is in use" in root.text) == (412, True)
    assert "1 profile names it." in root.text
    assert root.soup.select(f'form[action="{path}/delete"]') == []
    site.call("security:deleteProfile", _id=new)
    root.open(f"{path}/delete")
    root.send(f"{path}/delete")
    assert (root.path, "Deleted." in root.text) == (f"{ROLES}?done=deleted", True)
    assert root.open(f"{path}/delete").status == 404


def test_what_the_editor_does_not_know_is_kept(root: Visitor, site: Site, new: str) -> None:
    """Actions of plugins that are gone, exceptions, other members, and whatever stands in names."""
    odd = {"a:b": True, " c ": False, "d\n!e:f": True, '["x"]': True}
    given = {
        "gone/plugin": {"go": True, "stop": False},
        "auth": {"*": True, "login": False},
        "document": {"get": True},
        HOSTILE: odd,
        "*": {"*": True},
    }
    save_role(site, new, given, tags=["a"])
    before = stored(site, "Role", new)
    root.open(f"{ROLES}/{new}").send(f"{ROLES}/{new}", do="save")
    assert "Saved." in root.text, root.text
    after = stored(site, "Role", new)
    assert (after["controllers"], after["tags"]) == (before["controllers"], ["a"])
    assert after["_kuzzle_info"]["updatedAt"]


def test_a_name_that_is_mistyped_is_told(root: Visitor, site: Site, new: str) -> None:
    root.open(f"{ROLES}.new").send(f"{ROLES}.new", id=new, others="iot:blink", do="save")
    assert root.status == 400
    alert = root.soup.select_one("[role=alert]")
    assert alert
    assert "iot" in alert.get_text()
    for line in ("no colon", '["a", 1]'):
        root.send(f"{ROLES}.new", others=line, do="save")
        assert (root.status, line in root.text) == (422, True)
        assert root.soup.select("[role=alert] a") == [], "nothing was previewed to be led to"
    root.send(f"{ROLES}.new", others="iot:blink", force="yes", do="save")
    assert controllers(site, new) == {"iot": {"actions": {"blink": True}}}


def test_what_is_taken_from_many_is_confirmed(root: Visitor, site: Site, new: str) -> None:
    site.role(new, auth=["login", "logout"])
    for at in range(10):
        site.person(f"{new}-{at}", new)
    path = f"{ROLES}/{new}"
    root.open(path).send(path, grant=["auth:login"], do="save")
    assert (root.status, "Users whom it reaches 10" in root.text) == (422, True)
    assert root.one("[role=alert] a")["href"] == "#preview-title"
    holders = root.soup.select_one("#preview a[href^='/-/console/users?']")
    assert holders
    assert holders["href"] == f"/-/console/users?profile={new}"
    assert "logout" in controllers(site, new)["auth"]["actions"]
    sign = root.soup.select_one("input[name=sure]")
    assert sign
    other = root.send(path, sure=sign["value"], grant=["server:now"], do="save")
    assert other.status == 422, "what was confirmed is not what would be taken"
    root.send(path, sure=sign["value"], grant=["auth:login"], do="save")
    assert "Saved." in root.text
    assert controllers(site, new) == {"auth": {"actions": {"login": True}}}


def test_what_one_takes_from_oneself_is_confirmed(
    visitor: Visitor, site: Site, root: Visitor, new: str
) -> None:
    mine = ["getRole", "updateRole", "previewRole", "searchRoles", "getUser"]
    site.role(new, auth=["*"], security=mine, server=["*"])
    site.person(new, new)
    root.send("/-/sign-out")
    way = root.open("/").soup.select_one("form[action^='/-/sign-in/']")
    assert way is not None
    root.send(str(way["action"]), username=new, password=PASSWORD)
    path = f"{ROLES}/{new}"
    root.open(path)
    left = [one for one in root.filled(path)["grant"] if one != "security:getUser"]
    root.send(path, grant=left, do="save")
    assert (root.status, "You yourself would lose:" in root.text) == (422, True)
    assert "getUser" in controllers(site, new)["security"]["actions"]


def test_two_who_edit_do_not_undo_each_others_change(root: Visitor, site: Site, new: str) -> None:
    for kind, path, fields in (
        ("Role", f"{ROLES}/{new}", {"grant": ["auth:login"]}),
        ("Profile", f"{PROFILES}/{new}", {"rateLimit": "7"}),
    ):
        site.role(new, auth=["login"], server=["now"])
        root.open(path)
        if kind == "Role":
            save_role(site, new, {"auth": {"login": True, "logout": True}})
        else:
            site.call("security:updateProfile", {"rateLimit": 3}, _id=new)
        theirs = stored(site, kind, new)
        root.send(path, do="save", **fields)
        assert root.status == 412
        assert "somebody has changed it meanwhile" in root.text
        assert ("logout" in root.text) or ("3 → 7" in root.text)
        assert stored(site, kind, new) == theirs
        root.send(path, do="save")
        assert "Saved." in root.text
        assert stored(site, kind, new) != theirs


def test_who_takes_from_many_what_others_changed_sees_both_at_once(
    root: Visitor, site: Site, new: str
) -> None:
    site.role(new, auth=["login"])
    for at in range(10):
        site.person(f"{new}-{at}", new)
    path = f"{ROLES}/{new}"
    root.open(path)
    save_role(site, new, {"auth": {"login": True, "logout": True}})
    root.send(path, do="save")
    assert root.status == 412
    sign = root.soup.select_one("input[name=sure]")
    assert sign
    root.send(path, sure=sign["value"], do="save")
    assert "Saved." in root.text
    assert controllers(site, new) == {"auth": {"actions": {"login": True}}}


def test_what_saving_would_be_refused_with_is_told_before(
    root: Visitor, site: Site, new: str
) -> None:
    root.open(f"{ROLES}/admin").send(f"{ROLES}/admin", grant=["auth:login"], do="preview")
    assert "Saving will be refused: Administrators must keep all rights." in root.text
    sign = root.soup.select_one("input[name=sure]")
    assert sign
    root.send(f"{ROLES}/admin", sure=sign["value"], do="save")
    assert root.status == 412
    assert controllers(site, "admin") == {"*": {"actions": {"*": True}}}


def test_a_profile_is_made_previewed_changed_and_deleted(
    root: Visitor, site: Site, new: str
) -> None:
    path = f"{PROFILES}/{new}"
    root.open(f"{PROFILES}.new")
    root.send(
        f"{PROFILES}.new",
        id=new,
        role=["default", "anonymous"],
        places=["", "library: books, films\r\nmuseum"],
        rateLimit="5",
        do="preview",
    )
    assert "library/books" in root.text
    root.send(f"{PROFILES}.new", do="save")
    assert "Created." in root.text
    made = stored(site, "Profile", new)
    places = [{"index": "library", "collections": ["books", "films"]}, {"index": "museum"}]
    assert made["policies"] == [
        {"roleId": "default"},
        {"roleId": "anonymous", "restrictedTo": places},
    ]
    assert made["rateLimit"] == 5
    root.send(path, rateLimit="often", do="save")
    assert (root.status, "rateLimit" in root.text) == (400, True)
    root.send(path, rateLimit="0", do="save")
    assert stored(site, "Profile", new)["policies"] == made["policies"]
    site.person(new, new)
    root.open(f"{path}/delete")
    assert f"1 user holds it: {new}" in root.text
    assert re.search(r"rights are lost by who has them from no other profile .*logout", root.text)
    assert root.send(f"{path}/delete").status == 412
    root.send(f"{path}/delete", takeOff="yes")
    assert (root.path, "Deleted." in root.text) == (f"{PROFILES}?done=deleted", True)
    assert site.call("security:getUser", _id=new)["_source"]["profileIds"] == ["anonymous"]


def test_what_many_would_lose_is_confirmed_before_a_profile_is_deleted(
    root: Visitor, site: Site, new: str
) -> None:
    path = f"{PROFILES}/{site.role(new, server=['now'])}"
    assert "Nobody holds it" in root.open(f"{path}/delete").text
    for _ in range(MANY):
        site.call("security:createUser", {"content": {"profileIds": [new]}})
    root.open(f"{path}/delete").send(f"{path}/delete", takeOff="yes")
    assert (root.status, "confirm it" in root.text) == (422, True)
    sign = str(root.one("[name=sure]")["value"])
    site.role(new, server=["now", "info"])
    assert root.send(f"{path}/delete", takeOff="yes", sure=sign).status == 422
    root.send(f"{path}/delete", takeOff="yes", sure=str(root.one("[name=sure]")["value"]))
    assert "Deleted." in root.text


@pytest.mark.parametrize("kind", [ROLES, PROFILES])
@pytest.mark.parametrize("id", ["admin", "default", "anonymous"])
def test_what_is_always_there_is_not_offered_to_be_deleted(
    root: Visitor, kind: str, id: str
) -> None:
    path = f"{kind}/{id}"
    assert root.open(path).status == 200
    assert root.soup.select(f'a[href="{path}/delete"]') == []
    root.open(f"{path}/delete")
    assert (root.status, "cannot be deleted" in root.text) == (400, True)
    assert "nobody loses a right" not in root.text
    assert root.soup.select(f'form[action="{path}/delete"]') == []


def test_odd_places_and_other_members_come_back(root: Visitor, site: Site, new: str) -> None:
    odd = [
        {"index": "a:b", "collections": ["c, d", "e"]},
        {"index": "{x", "collections": []},
        {"index": HOSTILE},
    ]
    body = {"policies": [{"roleId": "default", "restrictedTo": odd}], "tags": ["t"]}
    site.call("security:createOrReplaceProfile", body, _id=new)
    path = f"{PROFILES}/{new}"
    root.open(path).send(path, rateLimit="9", do="save")
    assert "Saved." in root.text, root.text
    after = stored(site, "Profile", new)
    assert (after["policies"], after["tags"], after["rateLimit"]) == (body["policies"], ["t"], 9)


def test_lists_are_searched_and_have_pages(root: Visitor, site: Site, new: str) -> None:
    for at in range(52):
        site.role(f"{new}-{at:02}-*", auth=["login"])
    root.open(f"{ROLES}?q={new.upper()}-")
    assert len(root.soup.select("tbody tr")) == 50
    further = root.soup.select_one("a[rel=next]")
    assert further
    root.open(str(further["href"]))
    assert len(root.soup.select("tbody tr")) == 2
    assert root.soup.select_one("a[rel=prev]")
    root.open(f"{PROFILES}?role={quote(f'{new}-07-*')}")
    assert [one.get_text() for one in root.soup.select("tbody th")] == [f"{new}-07-*"]
    assert root.open(f"{ROLES}?q={quote(f'{new}-0?')}").soup.select("tbody tr") == []


def test_what_a_user_may_do_is_told_with_the_reason(root: Visitor, site: Site, new: str) -> None:
    site.role(new, auth=["*"], server=["now"])
    restricted = {"roleId": new, "restrictedTo": [{"index": "library", "collections": ["books"]}]}
    body = {"policies": [restricted, {"roleId": "default"}]}
    site.call("security:createOrReplaceProfile", body, _id=new)
    site.person(new, new)
    root.open(f"/-/console/users/{new}/rights")
    assert "library: books" in root.text
    assert (
        f"logout by auth:* of the role {new} (1), by auth:logout of the role default (2)"
        in root.text
    )
    assert "deleteUser" not in root.text
    root.open(f"/-/console/users/{new}/rights?q=NOW")
    assert "1 action of" in root.text
    assert f"now by server:now of the role {new} (1)" in root.text
    site.call("security:disableUser", _id=new)
    assert "This user is disabled" in root.open(f"/-/console/users/{new}/rights").text
    assert root.open("/-/console/users/ghost/rights").status == 404


def test_hostile_names_stay_text(root: Visitor, site: Site) -> None:
    save_role(site, HOSTILE, {HOSTILE: {HOSTILE: True}})
    body = {"policies": [{"roleId": HOSTILE, "restrictedTo": [{"index": HOSTILE}]}]}
    site.call("security:createOrReplaceProfile", body, _id=HOSTILE)
    site.person("victim", HOSTILE)
    segment = quote(HOSTILE, safe="")
    for path, link in (
        (ROLES, f"{ROLES}/{segment}"),
        (PROFILES, f"{PROFILES}/{segment}"),
        (f"{ROLES}/{segment}", f"{PROFILES}?role={segment}"),
        (f"{PROFILES}/{segment}", f"{ROLES}/{segment}"),
        ("/-/console/users/victim/rights", f"{PROFILES}/{segment}"),
    ):
        root.open(path)
        assert root.status == 200
        assert "<script>alert" not in root.answer.text
        assert HOSTILE in root.soup.get_text()
        assert link in [one.get("href") for one in root.soup("a")]
    for path in (f"{ROLES}/{segment}", f"{PROFILES}/{segment}"):
        root.open(path).send(path, do="preview")
        assert root.status == 200
        assert "<script>alert" not in root.answer.text
        root.send(path, do="save")
        assert root.path == f"{path}?done=saved"
    root.open(f"{PROFILES}/{segment}/delete").send(f"{PROFILES}/{segment}/delete", takeOff="yes")
    root.open(f"{ROLES}/{segment}/delete").send(f"{ROLES}/{segment}/delete")
    assert "Deleted." in root.text


def test_who_has_rights_to_part_sees_that_part(visitor: Visitor, site: Site, new: str) -> None:
    site.role(new, auth=["*"], security=["searchRoles", "getRole"])
    site.person(new, new)
    way = visitor.open("/").soup.select_one("form[action^='/-/sign-in/']")
    assert way is not None
    visitor.send(str(way["action"]), username=new, password=PASSWORD).open(ROLES)
    assert [one["href"] for one in visitor.soup.select(".sections a")] == [ROLES]
    assert "New role" not in visitor.text
    visitor.open(f"{ROLES}/default")
    assert visitor.status == 200
    assert {"Save", "Preview"}.isdisjoint(one.get_text() for one in visitor.soup("button"))
    visitor.send(f"{ROLES}/default", do="save")
    assert visitor.status == 403
    assert visitor.open(f"{ROLES}.new").status == 403
    assert visitor.open("/-/console/users/root/rights").status == 403


def test_who_may_neither_preview_nor_know_actions_edits_lines(
    visitor: Visitor, site: Site, new: str
) -> None:
    site.role(new, auth=["*"], security=["searchRoles", "getRole", "updateRole"])
    site.role(f"{new}-x", auth=["login", "logout"])
    site.person(new, new)
    way = visitor.open("/").soup.select_one("form[action^='/-/sign-in/']")
    assert way is not None
    visitor.send(str(way["action"]), username=new, password=PASSWORD)
    path = f"{ROLES}/{new}-x"
    visitor.open(path)
    assert not visitor.soup.select("#preview")
    lines = visitor.soup.select("textarea[name=others]")[0].get_text().split()
    assert lines == ["auth:login", "auth:logout"]
    visitor.send(path, others="auth:login\r\n!auth:logout", do="save")
    assert "Saved." in visitor.text
    assert controllers(site, f"{new}-x") == {"auth": {"actions": {"login": True, "logout": False}}}


@pytest.mark.parametrize("path", [f"{ROLES}/default", f"{PROFILES}/default"])
def test_editors_are_small(root: Visitor, path: str) -> None:
    """With script and stylesheet a page is below 100 kB."""
    needed = [str(one["href"]) for one in root.open(path).soup.select("link[rel=stylesheet]")]
    needed += [str(one["src"]) for one in root.soup.select("script[src]")]
    sizes = [len(root.answer.content), *(len(root._client.get(one).content) for one in needed)]
    assert sum(sizes) < 100_000


def test_a_role_is_edited_in_a_browser(screen: Screen, site: Site, new: str) -> None:
    site.role(new, auth=["login", "logout"])
    page = screen.sign_in("local", username="root", password=PASSWORD)
    screen.open(f"{ROLES}/{new}")
    preview = page.locator("#preview")
    preview.get_by_text("No right is given or taken away.").wait_for()
    page.get_by_label("Show only actions").fill("seconds since")
    page.get_by_role("checkbox", name=re.compile("^now")).wait_for()
    assert page.get_by_role("checkbox", name="logout").is_hidden()
    assert page.get_by_role("checkbox", name=re.compile("^metrics")).is_hidden()
    page.get_by_label("Show only actions").fill("")
    page.get_by_role("checkbox", name=re.compile("^logout")).uncheck()
    preview.get_by_text("1 right is taken away").wait_for()
    screen.look("role-preview")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved.").wait_for()
    assert controllers(site, new) == {"auth": {"actions": {"login": True}}}
    screen.open(f"{PROFILES}/{new}")
    page.get_by_label("Requests a second").fill("12")
    page.get_by_label("Requests a second").blur()
    preview.get_by_text("0 → 12").wait_for()
    screen.look("profile-preview")
    screen.open("/-/console/users/root/rights")
    screen.look("user-rights")
