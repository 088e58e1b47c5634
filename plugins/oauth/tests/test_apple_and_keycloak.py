"""Whole logins by the descriptions of Apple and Keycloak, at a provider that asks what they ask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx2
import pytest
from joserfc.jwk import ECKey

from ostiary.testing.wire import HttpApi
from ostiary_oauth import errors

from .answered import sent_back
from .provider import CALLBACK, Loopback, running
from .signing_in import house
from .test_ready_made import OPENID, asked_of, profile_of, signed_in

pytestmark = pytest.mark.anyio

TEAM, KEY = "TEAM123456", "KEY1234567"
FROM_APPLE = {
    "Content-Type": "application/x-www-form-urlencoded",
    "Origin": "https://appleid.apple.com",
    "Sec-Fetch-Site": "cross-site",
}

STRATEGY = """
[plugins.oauth.strategies.apple]
provider = "apple"
issuer = "{url}"
clientID = "{client_id}"
teamID = "{team}"
privateKeyID = "{key}"
privateKeyFile = "{file}"
callbackURL = "{callback}"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The key that Apple lets a team download once."""
    return tmp_path / "AuthKey.p8"


@pytest.fixture
def apple(loopback: Loopback, file: Path) -> Loopback:
    """A provider that is as strict as Apple, and knows the key of the team."""
    key = ECKey.generate_key("P-256", {"kid": KEY})
    file.write_bytes(key.as_pem(private=True))
    loopback.client_key = ECKey.import_key({**key.as_dict(private=False), "kid": KEY})
    loopback.team, loopback.by_form = TEAM, frozenset({"name", "email"})
    loopback.user, loopback.iss_parameter = profile_of("apple"), False
    loopback.signed = tuple(loopback.user)
    # Apple has no such endpoint: all that it tells stands in the id token.
    loopback.metadata = {"userinfo_endpoint": None}
    return loopback


def keyed(apple: Loopback, file: Path, **more: Any) -> dict[str, Any]:
    made = {"teamID": TEAM, "privateKeyID": KEY, "privateKeyFile": str(file)}
    return {**OPENID, "issuer": apple.url, "clientSecret": None, **made, **more}


async def test_apple_takes_the_secret_that_is_made_of_the_key(apple: Loopback, file: Path) -> None:
    proved = await signed_in(apple, "apple", **keyed(apple, file))
    assert (proved.issuer, proved.subject) == (apple.url, apple.user["sub"])
    assert (proved.email, proved.email_verified) == (apple.user["email"], True)
    asked = asked_of(apple, "/authorize")
    assert (asked["scope"], asked["response_mode"]) == ("openid email", "form_post")


@pytest.mark.parametrize("wrong", [{"teamID": "ANOTHER"}, {"privateKeyID": "ANOTHER"}])
async def test_apple_refuses_a_secret_of_another_team_or_key(
    apple: Loopback, file: Path, wrong: dict[str, str]
) -> None:
    with pytest.raises(errors.ClientRefused):
        await signed_in(apple, "apple", **keyed(apple, file, **wrong))


async def test_apple_refuses_a_secret_that_another_key_has_signed(
    apple: Loopback, file: Path
) -> None:
    file.write_bytes(ECKey.generate_key("P-256").as_pem(private=True))
    with pytest.raises(errors.ClientRefused):
        await signed_in(apple, "apple", **keyed(apple, file))


async def test_apple_answers_by_query_where_it_is_asked_for_no_address(
    apple: Loopback, file: Path
) -> None:
    apple.signed = ("sub",)
    proved = await signed_in(apple, "apple", **keyed(apple, file, scope="openid"))
    assert (proved.subject, proved.email) == (apple.user["sub"], None)
    assert "response_mode" not in asked_of(apple, "/authorize")


async def test_apple_answers_by_a_form_that_the_server_turns_into_a_query(
    apple: Loopback, file: Path
) -> None:
    """OAU-03: the cookie of the login does not come with a form of another site."""
    names = {"client_id": apple.client_id, "team": TEAM, "key": KEY, "callback": CALLBACK}
    apple.authentication = "client_secret_post"
    settings = STRATEGY.format(url=apple.url, file=file, **names)
    with (
        house(apple, workers=1, more=settings) as serving,
        closing(HttpApi(serving.server.port)) as api,
    ):
        begun = api.send("GET", "/_login/apple")
        cookie = begun.headers["set-cookie"]
        assert "samesite=lax" in cookie.lower()
        back, fields = sent_back(httpx2.get(begun.headers["location"], trust_env=False))
        assert back == CALLBACK
        told = {**fields, "user": '{"name":{"firstName":"Ada","lastName":"Byron"}}'}
        posted = api.send("POST", "/_login/apple", urlencode(told).encode(), FROM_APPLE)
        assert posted.status == 303
        assert "set-cookie" not in posted.headers
        location = posted.headers["location"]
        assert location.startswith("?")
        assert dict(parse_qsl(location[1:])) == fields
        held = {"Cookie": cookie.partition(";")[0], "Sec-Fetch-Site": "cross-site"}
        assert api.send("GET", f"/_login/apple{location}").status == 401
        signed = api.send("GET", f"/_login/apple{location}", None, held)
        assert set(signed.result) == {"_id", "jwt", "expiresAt", "ttl"}
        kuid = signed.result["_id"]
        held_by = api.call("security:getCredentials", jwt=serving.admin, strategy="apple", _id=kuid)
        assert held_by.result["sub"] == apple.user["sub"]


@pytest.fixture
def keycloak() -> Iterator[Loopback]:
    with running(under="/auth/realms/engines") as loopback:
        loopback.user = profile_of("keycloak")
        loopback.signed = tuple(loopback.user)
        yield loopback


@pytest.mark.parametrize("slash", ["", "/"])
async def test_keycloak_is_found_by_its_address_and_a_realm(keycloak: Loopback, slash: str) -> None:
    base = keycloak.url.removesuffix("/realms/engines")
    named = {"baseURL": f"{base}{slash}", "realm": "engines"}
    proved = await signed_in(keycloak, "keycloak", **OPENID, **named)
    assert (proved.issuer, proved.subject) == (keycloak.url, keycloak.user["sub"])
    assert (proved.email, proved.email_verified) == ("ada@example.org", False)
    assert proved.claims["preferred_username"] == "ada"
    assert asked_of(keycloak, "/authorize")["scope"] == "openid email profile"


async def test_another_realm_of_that_keycloak_is_another_provider(keycloak: Loopback) -> None:
    base = keycloak.url.removesuffix("/realms/engines")
    with pytest.raises(errors.ProviderUnavailable):
        await signed_in(keycloak, "keycloak", **OPENID, baseURL=base, realm="master")
