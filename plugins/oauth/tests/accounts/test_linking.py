"""Real users of a real server link accounts, lose them, and are invited, by flows and by hand."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import httpx2
import pytest
from bs4 import BeautifulSoup

from ostiary.testing.wire import HttpApi, Outcome
from ostiary_oauth.errors import WIRE_NAME

from ..provider import Loopback, running  # noqa: TID252 - the tests of a plugin are no package
from ..signing_in import House, house  # noqa: TID252

FAILED = f"plugin.{WIRE_NAME}."

STRATEGY = """
[plugins.oauth.strategies.{name}]
provider = "oidc"
issuer = "{url}"
clientID = "{client_id}"
clientSecret = "{secret}"
callbackURL = "https://auth.example.org/_login/loopback"
scope = ["openid", "email"]
persist = ["sub", "email", "name"]
"""

OWN = (
    *("createApiKey", "createMyCredentials", "getMyCredentials"),
    *("updateMyCredentials", "validateMyCredentials"),
)
"""What users may do with their own credentials."""

MORE = {
    "invited": 'users = "invite"\n',
    "closed": 'users = "refuse"\n',
    "mailed": "linkByEmail = true\n",
    "ruled": 'profiles = [{claim = "groups", value = "staff", profile = "staff"}]\n',
}


@pytest.fixture(scope="module")
def world() -> Iterator[House]:
    with running() as provider:
        provider.signed = (*provider.signed, "groups")
        settings = "".join(
            STRATEGY.format(
                name=name,
                url=provider.url,
                client_id=provider.client_id,
                secret=provider.client_secret.replace('"', '\\"'),
            )
            + more
            for name, more in MORE.items()
        )
        with house(provider, more=settings) as made:
            _grant(made)
            yield made


@pytest.fixture
def subject(world: House) -> str:
    """Somebody new at the provider."""
    return be(world.provider, secrets.token_hex(8))


def be(provider: Loopback, subject: str, **more: Any) -> str:
    """Have somebody be signed in at the provider."""
    provider.user = {"sub": subject, "name": f"Name of {subject}", **more}
    return subject


def go(
    house: House,
    url: str,
    back: str,
    body: Any = None,
    jwt: str | None = None,
) -> Outcome:
    """Begin something, agree at the provider, and return what the browser gets when it is back."""
    with closing(HttpApi(house.server.port)) as api:
        begun = api.send("POST", url, body or {}, jwt=jwt)
        if begun.status != 302:
            return begun
        cookie = begun.headers["set-cookie"].partition(";")[0]
        sent = httpx2.get(begun.headers["location"], trust_env=False)
        returned = urlencode(dict(parse_qsl(urlsplit(sent.headers["location"]).query)))
        return api.send("GET", f"{back}?{returned}", headers={"Cookie": cookie})


def sign_in(house: House, strategy: str = "work", **body: Any) -> Outcome:
    return go(house, f"/_login/{strategy}", f"/_login/{strategy}", body)


def link(house: House, jwt: str, strategy: str = "work") -> Outcome:
    return go(house, f"/_me/credentials/{strategy}/_create", f"/_login/{strategy}", jwt=jwt)


def local_user(house: House, **more: Any) -> tuple[str, str]:
    """Make a user with a password; return the kuid and a token."""
    name = f"user-{secrets.token_hex(6)}"
    fields = {"username": name, "password": "a password that is long enough", **more}
    body = {"content": {"profileIds": ["default"]}, "credentials": {"local": fields}}
    kuid = house.send("POST", f"/users/{name}/_create", body, jwt=house.admin).result["_id"]
    login = {"username": name, "password": fields["password"]}
    return kuid, house.send("POST", "/_login/local", login).result["jwt"]


def mine(house: House, jwt: str) -> list[str]:
    """Return the subjects of one's own accounts."""
    listed = house.send("GET", "/_/identities/_me", jwt=jwt).result
    return [one["subject"] for one in listed["identities"]]


def unlink(
    house: House, jwt: str, subject: str, *, strategy: str = "work", force: bool = False
) -> Outcome:
    query = urlencode({"subject": subject, **({"force": "true"} if force else {})})
    return house.send("DELETE", f"/_/identities/_me/{strategy}?{query}", jwt=jwt)


def strategies_of(house: House, kuid: str) -> list[str]:
    found = house.send("GET", f"/users/{kuid}/_strategies", jwt=house.admin).result
    return list(found["strategies"])


def test_a_user_who_is_signed_in_links_an_account_by_a_flow(world: House, subject: str) -> None:
    kuid, jwt = local_user(world)
    linked = link(world, jwt)
    assert linked.status == 200, linked.body
    assert linked.result["kuid"] == kuid
    assert "jwt" not in linked.result
    assert mine(world, jwt) == [subject]
    assert sign_in(world).result["_id"] == kuid
    assert strategies_of(world, kuid) == ["local", "work"]


def test_a_user_may_link_two_accounts_of_one_provider_and_give_one_up(world: House) -> None:
    kuid, jwt = local_user(world)
    first, second = (be(world.provider, secrets.token_hex(8)) for _ in range(2))
    for subject in (first, second):
        be(world.provider, subject)
        assert link(world, jwt).status == 200
        assert sign_in(world).result["_id"] == kuid
    assert mine(world, jwt) == [first, second]
    session = sign_in(world).result["jwt"]

    assert unlink(world, jwt, first).status == 200
    assert mine(world, jwt) == [second]
    # What the strategy has opened has ended, and nothing else.
    assert world.send("GET", "/users/_me", jwt=session).status == 401
    assert world.send("GET", "/users/_me", jwt=jwt).status == 200
    be(world.provider, second)
    assert sign_in(world).result["_id"] == kuid
    be(world.provider, first)
    assert sign_in(world).result["_id"] != kuid


def test_the_page_of_one_s_account_gives_up_one_of_two(world: House) -> None:
    _, jwt = local_user(world)
    first, second = (be(world.provider, secrets.token_hex(8)) for _ in range(2))
    for subject in (first, second):
        be(world.provider, subject)
        assert link(world, jwt).status == 200
    url = f"http://127.0.0.1:{world.server.port}"
    session = sign_in(world).result["jwt"]
    with httpx2.Client(
        base_url=url,
        headers={"Accept": "text/html", "Origin": url},
        cookies={"authToken": session},
        trust_env=False,
    ) as browser:
        listed = BeautifulSoup(browser.get("/-/account/credentials").text, "html.parser")
        links = [str(one["href"]) for one in listed.select("main li a")]
        assert [first in links[0], second in links[1]] == [True, True]
        (form,) = BeautifulSoup(browser.get(links[0]).text, "html.parser").select("main form")
        fields = {str(one["name"]): str(one["value"]) for one in form.select("input")}
        answer = browser.post(str(form["action"]), data=fields)
        assert (answer.status_code, mine(world, jwt)) == (303, [second])
        # The strategy has opened this session: it has ended, and one signs in again.
        back = browser.get(answer.headers["location"])
        assert back.headers["location"].startswith("/?then=")


def test_the_last_way_in_is_not_given_up_unless_that_is_forced(world: House, subject: str) -> None:
    login = sign_in(world).result
    refused = unlink(world, login["jwt"], subject)
    assert (refused.status, refused.error_id) == (412, "ostiary.credentials.last_way_in")
    assert sign_in(world).result["_id"] == login["_id"]
    jwt = sign_in(world).result["jwt"]
    assert unlink(world, jwt, subject, force=True).status == 200
    assert strategies_of(world, login["_id"]) == []
    assert sign_in(world).result["_id"] != login["_id"]


def test_of_two_accounts_that_are_given_up_at_once_one_stays(world: House) -> None:
    """Whoever is second is told that it would be the last way in."""
    first, second = secrets.token_hex(8), secrets.token_hex(8)
    be(world.provider, first)
    login = sign_in(world).result
    be(world.provider, second)
    assert link(world, login["jwt"]).status == 200
    jwt = world.send("POST", "/api-keys/_create", {"description": "x"}, jwt=login["jwt"])
    assert jwt.status == 200, jwt.body
    key = jwt.result["_source"]["token"]
    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(unlink, world, key, subject) for subject in (first, second)]
        statuses = sorted(one.result().status for one in done)
    assert statuses == [200, 412]
    assert len(mine(world, key)) == 1
    assert strategies_of(world, login["_id"]) == ["work"]


def test_an_account_of_another_user_is_not_linked_and_signs_nobody_in(
    world: House, subject: str
) -> None:
    """OAU-15, OAU-17."""
    owner = sign_in(world).result["_id"]
    kuid, jwt = local_user(world)
    refused = link(world, jwt)
    assert (refused.status, refused.error_id) == (400, f"{FAILED}identity_taken")
    assert subject not in str(refused.body)
    assert strategies_of(world, kuid) == ["local"]
    assert sign_in(world).result["_id"] == owner


def test_a_user_cannot_say_whose_account_it_is(world: House, subject: str) -> None:
    """OAU-15, CVE-2026-49443: what a user sends is no proof; a flow begins instead."""
    kuid, jwt = local_user(world)
    claimed = {"sub": subject, "_proved": {"issuer": world.provider.url, "subject": subject}}
    answer = world.send("POST", "/_me/credentials/work/_create", claimed, jwt=jwt)
    assert answer.status == 302
    for verb, url in [
        ("POST", "/_me/credentials/work/_validate"),
        ("PUT", "/_me/credentials/work/_update"),
    ]:
        refused = world.send(verb, url, claimed, jwt=jwt)
        assert refused.status in (403, 412), refused.body
    body = {"credentials": {"work": claimed}}
    refused = world.send("POST", "/users/_createRestricted", body, jwt=world.admin)
    assert (refused.status, refused.error_id) == (403, f"{FAILED}not_proved")
    assert strategies_of(world, kuid) == ["local"]
    assert sign_in(world).result["_id"] != kuid


def test_users_do_not_change_what_is_kept_of_their_account(world: House, subject: str) -> None:
    """OAU-15."""
    jwt = sign_in(world).result["jwt"]
    body = {"email": "root@example.org"}
    refused = world.send("PUT", "/_me/credentials/work/_update", body, jwt=jwt)
    assert (refused.status, refused.error_id) == (403, f"{FAILED}not_proved")
    assert mine(world, jwt) == [subject]


def test_an_administrator_gives_and_takes_accounts(world: House) -> None:
    kuid, _ = local_user(world)
    first, second = secrets.token_hex(8), secrets.token_hex(8)
    made = world.send("POST", f"/credentials/work/{kuid}/_create", {"sub": first}, jwt=world.admin)
    assert made.result == {"sub": first, "kuid": kuid}
    body = {"credentials": {"sub": second, "name": "Ann"}}
    added = world.send("POST", f"/_/identities/{kuid}/work", body, jwt=world.admin)
    assert added.status == 200, added.body
    listed = world.send("GET", f"/_/identities/{kuid}", jwt=world.admin).result["identities"]
    assert [one["subject"] for one in listed] == [first, second]
    assert listed[1]["attributes"] == {"sub": second, "name": "Ann"}
    for subject in (first, second):
        be(world.provider, subject)
        assert sign_in(world).result["_id"] == kuid
        taken = world.send(
            "DELETE", f"/_/identities/{kuid}/work?subject={subject}", jwt=world.admin
        )
        assert taken.status == 200, taken.body
    assert strategies_of(world, kuid) == ["local"]
    other, jwt = local_user(world)
    for url in (f"/_/identities/{other}", "/_/identities/root"):
        assert world.send("GET", url, jwt=jwt).status == 403


def test_the_credentials_of_a_user_are_shown_as_kuzzle_shows_them(
    world: House, subject: str
) -> None:
    """Contract, section 15."""
    kuid = sign_in(world).result["_id"]
    seen = world.send("GET", f"/credentials/work/{kuid}", jwt=world.admin).result
    assert seen == {"sub": subject, "kuid": kuid}
    by_id = world.send("GET", f"/credentials/work/{quote(subject)}/_byId", jwt=world.admin)
    assert by_id.result == {"_id": subject, "sub": subject, "kuid": kuid}
    missing = world.send("GET", "/credentials/work/nobody/_byId", jwt=world.admin)
    assert (missing.status, missing.error_id) == (400, f"{FAILED}no_such_identity")


def test_of_many_first_logins_of_one_account_at_once_one_user_comes(
    world: House, subject: str
) -> None:
    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(lambda _: sign_in(world), range(6)))
    kuids = {one.result["_id"] for one in outcomes if one.status == 200}
    assert len(kuids) == 1
    again = {f"{FAILED}signing_up", "ostiary.login.flow_over"}
    assert {one.error_id for one in outcomes if one.status != 200} <= again
    # Nobody redeemed a code twice, which would have a provider take back what it gave for it.
    redeemed = [form["code"] for _, path, form in world.provider.asked if path == "/token"]
    assert len(redeemed) == len(set(redeemed))
    found = world.send("GET", f"/credentials/work/{subject}/_byId", jwt=world.admin).result
    assert found["kuid"] == kuids.pop()


def test_strangers_need_an_invitation_where_the_operator_says_so(
    world: House, subject: str
) -> None:
    refused = sign_in(world, "invited")
    assert (refused.status, refused.error_id) == (401, f"{FAILED}invitation_needed")
    body = {"strategy": "invited", "content": {"profileIds": ["staff"], "team": "Bonn"}}
    made = world.send("POST", "/_/invitations/_create?expiresIn=1h", body, jwt=world.admin)
    assert made.status == 200, made.body
    login = sign_in(world, "invited", invitation=made.result["code"])
    assert login.status == 200, login.body
    kuid = login.result["_id"]
    user = world.send("GET", f"/users/{kuid}", jwt=world.admin).result["_source"]
    assert user["profileIds"] == ["staff"]
    assert user["team"] == "Bonn"
    assert sign_in(world, "invited").result["_id"] == kuid

    be(world.provider, secrets.token_hex(8))
    spent = sign_in(world, "invited", invitation=made.result["code"])
    assert (spent.status, spent.error_id) == (401, f"{FAILED}invalid_invitation")


def test_a_script_sends_an_invitation_and_then_its_browser(world: House, subject: str) -> None:
    body = {"strategy": "invited", "content": {"profileIds": ["staff"]}}
    made = world.send("POST", "/_/invitations/_create", body, jwt=world.admin).result
    with closing(HttpApi(world.server.port)) as api:
        sent = {"invitation": made["code"]}
        begun = api.send("POST", "/_login/invited?noRedirect=true", sent)
        assert (begun.status, "location" in begun.headers) == (200, False)
        cookie = {"Cookie": begun.headers["set-cookie"].partition(";")[0]}
        agreed = httpx2.get(begun.result["headers"]["Location"], trust_env=False)
        back = urlsplit(agreed.headers["location"]).query
        login = api.send("GET", f"/_login/invited?{back}", headers=cookie)
    user = world.send("GET", f"/users/{login.result['_id']}", jwt=world.admin).result
    assert user["_source"]["profileIds"] == ["staff"]


def test_an_invitation_is_not_accepted_in_a_url(world: House) -> None:
    made = world.send("POST", "/_/invitations/_create", {}, jwt=world.admin).result
    refused = world.send("GET", f"/_login/invited?invitation={made['code']}")
    assert (refused.status, refused.error_id) == (400, "ostiary.request.secret_in_url")
    listed = world.send("GET", "/_/invitations", jwt=world.admin).result["invitations"]
    assert made["_id"] in [one["_id"] for one in listed]
    assert made["code"] not in str(listed)
    taken = world.send("DELETE", f"/_/invitations/{made['_id']}", jwt=world.admin)
    assert taken.status == 200


def test_nobody_invites_to_more_than_they_may_do_themselves(world: House) -> None:
    """AZ-20."""
    _, jwt = local_user(world)
    assert world.send("POST", "/_/invitations/_create", {}, jwt=jwt).status == 200
    body = {"content": {"profileIds": ["admin"]}}
    refused = world.send("POST", "/_/invitations/_create", body, jwt=jwt)
    assert (refused.status, refused.error_id) == (403, "ostiary.rights.escalation")
    body = {"content": {"profileIds": ["nothing-so-called"]}}
    missing = world.send("POST", "/_/invitations/_create", body, jwt=world.admin)
    assert missing.status == 404


def test_the_log_tells_of_a_login_that_will_lose_its_cookie(world: House, subject: str) -> None:
    sign_in(world, "invited")
    told = "strategies.invited.callbackURL: a login has begun at another host than auth.example.org"
    assert world.server.log.count(told) <= 2  # once in each process
    assert told in world.server.log
    assert "strategies.invited.callbackURL: ends in /_login/loopback" in world.server.log


def test_strangers_are_refused_where_nobody_is_let_in(world: House, subject: str) -> None:
    refused = sign_in(world, "closed")
    assert (refused.status, refused.error_id) == (401, f"{FAILED}no_account")
    kuid, jwt = local_user(world)
    assert link(world, jwt, "closed").status == 200
    assert sign_in(world, "closed").result["_id"] == kuid


def test_an_address_that_both_sides_verified_links_once_where_the_operator_says_so(
    world: House,
) -> None:
    address = f"{secrets.token_hex(6)}@example.org"
    kuid, _ = local_user(world, email=address, verified=[address])
    be(world.provider, secrets.token_hex(8), email=address, email_verified=False)
    assert sign_in(world, "mailed").result["_id"] != kuid
    first = be(world.provider, secrets.token_hex(8), email=address, email_verified=True)
    assert sign_in(world, "mailed").result["_id"] == kuid
    # A mailbox that was given to somebody else, who has an account of their own.
    be(world.provider, secrets.token_hex(8), email=address, email_verified=True)
    assert sign_in(world, "mailed").result["_id"] != kuid
    be(world.provider, first)
    assert sign_in(world, "mailed").result["_id"] == kuid


def test_an_address_links_nothing_by_default(world: House) -> None:
    """OAU-11."""
    address = f"{secrets.token_hex(6)}@example.org"
    kuid, _ = local_user(world, email=address, verified=[address])
    be(world.provider, secrets.token_hex(8), email=address, email_verified=True)
    assert sign_in(world).result["_id"] != kuid


def test_an_address_that_is_only_claimed_here_links_nothing(world: House) -> None:
    """OAU-11: who writes down somebody's address before they come gets nothing of theirs."""
    address = f"{secrets.token_hex(6)}@example.org"
    kuid, _ = local_user(world, email=address)
    be(world.provider, secrets.token_hex(8), email=address, email_verified=True)
    assert sign_in(world, "mailed").result["_id"] != kuid


def test_claims_give_and_take_the_profiles_that_rules_name(world: House) -> None:
    """OAU-12."""
    subject = be(world.provider, secrets.token_hex(8), groups=["staff"])
    kuid = sign_in(world, "ruled").result["_id"]

    def profiles() -> list[str]:
        user = world.send("GET", f"/users/{kuid}", jwt=world.admin).result["_source"]
        return list(user["profileIds"])

    assert profiles() == ["default", "staff"]
    be(world.provider, subject, groups=["admin"])
    sign_in(world, "ruled")
    assert profiles() == ["default"]
    be(world.provider, subject, groups=["staff"])
    assert sign_in(world).result["_id"] != kuid
    sign_in(world, "ruled")
    assert profiles() == ["default", "staff"]


def _grant(house: House) -> None:
    """Make a profile, and let users manage their accounts, and invite."""
    identity, invitation = (f"{WIRE_NAME}/{name}" for name in ("identity", "invitation"))
    controllers = {
        identity: {"actions": {"list": True, "unlink": True}},
        invitation: {"actions": {"create": True}},
        "auth": {"actions": dict.fromkeys(OWN, True)},
    }
    policies = {"policies": [{"roleId": "default"}, {"roleId": "accounts"}]}
    for url, body in (
        ("/roles/accounts", {"controllers": controllers}),
        ("/profiles/default/_update", policies),
        ("/profiles/staff", {"policies": [{"roleId": "default"}]}),
    ):
        answer = house.send("PUT", url, body, jwt=house.admin)
        assert answer.status == 200, answer.body
