"""My ways to sign in: adding, changing and removing them, with whatever strategies there are."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ostiary.testing.linked import passes
from ostiary.testing.lock import lock
from ostiary.testing.packages import badge, installed

from .conftest import PASSWORD, Site, running
from .visitors import Screen, Visitor

WAYS = "/-/account/credentials"
CODE = "1234"
SCRIPT = "<img src=x onerror=alert(1)>"

SICK = """
async with store.read() as db:
    if await db.scalar(select(badges.c.badge).where(badges.c.kuid == kuid)) is None:
        return None
raise RuntimeError("sick")"""

numbers = itertools.count(1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server on which every session is too old to be a proof, with strategies of all kinds.

    ``lock`` asks for a proof, ``badge`` for none; ``pass`` leads elsewhere and keeps the last;
    ``sick`` cannot say what its users hold.
    """
    away = passes()
    source = away.source.replace("keeps_last=True,", "keeps_last=True, redirects=True,")
    sick = badge("sick", get=SICK)
    toys = lock(), badge(), replace(away, source=source), passes("card"), sick
    folder = tmp_path_factory.mktemp("site")
    changes: dict[str, Any] = {
        "plugins__allow": ["local", "lock", "badge", "pass", "card", "sick"],
        "security__newCredentials__youngSession": 0,
    }
    with installed(tmp_path_factory.mktemp("toys"), *toys), running(folder, **changes) as made:
        made.administer().role("owner", auth=["*"])
        yield made


@pytest.fixture
def ann(site: Site) -> str:
    """Somebody who holds a lock, whose code is 1234, and nothing else."""
    return person(site, lock={"badge": f"b{next(numbers)}", "code": CODE})


@pytest.fixture
def visitor(site: Site, ann: str) -> Iterator[Visitor]:
    """Ann, signed in."""
    with Visitor(site.url) as made:
        yield signed_in(made, site, ann)


def person(site: Site, **credentials: Any) -> str:
    kuid = f"person-{next(numbers)}"
    body = {"content": {"profileIds": ["owner"]}, "credentials": credentials}
    site.call("security:createUser", body, _id=kuid)
    return kuid


def signed_in(visitor: Visitor, site: Site, kuid: str, code: str = CODE) -> Visitor:
    held = site.call("security:getCredentials", strategy="lock", _id=kuid)["badge"]
    return visitor.sign_in("lock", badge=held, code=code)


def strategies(site: Site, kuid: str) -> set[str]:
    held = ("local", "lock", "badge", "pass", "card")
    return {one for one in held if site.call("security:hasCredentials", strategy=one, _id=kuid)}


def names_of(site: Site, kuid: str) -> set[str]:
    seen = site.call("security:getCredentials", strategy="local", _id=kuid)
    return {seen["username"], *(one["value"] for one in seen.get("identifiers", []))}


def path(strategy: str, what: str) -> str:
    return f"{WAYS}/{strategy}/{what}"


def test_each_way_is_offered_with_what_can_be_done(visitor: Visitor) -> None:
    visitor.open(WAYS)
    links = {str(one["href"]) for one in visitor.soup.select("main a")}
    mine = {path("lock", "change"), path("lock", "remove")}
    assert links == mine | {path(one, "add") for one in ("local", "badge", "pass", "card", "sick")}


def test_a_way_is_added_by_a_form(visitor: Visitor, site: Site, ann: str) -> None:
    visitor.open(path("local", "add"))
    visitor.send(path("local", "add"), username=f"name-{ann}", password=PASSWORD)
    assert "From now on you can sign in with it." in visitor.text
    assert f"name-{ann}" in visitor.text
    assert strategies(site, ann) == {"lock", "local"}
    assert visitor.open(path("local", "add")).text.count("You have it already.") == 1


def test_what_is_wrong_with_a_new_way_is_told_at_its_field(visitor: Visitor) -> None:
    fields = {"username": "anna-of-old", "password": "short", "email": "anna@example.org"}
    visitor.open(path("local", "add")).send(path("local", "add"), **fields)
    assert visitor.status == 400
    assert visitor.faulty == ["password"]
    again = visitor.filled(path("local", "add"))
    assert (again["username"], again["email"]) == (["anna-of-old"], ["anna@example.org"])
    assert again["password"] == [""]


def test_a_way_is_changed_by_who_proves_it(visitor: Visitor, site: Site, ann: str) -> None:
    with Visitor(site.url) as other:
        signed_in(other, site, ann)
        visitor.open(path("lock", "change"))
        wrong = {"colour": "red", "code": "4321", "proof.is.currentCode": "1111"}
        visitor.send(path("lock", "change"), **wrong)
        assert visitor.status == 403
        assert "This is not the current code." in visitor.text
        again = visitor.filled(path("lock", "change"))
        assert (again["colour"], again["code"]) == (["red"], [""])
        visitor.send(path("lock", "change"), **{**wrong, "proof.is.currentCode": CODE})
        assert "Saved." in visitor.text
        assert other.open(WAYS).path.startswith("/?then=")
    with Visitor(site.url) as again_in:
        assert signed_in(again_in, site, ann, "4321").path == "/-/account"


def test_only_what_was_changed_is_sent(site: Site) -> None:
    username = f"bob-{next(numbers)}"
    kuid = person(site, local={"username": username, "password": PASSWORD})
    with Visitor(site.url) as visitor:
        visitor.sign_in("local", username=username, password=PASSWORD).open(path("local", "change"))
        visitor.send(path("local", "change"))
        assert "You have changed nothing." in visitor.text
        assert visitor.filled(path("local", "change"))["username"] == [username]
        proof = {"proof.is.currentPassword": PASSWORD}
        address = f"{username}@example.org"
        visitor.send(path("local", "change"), email=address, **proof)
        assert "Saved." in visitor.text
        assert names_of(site, kuid) == {username, address}
        assert address in visitor.text
        visitor.open(path("local", "change"))
        assert visitor.filled(path("local", "change"))["email"] == [address]
        visitor.send(path("local", "change"), email="", **proof)
        assert names_of(site, kuid) == {username}
        visitor.open(path("local", "change"))
        wrong = {"proof.is.currentPassword": "a wrong one"}
        visitor.send(path("local", "change"), password="a better one, longer", **wrong)
        assert visitor.faulty == ["proof.is.currentPassword"]


def test_the_last_way_in_is_not_removed_by_accident(visitor: Visitor, site: Site, ann: str) -> None:
    visitor.open(path("lock", "remove"))
    assert "This is your last way to sign in." in visitor.text
    proof = {"proof.is.currentCode": CODE}
    visitor.send(path("lock", "remove"), **proof)
    assert visitor.faulty == ["confirm.last"]
    assert strategies(site, ann) == {"lock"}
    visitor.send(path("lock", "remove"), **{"confirm.last": "yes", **proof})
    assert "Removed." in visitor.text
    assert strategies(site, ann) == set()


def test_another_way_is_removed_without_more_ado(visitor: Visitor, site: Site, ann: str) -> None:
    visitor.open(path("badge", "add")).send(path("badge", "add"), badge=f"x-{ann}")
    visitor.open(path("badge", "remove"))
    assert "last way" not in visitor.text
    visitor.send(path("badge", "remove"))
    assert strategies(site, ann) == {"lock"}
    visitor.open(path("badge", "remove"))
    assert visitor.status == 404


def test_a_removal_is_proved(visitor: Visitor, site: Site, ann: str) -> None:
    visitor.open(path("badge", "add")).send(path("badge", "add"), badge=f"y-{ann}")
    visitor.open(path("lock", "remove")).send(path("lock", "remove"))
    assert visitor.status == 400
    assert "The current code is missing." in visitor.text
    visitor.send(path("lock", "remove"), **{"proof.is.currentCode": CODE})
    assert strategies(site, ann) == {"badge"}


def test_an_account_elsewhere_is_linked_by_who_proves_who_they_are(
    visitor: Visitor, site: Site, ann: str
) -> None:
    visitor.open(path("pass", "add"))
    assert visitor.soup.select("main input:not([type=hidden])") == []
    visitor.send(path("pass", "add"))
    assert visitor.status == 403
    assert "prove that it is you" in visitor.text
    visitor.send(path("pass", "add"), **{"proof.is.currentCode": "1111"})
    assert "This is not the current code." in visitor.text
    visitor.send(path("pass", "add"), **{"proof.is.currentCode": CODE})
    link = visitor.soup.select_one("main a")
    assert link is not None
    address = urlsplit(str(link["href"]))
    assert address.netloc == "pass.example"
    assert str(link["href"]) in str(visitor.soup.select_one("meta[http-equiv=refresh]"))
    state = parse_qs(address.query)["state"][0]
    visitor.open(f"/_login/pass?code=of-{ann}&state={state}")
    assert visitor.answer.url.fragment == "linked=pass"
    assert ann in visitor.open(WAYS).text
    links = {str(one["href"]) for one in visitor.soup.select("main a")}
    # There may be several of them, and nothing of them is filled in by hand.
    assert {path("pass", "add"), path("pass", "remove")} <= links
    assert path("pass", "change") not in links


def test_a_strategy_that_fails_hides_no_other(site: Site) -> None:
    kuid = person(site, lock={"badge": "well", "code": CODE}, sick={"badge": "unwell"})
    with Visitor(site.url) as visitor:
        signed_in(visitor, site, kuid).open(WAYS)
        assert visitor.status == 200
        (trouble,) = visitor.soup.select("main section:has([role=alert])")
        assert path("sick", "remove") in str(trouble)
        assert "well" in visitor.text
        # It may still be what lets them in.
        assert "last way" not in visitor.open(path("lock", "remove")).text


def test_a_further_step_is_asked_for(visitor: Visitor, site: Site, ann: str) -> None:
    fields = {"badge": f"card-{ann}", "way": "ask"}
    visitor.open(path("card", "add")).send(path("card", "add"), **fields)
    assert visitor.filled(path("card", "add"))["badge"] == [f"card-{ann}"]
    visitor.send(path("card", "add"), **{"proof.is.currentCode": CODE})
    assert "the pass" in visitor.text
    (form,) = visitor.soup.select("main form")
    visitor.send(str(form["action"]), pin="2468")
    assert visitor.path.startswith(WAYS)
    assert f"card-{ann}" in visitor.text
    assert strategies(site, ann) == {"lock", "card"}


def test_what_credentials_show_is_text(site: Site) -> None:
    kuid = person(site, lock={"badge": SCRIPT, "code": CODE})
    with Visitor(site.url) as visitor:
        signed_in(visitor, site, kuid).open(WAYS)
        assert SCRIPT in visitor.text
        assert visitor.soup.select("main img") == []
        visitor.open(path("lock", "change"))
        assert visitor.filled(path("lock", "change"))["badge"] == [SCRIPT]


def test_who_may_only_look_is_offered_nothing_else(site: Site) -> None:
    site.role("looker", auth=["getCurrentUser", "getMyCredentials"])
    held = f"b{next(numbers)}"
    body = {
        "content": {"profileIds": ["looker"]},
        "credentials": {"lock": {"badge": held, "code": CODE}},
    }
    site.call("security:createUser", body, _id=held)
    with Visitor(site.url) as visitor:
        visitor.sign_in("lock", badge=held, code=CODE).open(WAYS)
        assert held in visitor.text
        assert visitor.soup.select("main a") == []
        assert visitor.open(path("lock", "remove")).status == 403


def test_my_ways_on_a_screen(screen: Screen, site: Site, ann: str) -> None:
    held = site.call("security:getCredentials", strategy="lock", _id=ann)["badge"]
    page = screen.open("/")
    form = page.locator("form[action='/-/sign-in/lock']")
    form.get_by_label("Badge").fill(held)
    form.get_by_label("Code").fill(CODE)
    form.get_by_label("Colour").fill("blue")
    form.get_by_role("button").click()
    page.get_by_role("link", name="Ways to sign in").click()
    screen.look("account-ways")
    page.locator(f"a[href='{path('local', 'add')}']").click()
    page.get_by_label("User name", exact=True).fill(ann)
    page.get_by_label("Password", exact=True).fill("short")
    page.get_by_role("button", name="Add").click()
    page.get_by_role("alert").wait_for()
    screen.look("account-add")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Add").click()
    page.get_by_text("From now on").wait_for()
    page.locator(f"a[href='{path('lock', 'change')}']").click()
    screen.look("account-change")
    page.get_by_role("link", name="Cancel").click()
    page.locator(f"a[href='{path('local', 'remove')}']").click()
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_role("button", name="Remove").click()
    page.get_by_text("Removed.").wait_for()
    page.locator(f"a[href='{path('lock', 'remove')}']").click()
    page.get_by_text("This is your last way to sign in.").wait_for()
    screen.look("account-remove")
    page.get_by_label("I want to lose").check()
    page.get_by_label("Current code").fill(CODE)
    page.get_by_role("button", name="Remove").click()
    page.get_by_text("Removed.").wait_for()
    assert strategies(site, ann) == set()
