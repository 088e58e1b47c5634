"""The settings of ``[plugins.oauth]``: what they mean, and that a wrong one stops the start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ostiary import SettingsError, read_settings
from ostiary_oauth.provider import ProfileRule, Provider
from ostiary_oauth.settings import OAuthSettings, providers

from .tables import CLIENT, GITHUB, OAUTH1, PLAIN, RULE, SECRET, WORK, read


def kuzzle(**settings: Any) -> Provider:
    """Read a strategy as Kuzzle's documentation writes it."""
    credentials = {
        "clientID": "client",
        "clientSecret": SECRET,
        "callbackURL": "https://auth.example.org/_login/facebook",
        "profileFields": ["id", "displayName", "picture.type(large)", "emails"],
    }
    table = {
        "credentials": credentials,
        "persist": ["id", "picture.data.url", "email"],
        "kuzzleAttributesMapping": {"picture.data.url": "avatar"},
        "identifierAttribute": "id",
        "scope": ["email", "public_profile"],
        **settings,
    }
    (found,) = providers({"strategies": {"facebook": table}, "defaultProfiles": ["editor"]})
    return found


def test_a_provider_of_openid_connect_needs_five_lines() -> None:
    found = read(WORK)
    assert (found.name, found.kind, found.protocol) == ("work", "oidc", "oidc")
    assert (found.issuer, found.client_id) == ("https://id.example.org", "client")
    assert found.client_secret == SECRET
    assert found.redirect_uri == "https://auth.example.org/_login/work"
    assert found.scope == ("openid", "email")
    assert found.identifier == "sub"
    assert found.persist == ("sub", "email")
    assert found.default_profiles == ("default",)
    assert found.admission == "create"
    assert (found.link_by_email, found.keep_tokens, found.profile_rules) == (False, False, ())


def test_each_strategy_is_a_provider() -> None:
    found = providers({"strategies": {"work": WORK, "github": GITHUB}})
    assert [(one.name, one.kind) for one in found] == [("work", "oidc"), ("github", "github")]


def test_a_strategy_that_is_named_like_a_provider_is_that_provider() -> None:
    (found,) = providers({"strategies": {"google": CLIENT}})
    assert (found.kind, found.issuer) == ("google", "https://accounts.google.com")


def test_without_strategies_there_is_no_provider() -> None:
    assert providers({}) == providers({"strategies": {}}) == ()


def test_the_issuer_may_be_told_by_its_discovery() -> None:
    url = "https://id.example.org/realm/.well-known/openid-configuration"
    found = read({**WORK, "issuer": None, "discoveryURL": url})
    assert (found.issuer, found.discovery_url) == ("https://id.example.org/realm", url)


def test_what_vouches_for_an_account_of_oauth2_is_where_its_tokens_come_from() -> None:
    """OAU-11"""
    assert read(PLAIN).issuer == "https://id.example.org"


@pytest.mark.parametrize(
    "scope", ["openid email", "openid, email", ["openid", "email"], "email", ["email"]]
)
def test_a_scope_is_a_list_or_a_text_and_an_openid_provider_is_always_asked_as_one(
    scope: Any,
) -> None:
    assert read({**WORK, "scope": scope}).scope == ("openid", "email")


def test_a_strategy_may_have_default_profiles_of_its_own() -> None:
    assert read(WORK, defaultProfiles=["a"]).default_profiles == ("a",)
    assert read({**WORK, "defaultProfiles": ["b"]}, defaultProfiles=["a"]).default_profiles == (
        "b",
    )


def test_claims_give_profiles_as_the_operator_says() -> None:
    """OAU-12"""
    found = read({**WORK, "profiles": [RULE]})
    assert found.profile_rules == (ProfileRule(claim="groups", value="staff", profile="staff"),)


# The client


def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n", encoding="utf-8")
    found = read({**WORK, "clientSecret": None, "clientSecretFile": str(file)})
    assert found.client_secret == SECRET
    assert found.client_authentication == "client_secret_basic"


def test_a_client_may_have_a_key_instead_of_a_secret(tmp_path: Path) -> None:
    file = _key(tmp_path)
    table = {**WORK, "clientSecret": None, "privateKeyFile": str(file), "privateKeyID": "first"}
    found = read(table)
    assert found.client_authentication == "private_key_jwt"
    assert found.private_key == file.read_text(encoding="utf-8").strip()
    assert (found.private_key_id, found.client_secret) == ("first", None)


def test_a_client_without_a_secret_says_so() -> None:
    found = read({**WORK, "clientSecret": None, "clientAuthentication": "none"})
    assert (found.client_authentication, found.client_secret) == ("none", None)


def test_no_secret_is_seen_where_settings_are_written_out(tmp_path: Path) -> None:
    """OAU-19"""
    shapes: tuple[dict[str, Any], ...] = (
        WORK,
        {**WORK, "clientSecret": None, "credentials": {"clientSecret": SECRET}},
        {**OAUTH1, "clientSecret": None, "credentials": {"consumerSecret": SECRET}},
    )
    key = _key(tmp_path)
    shapes += ({**WORK, "clientSecret": None, "privateKeyFile": str(key)},)
    for shape in shapes:
        settings = read_settings({"strategies": {"work": shape}}, OAuthSettings)
        for written in (repr(settings), repr(settings.providers)):
            assert SECRET not in written
            assert "PRIVATE KEY" not in written


# http


LOOPBACK = {
    **WORK,
    "issuer": "http://127.0.0.1:8000",
    "callbackURL": "http://localhost:7512/_login/work",
}


def test_a_provider_on_this_machine_may_have_http_where_that_is_allowed() -> None:
    found = read(LOOPBACK, allowInsecureHttp=True)
    assert found.issuer == "http://127.0.0.1:8000"
    assert found.insecure_http
    other = read({**WORK, "issuer": "http://[::1]:8000"}, allowInsecureHttp=True)
    assert other.issuer == "http://[::1]:8000"


def test_an_app_on_a_device_may_be_the_callback() -> None:
    """RFC 8252, 7.1"""
    callback = "org.example.app:/login"
    assert read({**WORK, "callbackURL": callback}).redirect_uri == callback


def test_private_addresses_are_asked_unless_the_operator_forbids_it() -> None:
    """OAU-18"""
    assert read(WORK).private_addresses
    assert not read(WORK, forbidPrivateAddresses=True).private_addresses
    with pytest.raises(
        SettingsError, match=r"strategies\.work\.issuer: wanted: one that is public"
    ):
        read(LOOPBACK, allowInsecureHttp=True, forbidPrivateAddresses=True)


# Kuzzle's shape


def test_a_strategy_as_kuzzle_writes_it_means_the_same_here() -> None:
    found = kuzzle()
    assert (found.name, found.kind, found.client_id) == ("facebook", "facebook", "client")
    assert (found.identifier, found.scope) == ("id", ("email", "public_profile"))
    assert found.persist == ("id", "picture.data.url", "email")
    assert found.mapping == {"picture.data.url": "avatar"}
    assert found.default_profiles == ("editor",)
    fields = "https://graph.facebook.com/me?fields=id,name,picture.type(large),email"
    assert found.userinfo_endpoint == fields


@pytest.mark.parametrize(
    "passport, kind",
    [
        ("google-oauth20", "google"),
        ("openidconnect", "oidc"),
        ("facebook", "facebook"),
        ("github", "github"),
        ("gitlab2", "gitlab"),
        ("twitter-oauth2", "twitter"),
        ("forcedotcom", "salesforce"),
        ("discord", "discord"),
    ],
)
def test_passports_words_are_understood(passport: str, kind: str) -> None:
    issuer = WORK["issuer"] if kind == "oidc" else None
    table = {"passportStrategy": passport, "credentials": CLIENT, "issuer": issuer}
    assert read(table).kind == kind


def test_a_client_of_passport_twitter_speaks_oauth1() -> None:
    credentials = {
        "consumerKey": "key",
        "consumerSecret": SECRET,
        "callbackURL": CLIENT["callbackURL"],
    }
    found = read({"passportStrategy": "twitter", "credentials": credentials})
    assert (found.kind, found.protocol) == ("twitter-oauth1", "oauth1")
    assert (found.client_id, found.client_secret) == ("key", SECRET)


@pytest.mark.parametrize(
    "option",
    [
        {"passReqToCallback": True},
        {"skipUserProfile": False},
        {"sessionKey": "oauth:work"},
        {"state": True},
        {"pkce": "S256"},
        {"proxy": False},
        {"trustProxy": True},
        {"enableProof": True},
        {"userAgent": "kuzzle"},
    ],
)
def test_what_tells_passport_how_to_work_means_nothing(option: dict[str, Any]) -> None:
    assert read({**WORK, "credentials": option}) == read(WORK)


def test_the_file_of_a_secret_may_stand_among_kuzzles_credentials(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    table = {**WORK, "clientSecret": None, "credentials": {"clientSecretFile": str(file)}}
    assert read(table).client_secret == SECRET


def test_what_is_said_in_both_shapes_must_not_differ() -> None:
    assert read({**WORK, "credentials": CLIENT}) == read(WORK)
    with pytest.raises(SettingsError, match=r"work\.credentials\.clientID: differs from clientID"):
        read({**WORK, "credentials": {**CLIENT, "clientID": "another"}})
    with pytest.raises(SettingsError, match=r"credentials\.clientSecret: differs") as told:
        read({**WORK, "credentials": {**CLIENT, "clientSecret": "another"}})
    assert SECRET not in str(told.value)
    assert "another" not in str(told.value)


def _key(folder: Path) -> Path:
    file = folder / "key.pem"
    pem = ed25519.Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    file.write_bytes(pem)
    return file
