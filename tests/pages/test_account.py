"""My account: what a person sees and changes of themselves, with the rights that they have."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import PASSWORD, Site
from .visitors import Screen, Visitor

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
SCRIPT = "<script>alert(1)</script>"
PROFILE, SESSIONS, KEYS = "/-/account", "/-/account/sessions", "/-/account/keys"

numbers = itertools.count(1)


@pytest.fixture(scope="module")
def owner(site: Site) -> str:
    """A profile of who looks after their own account."""
    return site.role("owner", auth=["*"])


@pytest.fixture
def ann(site: Site, owner: str) -> str:
    return site.person(f"ann-{next(numbers)}", owner, name="Ann", langs=["en", "fr"], age=41)


@pytest.fixture
def visitor(site: Site, ann: str) -> Iterator[Visitor]:
    """Ann, at home."""
    with Visitor(site.url, **{"User-Agent": FIREFOX}) as made:
        yield made.sign_in("local", username=ann, password=PASSWORD)


def content_of(site: Site, kuid: str) -> dict[str, Any]:
    source: dict[str, Any] = site.call("security:getUser", _id=kuid)["_source"]
    return {key: one for key, one in source.items() if key not in ("profileIds", "_kuzzle_info")}


def sessions_of(site: Site, kuid: str) -> list[dict[str, Any]]:
    hits: list[dict[str, Any]] = site.call("security:getSessions", _id=kuid)["hits"]
    return hits


def test_who_may_nothing_is_told_what_could_be_granted(site: Site) -> None:
    profile = site.role("stranger", auth=["getCurrentUser"])
    name = site.person(f"nobody-{next(numbers)}", profile)
    with Visitor(site.url) as visitor:
        visitor.sign_in("local", username=name, password=PASSWORD).open(PROFILE)
        assert name in visitor.text
        assert "Changing properties updateSelf" in visitor.text
        assert "API keys searchApiKeys , createApiKey" in visitor.text
        assert visitor.soup.select("main form, .sections a") == []
        assert visitor.open(KEYS).status == 403
        assert "auth:createApiKey" in visitor.text


def test_each_part_is_for_who_has_a_right_in_it(site: Site) -> None:
    profile = site.role("watcher", auth=["getCurrentUser", "getMySessions"])
    name = site.person(f"watcher-{next(numbers)}", profile)
    with Visitor(site.url) as visitor:
        visitor.sign_in("local", username=name, password=PASSWORD).open(SESSIONS)
        assert [one["href"] for one in visitor.soup.select(".sections a")] == [PROFILE, SESSIONS]
        # What they may not do is not offered either.
        assert visitor.soup.select("main form") == []
        assert visitor.open("/-/account/sign-ins").status == 403


def test_properties_are_shown_as_they_are_and_saved(visitor: Visitor, site: Site, ann: str) -> None:
    visitor.open(PROFILE)
    assert visitor.filled(PROFILE)["lines.langs"] == ["\nen\nfr"]
    fields = {"text.name": f"Ann {SCRIPT}", "lines.langs": "en\r\n\r\nde ", "json.age": "[1]"}
    visitor.send(PROFILE, **fields)
    assert "Saved." in visitor.text
    assert content_of(site, ann) == {"name": f"Ann {SCRIPT}", "langs": ["en", "de"], "age": [1]}
    assert visitor.soup.find("script", string=lambda one: "alert" in (one or "")) is None


def test_a_property_is_added(visitor: Visitor, site: Site, ann: str) -> None:
    fields = {"new.name": "motto", "new.value": "Well, well", "new.kind": "text"}
    visitor.open(PROFILE).send(PROFILE, **fields)
    fields = {"new.name": "size", "new.value": '{"cm": 170}', "new.kind": "json"}
    visitor.send(PROFILE, **fields)
    added = {"motto": "Well, well", "size": {"cm": 170}}
    assert content_of(site, ann) == {"name": "Ann", "langs": ["en", "fr"], "age": 41, **added}


def test_what_was_not_changed_is_not_overwritten(visitor: Visitor, site: Site, ann: str) -> None:
    visitor.open(PROFILE)
    form = visitor.filled(PROFILE)
    visitor.send(PROFILE)
    assert site.call("security:getUser", _id=ann)["_source"]["_kuzzle_info"]["updatedAt"] is None
    assert set(form) == {
        "formToken", "text.name", "lines.langs", "json.age", "new.name", "new.value", "new.kind"
    }  # fmt: skip


@pytest.mark.parametrize(
    "fields, at",
    [
        ({"json.age": "forty"}, "json.age"),
        ({"json.age": "[" * 100 + "]" * 100}, "json.age"),
        ({"new.name": "size", "new.value": "{", "new.kind": "json"}, "new.value"),
        ({"new.name": "name", "new.value": "x"}, "new.name"),
        ({"new.name": " ", "new.value": "x"}, "new.name"),
        ({"new.name": "profileIds", "new.value": "admin"}, "new.name"),
        ({"new.name": "profileIds", "new.value": '["admin"]', "new.kind": "json"}, "new.name"),
    ],
)
def test_what_is_wrong_is_told_at_its_field_and_nothing_is_lost(
    visitor: Visitor, site: Site, ann: str, fields: dict[str, str], at: str
) -> None:
    before = content_of(site, ann)
    visitor.open(PROFILE).send(PROFILE, **{"text.name": "Anna", **fields})
    assert 400 <= visitor.status < 500
    assert visitor.faulty == [at]
    assert visitor.filled(PROFILE)["text.name"] == ["Anna"]
    assert content_of(site, ann) == before


def test_sessions_are_listed_this_one_first_and_can_be_ended(
    visitor: Visitor, site: Site, ann: str
) -> None:
    with Visitor(site.url, **{"User-Agent": SCRIPT}) as other:
        other.sign_in("local", username=ann, password=PASSWORD)
        visitor.open(SESSIONS)
        first, second = (one.get_text(" ") for one in visitor.soup.select("main section"))
        assert "Firefox 128 on Linux" in first
        assert "This one" in first
        assert SCRIPT in second
        (theirs,) = (one for one in sessions_of(site, ann) if one["agent"] == SCRIPT)
        visitor.send(f"{SESSIONS}/{theirs['_id']}/end")
        assert "The session is ended." in visitor.text
        assert other.open(PROFILE).path.startswith("/?then=")
    assert visitor.open(PROFILE).status == 200


def test_ending_this_session_is_signing_out(visitor: Visitor, site: Site, ann: str) -> None:
    (mine,) = sessions_of(site, ann)
    visitor.open(SESSIONS).send(f"{SESSIONS}/{mine['_id']}/end")
    assert "You are signed out." in visitor.text
    assert sessions_of(site, ann) == []


def test_nobody_ends_the_session_of_another(visitor: Visitor, site: Site, owner: str) -> None:
    bob = site.person(f"bob-{next(numbers)}", owner)
    site.api.call("auth:login", site.credentials(bob), strategy="local")
    (his,) = sessions_of(site, bob)
    visitor.open(SESSIONS)
    token = visitor.filled("/-/account/sign-out-everywhere")["formToken"]
    visitor._show(
        visitor._client.post(
            f"{SESSIONS}/{his['_id']}/end", data={"formToken": token}, headers={"Origin": site.url}
        )
    )
    assert visitor.status == 404
    assert sessions_of(site, bob)


def test_signing_out_everywhere_ends_every_session(visitor: Visitor, site: Site, ann: str) -> None:
    site.api.call("auth:login", site.credentials(ann), strategy="local")
    visitor.open(SESSIONS).send("/-/account/sign-out-everywhere")
    assert "You are signed out." in visitor.text
    assert sessions_of(site, ann) == []
    assert visitor.open(PROFILE).path.startswith("/?then=")


def test_a_key_is_shown_once_and_lets_a_program_in(visitor: Visitor, site: Site, ann: str) -> None:
    fields = {"key.description": f"backup {SCRIPT}", "key.lifetime": "30d"}
    form = visitor.open(KEYS).filled(KEYS, **fields)
    visitor.send(KEYS, **fields)
    (shown,) = visitor.soup.select("#key")
    token = shown.get_text().strip()
    assert visitor.answer.headers["cache-control"] == "no-store"
    assert visitor.path == KEYS
    assert site.api.call("auth:checkToken", {"token": token}).result["kuid"] == ann
    visitor.open(KEYS)
    assert f"backup {SCRIPT}" in visitor.text
    assert token not in visitor.answer.text
    # A browser that sends the form again makes no second one.
    visitor.send(KEYS, **form)
    assert "made already" in visitor.text
    (key,) = site.call("security:searchApiKeys", {}, userId=ann)["hits"]
    assert key["_source"]["ttl"] == 30 * 86_400_000
    visitor.open(KEYS).open(f"{KEYS}/{key['_id']}/delete").send(f"{KEYS}/{key['_id']}/delete")
    assert "Deleted." in visitor.text
    assert not site.api.call("auth:checkToken", {"token": token}).result["valid"]


def test_what_is_wrong_with_a_key_is_told_at_its_field(visitor: Visitor) -> None:
    fields = {"key.description": "x" * 1025, "key.lifetime": "-1"}
    visitor.open(KEYS).send(KEYS, **fields)
    assert visitor.status == 400
    assert visitor.faulty == ["key.description"]
    again = visitor.filled(KEYS)
    assert (again["key.description"], again["key.lifetime"]) == (["x" * 1025], ["-1"])


def test_sign_ins_and_attempts_are_listed(visitor: Visitor, site: Site, ann: str) -> None:
    wrong = {"username": ann, "password": "another one, and wrong"}
    refused = site.api.send("POST", "/_login/local", wrong, {"User-Agent": SCRIPT})
    assert refused.status == 401
    visitor.open("/-/account/sign-ins")
    newest, first = (one.get_text(" ") for one in visitor.soup.select("tbody tr"))
    assert "Refused" in newest
    assert SCRIPT in newest
    assert "Signed in" in first
    assert "Firefox 128 on Linux" in first


def test_my_account_on_a_screen(screen: Screen, site: Site, ann: str) -> None:
    page = screen.sign_in("local", username=ann, password=PASSWORD)
    screen.open("/-/account")
    screen.look("account-profile")
    page.get_by_label("name", exact=True).fill("Ann B.")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved.").wait_for()
    page.get_by_role("link", name="Sessions").click()
    page.get_by_text("This one", exact=True).wait_for()
    screen.look("account-sessions")
    page.get_by_role("link", name="Recent sign-ins").click()
    page.get_by_role("cell", name="Signed in").wait_for()
    screen.look("account-sign-ins")
    page.get_by_role("link", name="API keys").click()
    page.get_by_label("Description").fill("a program")
    page.get_by_role("button", name="Make a key").click()
    page.get_by_text("Copy it now").wait_for()
    screen.look("account-key")
    page.get_by_role("link", name="I have copied it").click()
    page.get_by_role("heading", name="a program").wait_for()
    screen.look("account-keys")
    assert content_of(site, ann)["name"] == "Ann B."
