"""What lets somebody do what they may do, and what saving would change of it, without saving."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from ostiary.settings import Settings
from ostiary.testing.wire import Api

NUMBERS = count(1)
EVERYWHERE = {"everywhere": True, "places": [], "total": 0}
LOGIN = {"actions": {"login": True}}
READ = {"controllers": {"auth": LOGIN, "server": {"actions": {"*": True, "info": False}}}}


@pytest.fixture(scope="module")
def closed(settings_here: Callable[..., Settings], new_site: Callable[..., Any]) -> Iterator[Any]:
    """A server of these tests alone: they leave roles and profiles behind."""
    with new_site(settings_here("told")) as running:
        yield running


@pytest.fixture
def admin(closed: Any) -> str:
    return str(closed.admin.jwt)


@pytest.fixture
def new() -> str:
    """An id that nothing has."""
    return f"told-{next(NUMBERS)}"


def save(api: Api, jwt: str, kind: str, id: str, body: Any, **args: Any) -> Any:
    saved = api.call(f"security:createOrReplace{kind}", body, jwt=jwt, _id=id, **args)
    assert saved.status == 200, saved.body
    return saved.result["_source"]["_kuzzle_info"]


def preview(api: Api, jwt: str, kind: str, id: str, body: Any, **args: Any) -> Any:
    told = api.call(f"security:preview{kind}", body, jwt=jwt, _id=id, **args)
    assert told.status == 200, told.body
    return told.result


def policies(*named: Any) -> dict[str, Any]:
    return {"policies": [one if isinstance(one, dict) else {"roleId": one} for one in named]}


def named(changes: Any) -> dict[str, tuple[Any, Any]]:
    return {
        f"{one['controller']}:{one['action']}": (one["before"], one["after"]) for one in changes
    }


def explained(api: Api, jwt: str, kuid: str) -> Any:
    told = api.call("security:explainUserRights", jwt=jwt, _id=kuid)
    assert told.status == 200, told.body
    assert told.result["total"] == len(told.result["hits"])
    return told.result


def rules(told: Any) -> dict[str, list[tuple[str, str, str, str]]]:
    """Return by action the profile, the role and the entry of each rule that grants it."""
    return {
        f"{hit['controller']}:{hit['action']}": [
            (
                told["policies"][one["policy"]]["profileId"],
                told["policies"][one["policy"]]["roleId"],
                one["rule"]["controller"],
                one["rule"]["action"],
            )
            for one in hit["through"]
        ]
        for hit in told["hits"]
    }


def test_each_rule_that_grants_an_action_is_told(
    api: Api, closed: Any, admin: str, new: str
) -> None:
    save(api, admin, "Role", new, READ)
    place = {"index": "i", "collections": ["a"]}
    restricted = {"roleId": new, "restrictedTo": [place]}
    save(api, admin, "Profile", new, {**policies(restricted, "default"), "rateLimit": 7})
    person = closed.person(new, "member")
    told = explained(api, admin, person.kuid)
    assert told["policies"] == [
        {"profileId": new, "roleId": new, "restrictedTo": [place]},
        {"profileId": new, "roleId": "default"},
        {"profileId": "member", "roleId": "member"},
    ]
    assert told["profileIds"] == [new, "member"]
    assert (told["status"], told["rateLimit"]) == ("enabled", 0)
    found = rules(told)
    assert found["auth:login"] == [
        (new, new, "auth", "login"),
        ("member", "member", "auth", "*"),
    ]
    assert found["server:publicApi"] == [
        (new, new, "server", "*"),
        (new, "default", "server", "publicApi"),
    ]
    assert found["server:now"] == [(new, new, "server", "*")]
    assert "server:info" not in found
    assert not any(name.startswith("security:") for name in found)


def test_what_is_told_is_what_may_be_done(api: Api, closed: Any, admin: str) -> None:
    """AZ-14: for every action that there is, of everybody."""
    known = api.call("server:describeActions", jwt=admin).result["hits"]
    for kuid in ("root", "-1", closed.person("manager").kuid, closed.person("default").kuid):
        found = rules(explained(api, admin, kuid))
        for action in known:
            body = {"controller": action["controller"], "action": action["action"]}
            may = api.call("security:checkRights", body, jwt=admin, userId=kuid).result["allowed"]
            name = f"{action['controller']}:{action['action']}"
            assert (name in found) == (may and not (kuid == "-1" and action["signedIn"])), name


def test_everything_is_told_as_two_wildcards(api: Api, admin: str) -> None:
    found = rules(explained(api, admin, "root"))
    assert found["security:deleteUser"] == [("admin", "admin", "*", "*")]


def test_who_is_disabled_is_told_to_be(api: Api, closed: Any, admin: str) -> None:
    person = closed.person("member")
    api.call("security:disableUser", jwt=admin, _id=person.kuid)
    assert explained(api, admin, person.kuid)["status"] == "disabled"


def test_nobody_else_is_told(api: Api, closed: Any, admin: str) -> None:
    refused = api.call("security:explainUserRights", jwt=closed.person().jwt, _id="root")
    assert refused.status == 403
    missing = api.call("security:explainUserRights", jwt=admin, _id="ghost")
    assert (missing.status, missing.error_id) == (404, "security.user.not_found")


def test_actions_are_described(api: Api, admin: str) -> None:
    told = api.call("server:describeActions", jwt=admin).result
    assert told["total"] == len(told["hits"])
    by_name = {f"{one['controller']}:{one['action']}": one for one in told["hits"]}
    assert by_name["server:describeActions"] == {
        "controller": "server",
        "action": "describeActions",
        "description": "List every action with a sentence on it, its routes, and the plugin that "
        "adds it.",
        "plugin": None,
        "signedIn": False,
        "http": [{"verb": "GET", "path": "/_describeActions"}],
    }
    assert {one["plugin"] for one in told["hits"]} == {None, "local"}
    listed = api.call("server:publicApi").result
    names = {f"{name}:{action}" for name, actions in listed.items() for action in actions}
    assert names == by_name.keys()
    assert all(one["description"].endswith((".", "`.")) for one in told["hits"])


def test_a_new_role_grants_what_it_names(api: Api, admin: str, new: str) -> None:
    told = preview(api, admin, "Role", new, READ)
    granted = named(told["granted"])
    assert granted["auth:login"] == (None, EVERYWHERE)
    assert granted["server:*"] == (None, EVERYWHERE)
    assert {"server:now", "server:publicApi"} <= granted.keys()
    assert not {"server:info", "auth:logout"} & granted.keys()
    assert (told["taken"], told["exists"], told["refusal"]) == ([], False, None)
    assert told["own"] == {"granted": [], "taken": []}
    assert told["profiles"] == told["users"] == {"hits": [], "total": 0}
    assert api.call("security:getRole", jwt=admin, _id=new).status == 404


def test_a_changed_role_grants_takes_and_reaches(
    api: Api, closed: Any, admin: str, new: str
) -> None:
    save(api, admin, "Role", new, READ)
    for suffix in ("a", "b"):
        save(api, admin, "Profile", f"{new}-{suffix}", policies("default", new))
    people = [closed.person(f"{new}-a"), closed.person(f"{new}-a", f"{new}-b")]
    body = {"controllers": {"auth": LOGIN, "document": {"actions": {"get": True}}}}
    told = preview(api, admin, "Role", new, body)
    assert named(told["granted"]) == {"document:get": (None, EVERYWHERE)}
    taken = named(told["taken"])
    assert taken["server:*"] == taken["server:now"] == (EVERYWHERE, None)
    assert "server:info" not in taken
    assert told["exists"]
    assert told["profiles"] == {"hits": [f"{new}-a", f"{new}-b"], "total": 2}
    assert told["users"] == {"hits": sorted(one.kuid for one in people), "total": 2}
    kept = api.call("security:getRole", jwt=admin, _id=new).result["_source"]["controllers"]
    assert kept == READ["controllers"]
    save(api, admin, "Role", new, body)
    again = preview(api, admin, "Role", new, body)
    assert again["granted"] == again["taken"] == []


def test_what_is_narrowed_is_taken_and_what_is_widened_granted(
    api: Api, admin: str, new: str
) -> None:
    save(api, admin, "Role", new, READ)
    books, films = {"index": "i", "collections": ["books"]}, {"index": "i"}

    def body(*places: Any) -> dict[str, Any]:
        return policies({"roleId": new, "restrictedTo": list(places)} if places else new)

    within = {
        "everywhere": False,
        "places": [{"index": "i", "collection": "books"}],
        "total": 1,
    }
    wider = {"everywhere": False, "places": [{"index": "i", "collection": "*"}], "total": 1}
    save(api, admin, "Profile", new, body(books))
    told = preview(api, admin, "Profile", new, body(films))
    assert named(told["granted"])["auth:login"] == (within, wider)
    assert told["taken"] == []
    save(api, admin, "Profile", new, body())
    told = preview(api, admin, "Profile", new, {**body(books), "rateLimit": 5})
    assert named(told["taken"])["auth:login"] == (EVERYWHERE, within)
    assert told["granted"] == []
    assert told["rateLimit"] == {"before": 0, "after": 5}
    elsewhere = {"index": "j"}
    save(api, admin, "Profile", new, body(books))
    told = preview(api, admin, "Profile", new, body(elsewhere))
    assert "auth:login" in named(told["granted"])
    assert "auth:login" in named(told["taken"])


def test_who_asks_is_told_what_they_would_lose(api: Api, closed: Any, admin: str, new: str) -> None:
    mine = {"controllers": {"security": {"actions": {"previewRole": True, "getRole": True}}}}
    save(api, admin, "Role", new, mine)
    save(api, admin, "Profile", new, policies(new))
    person = closed.person(new)
    less = {"controllers": {"security": {"actions": {"previewRole": True}}}}
    told = preview(api, person.jwt, "Role", new, less)
    assert named(told["own"]["taken"]) == {"security:getRole": (EVERYWHERE, None)}
    assert told["refusal"] is None


REFUSED: list[tuple[str, str, Any, str, str]] = [
    ("Role", "NEW", READ, "manager", "ostiary.rights.escalation"),
    ("Role", "admin", READ, "admin", "ostiary.rights.administrators"),
    ("Profile", "NEW", policies("admin"), "manager", "ostiary.rights.escalation"),
    ("Profile", "admin", policies("default"), "admin", "ostiary.rights.administrators"),
]


@pytest.mark.parametrize("kind, id, body, who, error", REFUSED)
def test_a_refusal_is_told_as_saving_would_end(
    api: Api, closed: Any, admin: str, new: str, kind: str, id: str, body: Any, who: str, error: str
) -> None:
    """AZ-20: and nobody saves because it was told."""
    id = new if id == "NEW" else id
    jwt = admin if who == "admin" else closed.person(who).jwt
    told = preview(api, jwt, kind, id, body)["refusal"]
    saved = api.call(f"security:createOrReplace{kind}", body, jwt=jwt, _id=id)
    assert told == saved.error
    assert saved.error_id == error


def test_what_is_taken_from_others_has_to_be_held(
    api: Api, closed: Any, admin: str, new: str
) -> None:
    save(api, admin, "Role", new, READ)
    jwt = closed.person("manager").jwt
    less = {"controllers": {"security": {"actions": {"getRole": True}}}}
    told = preview(api, jwt, "Role", new, less)["refusal"]
    assert told["id"] == "ostiary.rights.escalation"
    saved = api.call("security:createOrReplaceRole", less, jwt=jwt, _id=new)
    assert saved.error == told


def test_names_that_do_not_exist_need_force(api: Api, admin: str, new: str) -> None:
    body = {"controllers": {"iot": {"actions": {"blink": True}}}}
    refused = api.call("security:previewRole", body, jwt=admin, _id=new)
    assert refused.error_id == "security.role.unknown_controller"
    told = preview(api, admin, "Role", new, body, force=True)
    assert named(told["granted"]) == {"iot:blink": (None, EVERYWHERE)}


def test_nobody_writes_over_what_they_have_not_read(api: Api, admin: str, new: str) -> None:
    for kind, body in (("Role", READ), ("Profile", policies("default"))):
        made = save(api, admin, kind, new, body)["createdAt"]
        changed = api.call(
            f"security:update{kind}", body, jwt=admin, _id=new, ifUnchangedSince=made
        ).result["_source"]["_kuzzle_info"]["updatedAt"]
        for verb in ("createOrReplace", "update"):
            name = f"security:{verb}{kind}"
            late = api.call(name, body, jwt=admin, _id=new, ifUnchangedSince=made)
            assert (late.status, late.error_id) == (412, "ostiary.rights.changed_meanwhile")
        save(api, admin, kind, new, body, ifUnchangedSince=changed)
        gone = api.call(
            f"security:createOrReplace{kind}", body, jwt=admin, _id=f"{new}-x", ifUnchangedSince=1
        )
        assert gone.error_id == "ostiary.rights.changed_meanwhile"


def test_what_is_told_has_an_end(api: Api, closed: Any, admin: str, new: str) -> None:
    """INP-09: names and rules by the ten thousand fill the memory."""
    large = {"controllers": {"iot": {"actions": {f"{at:x}": True for at in range(20_001)}}}}
    refused = api.call("security:previewRole", large, jwt=admin, _id=new, force=True)
    assert (refused.status, refused.error_id) == (413, "ostiary.rights.too_many")
    save(api, admin, "Role", new, large, force=True)
    refused = api.call("security:previewProfile", policies(new), jwt=admin, _id=new)
    assert (refused.status, refused.error_id) == (413, "ostiary.rights.too_many")
    save(api, admin, "Profile", new, policies(*["admin"] * 300))
    person = closed.person(new)
    refused = api.call("security:explainUserRights", jwt=admin, _id=person.kuid)
    assert (refused.status, refused.error_id) == (413, "ostiary.rights.too_many")
    told = preview(api, admin, "Profile", new, policies("default"))
    assert told["users"] == {"hits": [person.kuid], "total": 1}


def test_previews_and_explanations_write_no_audit(api: Api, admin: str, new: str) -> None:
    preview(api, admin, "Role", new, READ)
    explained(api, admin, "root")
    wanted = {"event": "ActionRun", "author": "root"}
    log = api.call("security:searchAuditLog", wanted, jwt=admin, size=50).result["hits"]
    told = {hit["_source"].get("action") for hit in log}
    assert not told & {"security:previewRole", "security:explainUserRights"}
