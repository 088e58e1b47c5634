"""What holds for every page: who sees it, which forms are heard, what a browser may do with it."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from bs4 import BeautifulSoup

from .conftest import PASSWORD, NewSite, Site, running
from .visitors import Screen, Visitor

LOCAL = {"username": "root", "password": PASSWORD}


def test_a_browser_gets_a_page_where_a_client_gets_the_api(site: Site) -> None:
    page = httpx2.get(f"{site.url}/", headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert httpx2.get(f"{site.url}/").headers["content-type"] == "application/json"


def test_no_page_runs_what_is_not_in_the_wheel(visitor: Visitor) -> None:
    policy = visitor.open("/").answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_who_signs_in_has_a_cookie_and_goes_on_where_they_wanted_to(visitor: Visitor) -> None:
    visitor.open("/-/console")
    assert visitor.path.startswith("/?then=")
    visitor.send("/-/sign-in/local", **LOCAL)
    assert visitor.path == "/-/console"
    cookie = next(
        one
        for one in visitor.answer.history[0].headers.get_list("set-cookie")
        if "authToken" in one
    )
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


def test_a_wrong_password_is_told_on_the_page(visitor: Visitor) -> None:
    visitor.sign_in("local", username="root", password="another one, and wrong")
    assert visitor.status == 401
    assert visitor.soup.select_one("[role=alert]")


def test_who_signs_out_is_signed_out(visitor: Visitor, site: Site) -> None:
    visitor.sign_in("local", **LOCAL)
    token = visitor._client.cookies["authToken"]
    visitor.send("/-/sign-out")
    assert "You are signed out." in visitor.text
    checked = site.api.call("auth:checkToken", {"token": token}).result
    assert not checked["valid"]


def test_who_may_not_end_their_session_leaves_none_in_the_browser(
    visitor: Visitor, site: Site
) -> None:
    site.person("kept-in", site.role("keeps-in", auth=["getCurrentUser"]))
    visitor.sign_in("local", username="kept-in", password=PASSWORD).send("/-/sign-out")
    assert "This browser is signed out." in visitor.text
    assert visitor.open("/-/account").path.startswith("/?then=")


def test_a_form_from_elsewhere_is_not_heard(visitor: Visitor) -> None:
    visitor.open("/").send_from("https://evil.example", "/-/sign-in/local", **LOCAL)
    assert visitor.status == 403
    assert visitor.open("/-/account").path.startswith("/?then=")


FORM = ("Content-Type", "application/x-www-form-urlencoded")
UNREADABLE = [
    ([FORM], b"a=" + b"x" * 1_100_000, 413),
    ([FORM], b"a=%ff", 400),
    ([FORM], b"a=%00", 400),
    ([("Content-Type", f"{FORM[1]}; charset=latin1")], b"a=b", 400),
    ([("Content-Type", "text/plain")], b"a=b", 400),
    ([FORM, ("Content-Encoding", "br")], b"a=b", 400),
    ([FORM, ("Content-Encoding", "gzip")], b"a=b", 400),
    ([FORM, FORM], b"a=b", 400),
]


@pytest.mark.parametrize("headers, content, status", UNREADABLE, ids=range(len(UNREADABLE)))
def test_a_browser_reads_why_its_form_could_not_be_read(
    site: Site, headers: list[tuple[str, str]], content: bytes, status: int
) -> None:
    def sent(path: str, accept: str) -> httpx2.Response:
        given = [*headers, ("Accept", accept), ("Accept-Language", "fr")]
        answer = httpx2.post(f"{site.url}{path}", content=content, headers=given)
        assert (answer.status_code, answer.headers["connection"]) == (status, "close")
        return answer

    page = sent("/-/sign-in/local", "text/html")
    soup = BeautifulSoup(page.text, "html.parser")
    assert soup.select("html[lang=fr] [role=alert]")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    for bare in (sent("/-/sign-in/local", "*/*"), sent("/_login/local", "text/html")):
        assert bare.json()["status"] == status


def test_a_form_without_its_token_is_not_heard(visitor: Visitor) -> None:
    visitor.open("/").send("/-/sign-in/local", formToken="0" * 64, **LOCAL)
    assert visitor.status == 403


def test_the_token_of_another_browser_is_not_heard(visitor: Visitor, site: Site) -> None:
    with Visitor(site.url) as other:
        token = other.open("/").filled("/-/sign-in/local")["formToken"]
        visitor.open("/").send("/-/sign-in/local", formToken=token, **LOCAL)
    assert visitor.status == 403


def test_what_was_typed_outlives_the_session(visitor: Visitor, site: Site) -> None:
    credentials = {"username": site.person("long-at-it", "admin"), "password": PASSWORD}
    visitor.sign_in("local", **credentials).open("/-/console/new-user")
    typed = {"kuid": "typed", "properties": '{"note":\r\n "<b>"}', "profile": ["default", "admin"]}
    site.call("security:revokeTokens", _id="long-at-it")
    new_user = "/-/console/new-user"
    visitor.send(new_user, **typed, **{"local.username": "typed", "local.password": PASSWORD})
    assert visitor.status == 403
    assert "Your session has ended" in visitor.text
    assert visitor.soup.select("a[href='/'][target=_blank]")
    assert PASSWORD not in visitor.answer.text
    # Who sends it before they have signed in loses nothing either.
    assert visitor.send(new_user).status == 403
    assert "Your session has ended" in visitor.text
    with Visitor(site.url) as other_tab:
        other_tab._client.cookies = visitor._client.cookies
        other_tab.sign_in("local", **credentials)
        visitor._client.cookies = other_tab._client.cookies
    visitor.send(new_user)
    assert "in another session" in visitor.text
    assert "Send it as long-at-it" in visitor.text
    # Of secrets those are asked for that were typed.
    assert [one["name"] for one in visitor.soup.select("[type=password]")] == ["local.password"]
    visitor.send(new_user, **{"local.password": PASSWORD})
    assert visitor.path == "/-/console/users/typed?done=created"
    made = site.call("security:getUser", _id="typed")["_source"]
    assert made["note"] == "<b>"
    assert made["profileIds"] == typed["profile"]


def test_a_confirmation_does_not_outlive_the_session(visitor: Visitor, site: Site) -> None:
    """Who has signed in instead would give up their own last way in, and not be asked."""
    path, box = "/-/account/credentials/local/remove", {"confirm.last": "yes"}
    first, second = (site.person(name, "admin") for name in ("giving-up", "staying"))
    visitor.sign_in("local", username=first, password=PASSWORD).open(path)
    site.call("security:revokeTokens", _id=first)
    token = visitor.filled(path)["formToken"]
    with Visitor(site.url) as other_tab:
        other_tab._client.cookies = visitor._client.cookies
        other_tab.sign_in("local", username=second, password=PASSWORD)
        visitor._client.cookies = other_tab._client.cookies
    visitor.send(path, **box)
    assert f"Send it as {second}" in visitor.text
    assert visitor.filled(path).keys() == {"formToken"}
    assert visitor.filled(path)["formToken"] != token
    visitor.send(path)
    assert visitor.status == 422
    assert site.call("security:hasCredentials", strategy="local", _id=second)


def test_a_script_is_told_that_the_session_is_over(visitor: Visitor, site: Site) -> None:
    name = site.person("previewing", "admin")
    visitor.sign_in("local", username=name, password=PASSWORD).open("/-/console/roles.new")
    data, asked = visitor.filled("/-/console/roles.new"), {"HX-Request": "true"}
    site.call("security:revokeTokens", _id=name)
    answer = visitor._client.post(
        "/-/console/roles.new", data=data, headers={"Origin": site.url, **asked}
    )
    assert (answer.status_code, "Your session has ended" in answer.text) == (403, True)


def test_a_search_outlives_the_session(visitor: Visitor) -> None:
    visitor.open("/-/console/audit?user=root&event=SignedIn")
    assert visitor.send("/-/sign-in/local", **LOCAL).path == (
        "/-/console/audit?user=root&event=SignedIn"
    )


def test_a_page_whose_script_finds_the_session_over_is_come_back_to(visitor: Visitor) -> None:
    page = "/-/console/audit?user=root&live=1"
    places = (f"http://any.example{page}#x", page), ("http://[", "/-/account")
    for shown, place in (*places, ("http://any.example//evil.example/", "/-/account")):
        asked = {"HX-Request": "true", "HX-Current-URL": shown}
        visitor.open("/-/console/audit/tail?user=root&after=1&group=0", **asked)
        visitor.open(visitor.answer.headers["hx-redirect"])
        assert visitor.send("/-/sign-in/local", **LOCAL).path == place
        visitor.send("/-/sign-out")


def test_no_address_leads_elsewhere_after_signing_in(visitor: Visitor) -> None:
    for elsewhere in ("https://evil.example/", "//evil.example/", "/\\evil.example", "/-/\n//x"):
        visitor.open("/").send("/-/sign-in/local", **{"go.then": elsewhere}, **LOCAL)
        assert visitor.path == "/-/account"
        visitor.send("/-/sign-out")


@pytest.mark.parametrize("up", ["/-/../_me", "/-/x/%2e%2E/../_me", "/-/.%2e/_me", "/-/..\\_me"])
def test_no_address_leads_to_the_api_after_signing_in(visitor: Visitor, up: str) -> None:
    """A browser would ask for it as for a page of this site, with the cookie of the session."""
    visitor.open("/").send("/-/sign-in/local", **{"go.then": up}, **LOCAL)
    assert visitor.path == "/-/account"
    visitor.send("/-/language", language="en", then=up)
    assert visitor.path == "/-/account"


def test_who_asks_for_the_head_of_a_page_hears_that_it_is_there(site: Site) -> None:
    for path in ("/-/setup", "/-/static/icon.svg"):
        answer = httpx2.head(f"{site.url}{path}")
        assert (answer.status_code, answer.content) == (200, b"")


def test_what_a_script_is_refused_fits_into_the_page_that_is_there(visitor: Visitor) -> None:
    answer = visitor.open("/-/nothing", **{"HX-Request": "true"}).answer
    assert (answer.status_code, visitor.soup.select("html, [id]")) == (404, [])
    assert visitor.soup.select(answer.headers["hx-reselect"])
    assert answer.headers["hx-reswap"] == "innerHTML"


@pytest.mark.parametrize("path", ["/", "/-/account", "/-/setup", "/-/forms/local/new-password"])
def test_what_comes_with_a_look_at_a_page_is_no_form(path: str, visitor: Visitor) -> None:
    odd = {"go.then": 5, "text.name": None}
    answers = [visitor._client.request("GET", path, json=one) for one in ({}, odd)]
    visitor.sign_in("local", **LOCAL)
    answers.append(visitor._client.request("GET", path, json=odd))
    assert [one.status_code for one in answers[:2]] == [answers[0].status_code] * 2
    assert max(one.status_code for one in answers) < 500


def test_a_page_that_does_not_exist_says_so(visitor: Visitor) -> None:
    assert visitor.open("/-/nothing").status == 404


@pytest.mark.parametrize("path", ["users/%00", "users/%00/rights", "roles/a%00", "profiles/%00"])
def test_a_text_that_not_every_database_takes_names_nothing(visitor: Visitor, path: str) -> None:
    visitor.sign_in("local", **LOCAL).open(f"/-/console/{path}")
    assert visitor.status == 400


def test_a_search_for_such_a_text_searches_for_nothing(visitor: Visitor) -> None:
    visitor.sign_in("local", **LOCAL).open("/-/console/users?q=%00&sort=newest")
    assert visitor.status == 200
    assert visitor.soup.select("#q")[0]["value"] == ""
    assert visitor.soup.select("#sort option[selected]")[0]["value"] == "newest"


def test_who_comes_from_another_site_is_signed_in_still(visitor: Visitor) -> None:
    visitor.open("/-/account?sort=%22%3E", **{"Sec-Fetch-Site": "cross-site"})
    # With an address: a fragment would else be gone to, and nothing be loaded.
    assert visitor.soup.select("meta[http-equiv=refresh]")[0]["content"] == (
        "0; url=/-/account?sort=%22%3E"
    )


def test_a_person_sees_the_parts_of_the_console_that_they_have_rights_to(
    visitor: Visitor, site: Site
) -> None:
    site.person("nobody-special")
    visitor.sign_in("local", username="nobody-special", password=PASSWORD).open("/-/console")
    assert visitor.soup.select(".sections a") == []


def test_who_is_not_where_the_server_is_to_be_reached_is_told_so(new_site: NewSite) -> None:
    site = new_site(server__publicUrl="https://door.example").administer()
    with Visitor(site.url) as visitor:
        visitor.open("/").send("/-/sign-in/local", **LOCAL)
        assert visitor.status == 403
        assert "This server is to be reached at https://door.example" in visitor.text


def test_without_pages_there_are_none(new_site: NewSite) -> None:
    site = new_site(pages__enabled=False)
    answer = httpx2.get(f"{site.url}/", headers={"Accept": "text/html"})
    assert answer.headers["content-type"] == "application/json"
    assert httpx2.get(f"{site.url}/-/account").status_code == 404


def test_without_a_console_there_is_none(new_site: NewSite) -> None:
    site = new_site(pages__console=False).administer()
    with Visitor(site.url) as visitor:
        assert visitor.sign_in("local", **LOCAL).status == 200
        assert visitor.open("/-/console").status == 404


def test_without_plugins_administrators_find_out_why(tmp_path: Path) -> None:
    with running(tmp_path) as site:
        jwt = site.administer().jwt
    with running(tmp_path, failsafe=True) as site, Visitor(site.url) as visitor:
        assert visitor.open("/-/console/plugins").status == 503
        visitor._client.cookies.set("authToken", str(jwt))
        assert visitor.open("/-/console/plugins").status == 200
        assert visitor.open("/-/console/users/root").status == 200


def test_signing_in_with_a_browser(screen: Screen) -> None:
    page = screen.open("/")
    screen.look("sign-in")
    page.get_by_label("User name", exact=True).fill("root")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/-/account")
    screen.look("account")


@pytest.mark.parametrize("path", ["/", "/-/account", "/-/console"])
def test_pages_are_small(site: Site, path: str) -> None:
    """A page with all that it needs is below 100 kB."""
    with Visitor(site.url) as visitor:
        visitor.sign_in("local", **LOCAL).open(path)
        needed = [one["href"] for one in visitor.soup.select("link[rel=stylesheet]")]
        needed += [one["src"] for one in visitor.soup.select("script[src], img[src]")]
        sizes = [len(httpx2.get(f"{site.url}{one}").content) for one in needed]
        assert len(visitor.answer.content) + sum(sizes) < 100_000
