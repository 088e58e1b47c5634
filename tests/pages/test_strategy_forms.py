"""Forms for who cannot sign in: a new password, an address to verify, and logins that go on there."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from .conftest import PASSWORD, UNSENT_MAIL, Site, running
from .visitors import Screen, Visitor

MUST, EXPIRED, STRANGER = "must", "expired", "stranger"
FORMS = "/-/forms/local"
NEW, LOST, VERIFY = (
    f"{FORMS}/{one}" for one in ("new-password", "forgotten-password", "verify-address")
)
FRESH = "another password, and longer"
APP = "https://app.example/signed-in"
WANTED = urlencode({"returnTo": APP, "codeChallenge": "A" * 43})
PLUGIN = "kuzzle-plugin-auth-passport-local"

numbers = itertools.count(1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server where strangers may set new passwords, and some users have to."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    where = {"server__port": port, "server__publicUrl": f"http://127.0.0.1:{port}"}
    with running(tmp_path_factory.mktemp("site"), **SETTINGS, **where) as made:
        made.administer()
        let_strangers(made, **RESETS)
        for profile in (MUST, EXPIRED):
            policies = [{"roleId": "default"}]
            made.call("security:createOrReplaceProfile", {"policies": policies}, _id=profile)
        yield made


LOCAL = {
    "mail": UNSENT_MAIL,
    "passwordPolicies": [
        {"appliesTo": {"profiles": [MUST]}, "mustChangePasswordIfSetByAdmin": True},
        {"appliesTo": {"profiles": [EXPIRED]}, "expiresAfter": 1},
    ],
}
SETTINGS: dict[str, Any] = {
    "security__returnAddresses": [APP],
    "plugins__<name>": {"local": LOCAL},
}
RESETS = {
    f"{PLUGIN}/password": {"actions": {"requestReset": True, "reset": True}},
    f"{PLUGIN}/identifier": {"actions": {"verify": True}},
}


def let_strangers(site: Site, **controllers: Any) -> None:
    granted = {"server": {"actions": {"now": True}}, **controllers}
    site.call("security:createOrReplaceRole", {"controllers": granted}, _id=STRANGER)
    policies = [{"roleId": "anonymous"}, {"roleId": STRANGER}]
    site.call("security:createOrReplaceProfile", {"policies": policies}, _id="anonymous")


@pytest.fixture
def person(site: Site, request: pytest.FixtureRequest) -> str:
    """Somebody with a profile, which a test may name."""
    return site.person(f"user-{next(numbers)}", getattr(request, "param", "default"))


def signed_in(visitor: Visitor) -> bool:
    return visitor.open("/-/account").path == "/-/account"


def has_no_code(visitor: Visitor, code: str) -> bool:
    """Tell whether a code stands in no address that was gone to."""
    addresses = [str(one.url) for one in (*visitor.answer.history, visitor.answer)]
    return not any(code in one for one in addresses)


def test_who_has_forgotten_a_password_is_told_the_same_whoever_it_is(
    visitor: Visitor, person: str
) -> None:
    pages = []
    for name in (person, "nobody-at-all"):
        visitor.open("/")
        (link,) = visitor.form("/-/sign-in/local").select("a")
        assert link["href"] == LOST
        visitor.open(LOST).send(LOST, username=name)
        pages.append((visitor.status, visitor.text))
    assert pages[0] == pages[1]
    assert "If there is such an account, a mail is on its way" in pages[0][1]


def test_whom_a_mail_leads_here_sets_a_new_password_and_is_signed_in(
    visitor: Visitor, site: Site, person: str
) -> None:
    """Without scripts: the code is copied from the address."""
    token = reset_token(site, person)
    visitor.open(f"{NEW}?then=/-/console")
    assert visitor.form(NEW).select_one("input[name='form.code'][data-fragment=token]")
    visitor.send(NEW, **{"form.code": token}, password="short")
    assert visitor.status == 400
    assert has_no_code(visitor, token)
    assert visitor.form(NEW).select_one("input[name=password][aria-invalid=true]")
    visitor.send(NEW, password=FRESH)
    assert visitor.path == "/-/console"
    assert has_no_code(visitor, token)
    assert signed_in(visitor)
    answer = site.api.call("auth:login", {"username": person, "password": FRESH}, strategy="local")
    assert answer.status == 200


def reset_token(site: Site, person: str) -> str:
    made = site.api.send(
        "GET", f"/_/password/resetToken/{person}", None, {"Authorization": f"Bearer {site.jwt}"}
    )
    return str(made.result["resetToken"])


def test_a_code_that_opens_nothing_leads_to_another(visitor: Visitor) -> None:
    visitor.open(NEW).send(NEW, **{"form.code": "x" * 43}, password=FRESH)
    assert visitor.status == 400
    assert "The reset token is not valid." in visitor.text
    assert [one["href"] for one in visitor.soup.select("main li a")] == [LOST, "/"]
    # What was pasted wrong can be mended.
    assert visitor.one("#form-code")["value"] == "x" * 43


@pytest.mark.parametrize("person", [MUST, EXPIRED], indirect=True)
def test_who_has_to_change_a_password_does_so_and_is_signed_in(
    visitor: Visitor, site: Site, person: str
) -> None:
    visitor.open("/?then=/-/console")
    visitor.send("/-/sign-in/local", username=person, password=PASSWORD)
    assert visitor.status == 401
    code = str(visitor.filled(NEW)["form.code"][0])
    assert visitor.form(NEW).select_one("input[name='form.code'][type=hidden]")
    assert visitor.answer.headers["cache-control"] == "no-store"
    visitor.send(NEW, password=person)
    assert visitor.status == 400
    visitor.send(NEW, password=FRESH)
    assert visitor.path == "/-/console"
    assert has_no_code(visitor, code)
    assert signed_in(visitor)


@pytest.mark.parametrize("person", [MUST], indirect=True)
def test_all_of_a_refusal_is_in_the_language_of_the_browser(site: Site, person: str) -> None:
    with Visitor(site.url, **{"Accept-Language": "fr"}) as visitor:
        visitor.open("/").send("/-/sign-in/local", username=person, password=PASSWORD)
        visitor.send(NEW, password=PASSWORD)
        assert "déjà servi. Il ne doit pas être le mot de passe actuel." in visitor.text


@pytest.mark.parametrize("person", [MUST], indirect=True)
def test_for_an_application_elsewhere_they_sign_in_once_more(
    visitor: Visitor, site: Site, person: str
) -> None:
    visitor.open(f"/?{WANTED}").send("/-/sign-in/local", username=person, password=PASSWORD)
    visitor.send(NEW, password=FRESH)
    assert "The new password is set." in visitor.text
    (link,) = visitor.soup.select("main a")
    assert not signed_in(visitor)
    visitor.open(str(link["href"]))
    visitor.send("/-/sign-in/local", username=person, password=FRESH)
    assert f"{APP}#loginCode=" in str(visitor.soup)


@pytest.mark.parametrize("person", [MUST], indirect=True)
def test_with_a_cookie_they_go_on_at_once(visitor: Visitor, person: str) -> None:
    visitor.open(f"/?{urlencode({'returnTo': APP})}")
    visitor.send("/-/sign-in/local", username=person, password=PASSWORD)
    visitor.send(NEW, password=FRESH)
    assert f"{APP}#signedIn=local" in str(visitor.soup)
    assert signed_in(visitor)


def test_an_address_is_verified_by_its_link(visitor: Visitor, site: Site, person: str) -> None:
    address = f"{person}@example.com"
    fields = {"email": address}
    site.call("security:updateCredentials", fields, strategy="local", _id=person)
    asked = site.api.send(
        "POST",
        f"/_/identifier/{person}/_verificationToken",
        {"value": address},
        {"Authorization": f"Bearer {site.jwt}"},
    )
    visitor.open(VERIFY).send(VERIFY, **{"form.code": asked.result["token"]})
    assert "The address is verified." in visitor.text
    visitor.open(VERIFY).send(VERIFY, **{"form.code": asked.result["token"]})
    assert "verifies nothing, or no more" in visitor.text


def test_who_is_signed_in_as_somebody_else_is_the_one_whom_the_code_is_of(
    visitor: Visitor, site: Site, person: str
) -> None:
    """Users need no right of their own for what is let strangers do."""
    other = site.person(f"user-{next(numbers)}")
    visitor.sign_in("local", username=other, password=PASSWORD)
    visitor.open(NEW).send(NEW, **{"form.code": reset_token(site, person)}, password=FRESH)
    assert visitor.path == "/-/account"
    assert person in visitor.text


@pytest.mark.parametrize("path", [f"{FORMS}/nothing", "/-/forms/nothing/new-password"])
def test_a_form_that_nobody_declares_is_not_there(visitor: Visitor, path: str) -> None:
    assert visitor.open(path).status == 404


def test_who_comes_from_a_mail_on_the_web_is_shown_the_form_at_once(visitor: Visitor) -> None:
    """A reload could lose the fragment."""
    visitor.open(NEW, **{"Sec-Fetch-Site": "cross-site"})
    assert visitor.form(NEW)


@pytest.mark.parametrize("person", [MUST], indirect=True)
def test_strangers_without_the_right_are_shown_no_form(
    visitor: Visitor, site: Site, person: str
) -> None:
    let_strangers(site)
    try:
        assert visitor.open("/").form("/-/sign-in/local").select("a") == []
        assert visitor.open(NEW).status == 403
        assert visitor.open(LOST).status == 403
        visitor.sign_in("local", username=person, password=PASSWORD)
        assert "The password was set by somebody else" in visitor.text
        assert visitor.soup.select("input[name='form.code']") == []
    finally:
        let_strangers(site, **RESETS)


def test_a_new_password_in_a_browser(screen: Screen, site: Site) -> None:
    """By the link of a mail: what is behind the # is in no field that is seen, nor in the address."""
    person = site.person(f"user-{next(numbers)}")
    token = reset_token(site, person)
    page = screen.open(f"{NEW}#token={token}")
    page.get_by_label("New password").fill(FRESH)
    assert not page.get_by_label("Code").is_visible()
    assert token not in page.url
    screen.look("new-password")
    page.get_by_role("button", name="Send").click()
    page.wait_for_url("**/-/account")


def test_a_password_that_has_to_be_changed_in_a_browser(screen: Screen, site: Site) -> None:
    person = site.person(f"user-{next(numbers)}", MUST)
    page = screen.open("/")
    page.get_by_label("User name", exact=True).fill(person)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("New password").fill(FRESH)
    screen.look("must-change")
    page.get_by_role("button", name="Send").click()
    page.wait_for_url("**/-/account")
