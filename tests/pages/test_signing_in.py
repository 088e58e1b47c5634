"""Signing in by whatever is installed: in several steps, at a provider, and on to other pages."""

from __future__ import annotations

import base64
import itertools
import secrets
from collections.abc import Iterator
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest

from ostiary.testing.door import door
from ostiary.testing.packages import badge, installed, steps

from .conftest import PASSWORD, NewSite, Site, running
from .visitors import Visitor

APP = "https://app.example/signed-in"
ARRIVAL = "/-/signed-in/door"
FROM_ELSEWHERE = {"Sec-Fetch-Site": "cross-site"}

numbers = itertools.count(1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with a strategy of several steps, one at a provider, and one that is not offered."""
    toys = (steps(), door(label="The <b>door</b>"), badge("card"))
    changes: dict[str, Any] = {
        "plugins__allow": ["local", "steps", "door", "card"],
        "pages__strategies": ["steps", "-card", "door"],
        "security__returnAddresses": [APP],
        "limits__loginFailuresPerAccount": 3,
    }
    folder = tmp_path_factory.mktemp("packages")
    with installed(folder, *toys), running(tmp_path_factory.mktemp("site"), **changes) as made:
        yield made.administer()


@pytest.fixture
def ann(site: Site) -> str:
    """Somebody with a password and with badges, all of one name."""
    name = f"ann-{next(numbers)}"
    badges = {"steps": {"badge": name}, "door": {"badge": name}, "card": {"badge": name}}
    site.call(
        "security:createUser",
        {
            "content": {"profileIds": ["default"], "name": f"<i>{name}</i>"},
            "credentials": {"local": site.credentials(name), **badges},
        },
        _id=name,
    )
    return name


def signed_in(visitor: Visitor) -> str | None:
    """Return who is signed in."""
    visitor.open("/-/account")
    shown = visitor.soup.select_one("dd")
    return None if visitor.path.startswith("/?") or shown is None else shown.get_text()


def led_to(visitor: Visitor) -> str:
    """Return where a page leads to another site: by itself, and by a link."""
    refresh, link = (
        visitor.soup.select_one("meta[http-equiv=refresh]"),
        visitor.soup.select("main a"),
    )
    assert refresh is not None
    address = str(refresh["content"]).removeprefix("0; url=")
    assert [one["href"] for one in link] == [address]
    return address


def test_strategies_are_offered_in_the_order_of_the_operator(visitor: Visitor) -> None:
    forms = [str(one["action"]) for one in visitor.open("/").soup.select("main form")]
    assert forms == ["/-/sign-in/steps", "/-/sign-in/door", "/-/sign-in/local"]
    extra = visitor.form("/-/sign-in/door").select("input:not([type=hidden])")
    typed = [(one["name"], one["autocomplete"]) for one in extra]
    assert typed == [("phrase", "off"), ("pin", "one-time-code")]


def test_a_strategy_that_is_not_offered_can_be_used(visitor: Visitor, site: Site, ann: str) -> None:
    assert site.api.call("auth:login", {"badge": ann}, strategy="card").status == 200


def test_what_plugins_say_is_text(visitor: Visitor) -> None:
    visitor.open("/")
    assert visitor.soup.find("b") is None
    assert "Continue with The <b>door</b>" in visitor.text


def test_fields_say_what_a_browser_may_fill_in(visitor: Visitor) -> None:
    visitor.open("/")
    filled = {
        str(one["name"]): one.get("autocomplete")
        for one in visitor.form("/-/sign-in/local").select("input:not([type=hidden])")
    }
    assert filled == {"username": "username", "password": "current-password"}
    pin = visitor.form("/-/sign-in/steps").select_one("input[name=pin]")
    assert pin is not None
    assert (pin["autocomplete"], pin["inputmode"]) == ("one-time-code", "numeric")


def test_an_unknown_user_and_a_wrong_password_get_the_same_page(site: Site, ann: str) -> None:
    pages = []
    for name in (ann, "x" * len(ann)):
        with Visitor(site.url) as visitor:
            visitor.sign_in("local", username=name, password="another one, and wrong")
            for one in visitor.soup.select("input[name=formToken]"):
                one.decompose()
            pages.append((visitor.status, str(visitor.soup).replace(name, "somebody")))
    assert pages[0] == pages[1]
    assert pages[0][0] == 401
    assert "Wrong user name or password." in pages[0][1]
    assert "another one, and wrong" not in pages[0][1]


def test_who_fails_too_often_is_told_when_to_try_again(visitor: Visitor, ann: str) -> None:
    for _ in range(4):
        visitor.sign_in("local", username=ann, password="another one, and wrong")
    assert visitor.status == 429
    assert "Try again in" in visitor.text


def test_a_second_step_is_drawn_from_what_it_asks(visitor: Visitor, ann: str) -> None:
    visitor.open("/?then=/-/console").send("/-/sign-in/steps", badge=ann)
    assert "One more step" in visitor.text
    assert "for the door" in visitor.text
    visitor.send("/-/sign-in/steps", pin="again")
    visitor.send("/-/sign-in/steps", pin="2468")
    assert visitor.path == "/-/console"
    assert signed_in(visitor) == ann


def test_a_wrong_answer_begins_again(visitor: Visitor, ann: str) -> None:
    visitor.sign_in("steps", badge=ann)
    handle = visitor.filled("/-/sign-in/steps")["step.challenge"]
    visitor.send("/-/sign-in/steps", pin="1111")
    assert visitor.status == 401
    assert visitor.soup.select_one("input[name='step.challenge']") is None
    token = visitor.filled("/-/sign-in/steps")["formToken"]
    spent = {"step.challenge": handle, "step.kind.pin": "text", "pin": "2468", "formToken": token}
    visitor.send("/-/sign-in/steps", **spent)
    assert "That took too long, or was begun elsewhere." in visitor.text
    assert signed_in(visitor) is None


def provided(visitor: Visitor, code: str, **first: Any) -> str:
    """Sign in at the provider; return what the page is told to which it has led the browser."""
    visitor.sign_in("door", **first)
    to = urlsplit(led_to(visitor))
    assert to.netloc == "door.example"
    query = urlencode({"code": code, "state": parse_qs(to.query)["state"][0]})
    back = httpx2.get(
        f"{visitor.url}/_login/door?{query}",
        headers={**FROM_ELSEWHERE, "Cookie": cookies(visitor)},
    )
    assert back.status_code == 302, back.text
    for name, value in back.cookies.items():
        visitor._client.cookies.set(name, value)
    address, _, told = back.headers["location"].partition("#")
    visitor.open(address, **FROM_ELSEWHERE)
    assert visitor.status == 200
    return told


def cookies(visitor: Visitor) -> str:
    return "; ".join(f"{one.name}={one.value}" for one in visitor._client.cookies.jar)


def test_who_comes_back_from_a_provider_is_signed_in(visitor: Visitor, ann: str) -> None:
    assert provided(visitor, ann) == "signedIn=door"
    assert visitor.path == f"{ARRIVAL}?then=/-/account"
    (link,) = visitor.soup.select("a[data-then]")
    assert link["href"] == "/-/account"
    assert signed_in(visitor) == ann


def test_whom_a_provider_does_not_let_in_is_told_so(visitor: Visitor) -> None:
    told = provided(visitor, "nobody")
    visitor.send(ARRIVAL, **{"arrival.error": told.removeprefix("error=")})
    assert "Signing in there did not succeed." in visitor.text
    assert visitor.form("/-/sign-in/door")


@pytest.mark.parametrize("id", ["", "no.such.error", "plugin.strategy.missing_user", "<script>"])
def test_an_error_that_is_made_up_says_nothing(visitor: Visitor, id: str) -> None:
    visitor.open(ARRIVAL).send(ARRIVAL, **{"arrival.error": id})
    assert "Signing in there did not succeed." in visitor.text
    assert "<script>" not in visitor.text


def test_what_is_asked_behind_a_provider_is_asked_here(visitor: Visitor, ann: str) -> None:
    told = provided(visitor, f"{ann}+pin")
    visitor.send(ARRIVAL, **{"arrival.code": told.removeprefix("loginCode=")})
    assert "What is the <i>number</i>?" in visitor.text
    assert visitor.soup.find("i") is None
    visitor.send("/-/sign-in/door", pin="2468")
    assert signed_in(visitor) == ann


def test_an_application_gets_its_users_back_with_a_cookie(visitor: Visitor, ann: str) -> None:
    visitor.open(f"/?{urlencode({'returnTo': APP})}")
    assert "Afterwards you go on to app.example" in visitor.text
    visitor.send("/-/sign-in/local", **visitor_of(ann))
    assert led_to(visitor) == f"{APP}#signedIn=local"
    visitor.open(f"/?{urlencode({'returnTo': APP})}")
    assert "You are signed in as" in visitor.text
    assert visitor.soup.find("i") is None
    assert len(visitor.soup.select("main input[name='go.to']")) == 1
    visitor.send("/-/sign-out", **{"go.to": APP})
    assert "Afterwards you go on to app.example" in visitor.text
    assert signed_in(visitor) is None


def visitor_of(name: str) -> dict[str, str]:
    return {"username": name, "password": PASSWORD}


VERIFIER = secrets.token_urlsafe(32)
CHALLENGE = base64.urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
WANTED = urlencode({"returnTo": APP, "codeChallenge": CHALLENGE})


@pytest.mark.parametrize("strategy", ["local", "steps"])
def test_an_application_elsewhere_gets_a_code(
    visitor: Visitor, site: Site, ann: str, strategy: str
) -> None:
    """The browser gets no session here; whoever is signed in already signs in for it."""
    visitor.open(f"/?{WANTED}")
    if strategy == "local":
        visitor.send("/-/sign-in/local", **visitor_of(ann))
    else:
        visitor.send("/-/sign-in/steps", badge=ann).send("/-/sign-in/steps", pin="2468")
    address, _, fragment = led_to(visitor).partition("#")
    assert address == APP
    told = {name: values[0] for name, values in parse_qs(fragment).items()}
    assert told["strategy"] == strategy
    assert signed_in(visitor) is None
    body = {"loginCode": told["loginCode"], "codeVerifier": VERIFIER}
    assert site.api.call("auth:login", body, strategy=strategy).result["_id"] == ann


def test_who_is_signed_in_signs_in_for_an_application_elsewhere(visitor: Visitor, ann: str) -> None:
    visitor.sign_in("local", **visitor_of(ann)).open(f"/?{WANTED}")
    assert f"You are signed in here as <i>{ann}</i>" in visitor.text
    visitor.send("/-/sign-in/local", **visitor_of(ann))
    assert led_to(visitor).startswith(f"{APP}#loginCode=")
    assert signed_in(visitor) == ann


def test_a_provider_leads_an_application_s_users_straight_back_to_it(visitor: Visitor) -> None:
    visitor.open(f"/?{WANTED}").send("/-/sign-in/door")
    assert urlsplit(led_to(visitor)).netloc == "door.example"


@pytest.mark.parametrize(
    "query",
    [
        {"returnTo": "https://evil.example/"},
        {"returnTo": f"{APP}?more"},
        {"returnTo": "/-/account"},
        {"returnTo": APP, "codeChallenge": "short"},
        {"codeChallenge": CHALLENGE},
    ],
    ids=["elsewhere", "more", "ours", "short", "nowhere"],
)
def test_nobody_is_sent_where_the_operator_has_not_said(
    visitor: Visitor, query: dict[str, str]
) -> None:
    visitor.open(f"/?{urlencode(query)}")
    assert visitor.status == 400
    assert visitor.soup.select("main form") == []
    assert [one["href"] for one in visitor.soup.select("main a")] == ["/"]


def test_no_form_leads_where_the_operator_has_not_said(visitor: Visitor, ann: str) -> None:
    elsewhere = {"go.to": "https://evil.example/"}
    visitor.open("/").send("/-/sign-in/local", **visitor_of(ann), **elsewhere)
    assert visitor.status == 400
    assert "evil.example" not in str(visitor.soup)
    assert signed_in(visitor) is None


def test_a_strategy_that_is_not_there_signs_nobody_in(visitor: Visitor) -> None:
    token = visitor.open("/").filled("/-/sign-in/local")["formToken"]
    visitor._show(
        visitor._client.post(
            "/-/sign-in/nothing", data={"formToken": token}, headers={"Origin": visitor.url}
        )
    )
    assert visitor.status == 400
    assert "This does not work at the moment." in visitor.text


def test_places_for_strategies_that_are_not_there_are_told(
    new_site: NewSite, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning, and no stop: strategies come and go."""
    new_site(pages__strategies=["local", "-elsewhere"])
    assert "pages.strategies has '-elsewhere', and there is no such strategy now" in caplog.text
    assert "'local'" not in caplog.text
