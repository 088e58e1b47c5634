"""A wrong setting of ``[plugins.oauth]`` stops the start, and is named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ostiary import SettingsError, read_settings
from ostiary_oauth.profile_rules import profiles_of
from ostiary_oauth.settings import OAuthSettings, providers
from ostiary_oauth.settings.doubts import warn

from .tables import CLIENT, GITHUB, MICROSOFT, OAUTH1, PLAIN, RULE, SECRET, TENANT, WORK, read


@pytest.mark.parametrize(
    "table, change, key",
    [
        (WORK, {"provider": "oidcc"}, "provider: wanted: one of "),
        (WORK, {"provider": None}, "provider: is missing"),
        (WORK, {"issuer": None}, "issuer: is missing"),
        (WORK, {"clientID": None}, "clientID: is missing"),
        (WORK, {"clientID": " "}, "clientID: wanted"),
        (WORK, {"callbackURL": None}, "callbackURL: is missing"),
        (WORK, {"clientSecret": None}, "clientSecret: is missing"),
        (WORK, {"clientSecret": ""}, "clientSecret: is empty"),
        (WORK, {"clientSecretFile": "/dev/null"}, "clientSecretFile: wanted: this or"),
        (WORK, {"clientSecret": None, "clientSecretFile": "/none"}, "clientSecretFile: cannot be"),
        (WORK, {"clientSecret": None, "clientSecretFile": "/dev/null"}, "clientSecretFile: is em"),
        (WORK, {"clientAuthentication": "none"}, "clientSecret: means nothing for none"),
        (WORK, {"clientAuthentication": "private_key_jwt"}, "privateKeyFile: is missing"),
        (WORK, {"clientAuthentication": "client_secret_jwt"}, "clientAuthentication: wanted"),
        (WORK, {"privateKeyID": "first"}, "privateKeyFile: is missing"),
        (WORK, {"privateKeyFile": "/none"}, "privateKeyFile: cannot be read"),
        (WORK, {"privateKeyFile": "/dev/null"}, "privateKeyFile: holds no private key"),
        (WORK, {"isuer": "x"}, "isuer is not a setting; did you mean"),
        (WORK, {"credentials": {"clientid": "x"}}, "credentials.clientid is not a setting"),
        (WORK, {"users": "everybody"}, "users: wanted: one of"),
        (WORK, {"defaultProfiles": []}, "defaultProfiles: wanted: one"),
        (WORK, {"linkByEmail": "yes"}, "linkByEmail: wanted: bool"),
        (WORK, {"scope": ["open id"]}, "scope: wanted"),
        (WORK, {"scope": 'a"b'}, "scope: wanted"),
        (WORK, {"passportStrategy": "github"}, "passportStrategy: differs from provider"),
        (GITHUB, {"provider": None, "passportStrategy": "saml"}, "passportStrategy: wanted: one"),
        (WORK, {"profiles": [{**RULE, "claim": " "}]}, "profiles[0].claim: wanted"),
        (WORK, {"profiles": [{"claim": "groups"}]}, "profiles[0].value: is missing"),
        (WORK, {"authorizationParams": {"state": "x"}}, "authorizationParams.state: the server"),
        (WORK, {"authorizationParams": {"Nonce": "x"}}, "authorizationParams.Nonce: the server"),
        (
            WORK,
            {"authorizationParams": {"response_mode": "fragment"}},
            "authorizationParams.response_mode: wanted",
        ),
        (PLAIN, {"authorizationURL": None}, "authorizationURL: is missing"),
        (PLAIN, {"tokenURL": None}, "tokenURL: is missing"),
        (PLAIN, {"userinfoURL": None}, "userinfoURL: is missing"),
        (PLAIN, {"identifierAttribute": None}, "identifierAttribute: is missing"),
        (OAUTH1, {"requestTokenURL": None}, "requestTokenURL: is missing"),
        (OAUTH1, {"clientSecret": None}, "clientSecret: is missing"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named_in_full(
    table: Mapping[str, Any], change: dict[str, Any], key: str
) -> None:
    with pytest.raises(SettingsError) as told:
        read({**table, **change}, allowInsecureHttp=False)
    assert f"strategies.work.{key}" in str(told.value)
    assert SECRET not in str(told.value)


@pytest.mark.parametrize(
    "table, change",
    [
        (PLAIN, {"issuer": "https://id.example.org"}),
        (PLAIN, {"discoveryURL": "https://id.example.org/x"}),
        (PLAIN, {"jwksURL": "https://id.example.org/keys"}),
        (PLAIN, {"algorithms": ["RS256"]}),
        (PLAIN, {"postLogoutURIs": ["https://app.example.org/"]}),
        (PLAIN, {"endSessionURL": "https://id.example.org/end"}),
        (PLAIN, {"requestTokenURL": "https://id.example.org/request"}),
        (WORK, {"requestTokenURL": "https://id.example.org/request"}),
        (WORK, {"emailsURL": "https://id.example.org/emails"}),
        (WORK, {"tenant": TENANT}),
        (WORK, {"tenants": [TENANT]}),
        (WORK, {"realm": "engines"}),
        (WORK, {"baseURL": "https://id.example.org"}),
        (WORK, {"teamID": "TEAM"}),
        (OAUTH1, {"scope": "read"}),
        (OAUTH1, {"clientAuthentication": "client_secret_post"}),
        (OAUTH1, {"keepTokens": True}),
        ({**MICROSOFT, "tenant": TENANT}, {"tenants": [TENANT]}),
        (MICROSOFT, {"issuer": f"https://login.microsoftonline.us/{TENANT}/v2.0"}),
    ],
)
def test_a_setting_that_means_nothing_for_the_provider_stops_the_start(
    table: Mapping[str, Any], change: dict[str, Any]
) -> None:
    (key,) = change
    wrong = "tenant" if table is MICROSOFT else key
    with pytest.raises(SettingsError, match=rf"strategies\.work\.{wrong}: means nothing"):
        read({**table, **change})


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example.org",
        "http://127.0.0.1:8000",
        "ftp://id.example.org",
        "id.example.org",
        "/login",
        "https://",
        "https://user:password@id.example.org",
        "https://id.example.org/#fragment",
        "https://id.example.org:port",
        "https://id.example.org/a b",
        "https://id.exam\nple.org",
        "https://bücher.example",
        "https://id.example.org/{tenantid}",
        "javascript:alert(1)",
        "",
    ],
)
@pytest.mark.parametrize("key", ["issuer", "callbackURL", "tokenURL", "jwksURL", "userinfoURL"])
def test_an_address_is_https_and_nothing_else(key: str, url: str) -> None:
    """OAU-16, OAU-18"""
    with pytest.raises(SettingsError, match=rf"strategies\.work\.{key}: wanted: an https") as told:
        read({**WORK, key: url})
    assert "password" not in str(told.value)


@pytest.mark.parametrize("host", ["id.example.org", "127.0.0.1.example.org", "10.0.0.1", "0.0.0.0"])
def test_http_never_leaves_this_machine(host: str) -> None:
    with pytest.raises(SettingsError, match=r"work\.issuer: .*http is for this machine alone"):
        read({**WORK, "issuer": f"http://{host}"}, allowInsecureHttp=True)


@pytest.mark.parametrize(
    "url, told",
    [
        ("ftp://id.example.org", "an https address"),
        ("http://id.example.org", "an https address; http is for this machine alone.*"),
        ("https://", "an https address, and not a URL without a host"),
        ("http://id.example.org/#top", "an https address, and not a URL with a fragment"),
    ],
)
def test_what_is_wrong_with_an_address_is_told(url: str, told: str) -> None:
    with pytest.raises(SettingsError, match=rf"work\.tokenURL: wanted: {told}$"):
        read({**WORK, "tokenURL": url})


def test_an_issuer_has_no_query() -> None:
    with pytest.raises(SettingsError, match=r"work\.issuer: wanted: an https address without a \?"):
        read({**WORK, "issuer": "https://id.example.org?tenant=1"})


@pytest.mark.parametrize("uri", ["http://app.example.org", "/home", "https://app.example.org/#top"])
def test_browsers_come_back_from_a_logout_to_an_address(uri: str) -> None:
    with pytest.raises(SettingsError, match=r"work\.postLogoutURIs: wanted"):
        read({**WORK, "postLogoutURIs": [uri]})


@pytest.mark.parametrize("algorithms", [["none"], ["HS256"], ["RS256", "HS512"], ["RS1"], []])
def test_only_keys_that_a_provider_publishes_sign_its_tokens(algorithms: list[str]) -> None:
    """OAU-07"""
    with pytest.raises(SettingsError, match=r"work\.algorithms: wanted: some of RS256"):
        read({**WORK, "algorithms": algorithms})


@pytest.mark.parametrize("name", ["Work", "1", "my idp", "é", "a" * 64, ""])
def test_a_name_that_no_strategy_can_have_stops_the_start(name: str) -> None:
    with pytest.raises(SettingsError, match="no strategy can have this name"):
        providers({"strategies": {name: WORK}})


# Attributes


@pytest.mark.parametrize(
    "table, identifier",
    [
        (WORK, "email"),
        (WORK, "preferred_username"),
        (GITHUB, "login"),
        (GITHUB, "email"),
        (MICROSOFT, "preferred_username"),
        (PLAIN, "email"),
        (PLAIN, "data.email"),
        (PLAIN, "user.mail"),
        (OAUTH1, "email"),
        ({**PLAIN, "emailAttribute": "contact"}, "contact"),
    ],
)
def test_no_address_and_no_name_that_may_change_names_an_account(
    table: Mapping[str, Any], identifier: str
) -> None:
    """OAU-11"""
    with pytest.raises(SettingsError, match=r"work\.identifierAttribute: wanted: .*another's"):
        read({**table, "identifierAttribute": identifier, "persist": [identifier]})


def test_an_identifier_that_may_be_left_out_is_told_so() -> None:
    with pytest.raises(SettingsError, match="identifierAttribute: wanted: sub, or nothing, which"):
        read({**WORK, "identifierAttribute": "upn"})


@pytest.mark.parametrize(
    "change, key",
    [
        ({"persist": ["name"]}, "persist: wanted: id as well"),
        ({"persist": ["id", ""]}, "persist: wanted: paths"),
        (
            {"persist": ["id"], "kuzzleAttributesMapping": {"id": "number"}},
            "kuzzleAttributesMapping.id: the identifier keeps its name",
        ),
        (
            # Kuzzle's documentation has it the wrong way round.
            {"persist": ["id", "email"], "kuzzleAttributesMapping": {"userMail": "email"}},
            "kuzzleAttributesMapping.userMail: is not among persist",
        ),
        (
            {"persist": ["id", "name"], "kuzzleAttributesMapping": {"name": "id"}},
            "kuzzleAttributesMapping: id and name are both id",
        ),
        (
            {"persist": ["id", "name"], "kuzzleAttributesMapping": {"name": "kuid"}},
            "kuzzleAttributesMapping.name: wanted: a name other than",
        ),
        (
            {"persist": ["id", "name"], "kuzzleAttributesMapping": {"name": "_proved.name"}},
            "kuzzleAttributesMapping.name: wanted: a name other than",
        ),
        ({"persist": ["id", "kuid"]}, "persist: kuid wants another name"),
        (
            {"persist": ["id", "name"], "kuzzleAttributesMapping": {"name": 5}},
            "kuzzleAttributesMapping.name: wanted: a name",
        ),
    ],
)
def test_what_is_kept_has_one_name_and_the_identifier_its_own(
    change: dict[str, Any], key: str
) -> None:
    with pytest.raises(SettingsError) as told:
        read({**PLAIN, **change})
    assert f"strategies.work.{key}" in str(told.value)


def test_an_identifier_is_kept_without_being_named_twice() -> None:
    assert read({**GITHUB, "persist": ["login"]}).persist == ("id", "login")
    assert read({**GITHUB, "persist": []}).persist == ("id",)


# What an address is good for


@pytest.mark.parametrize("table", [PLAIN, MICROSOFT, OAUTH1])
def test_an_address_that_nobody_has_verified_links_nobody(table: Mapping[str, Any]) -> None:
    """OAU-11"""
    with pytest.raises(SettingsError, match=r"work\.linkByEmail: wanted: false"):
        read({**table, "linkByEmail": True})


def test_an_address_links_where_the_provider_says_that_it_has_verified_it() -> None:
    assert read({**WORK, "linkByEmail": True}).link_by_email
    assert read({**GITHUB, "linkByEmail": True}).link_by_email
    verified = {**PLAIN, "emailVerifiedAttribute": "verified"}
    assert read({**verified, "linkByEmail": True}).email_verified == "verified"


def test_what_is_said_of_one_address_is_not_said_of_another() -> None:
    assert read({**WORK, "emailAttribute": "upn"}).email_verified is None


@pytest.mark.parametrize(
    "table, claim",
    [(WORK, "email"), (PLAIN, "mail"), ({**WORK, "emailAttribute": "contact"}, "contact")],
)
def test_an_address_gives_no_profile(table: Mapping[str, Any], claim: str) -> None:
    """OAU-12: it may be unverified in this very login."""
    with pytest.raises(SettingsError, match=r"work\.profiles\[1\]\.claim: wanted: another"):
        read({**table, "profiles": [RULE, {**RULE, "claim": claim}]})


def test_what_a_rule_takes_is_not_given_again_by_default() -> None:
    """OAU-12"""
    wrong = {**WORK, "profiles": [RULE], "defaultProfiles": [RULE["profile"]]}
    with pytest.raises(SettingsError, match=r"work\.profiles: wanted: rules that leave one"):
        read(wrong)
    provider = read({**wrong, "defaultProfiles": [RULE["profile"], "default"]})
    assert profiles_of(provider, {}, [RULE["profile"]]) == ("default",)


def test_no_stranger_with_a_tenant_gives_profiles() -> None:
    """OAU-12"""
    with pytest.raises(SettingsError, match=r"work\.tenants: is missing"):
        read({**MICROSOFT, "profiles": [RULE]})
    assert read({**MICROSOFT, "profiles": [RULE], "tenants": [TENANT]}).tenants == (TENANT,)


@pytest.mark.parametrize("tenants", [["example.org"], [TENANT.upper()], ["*"]])
def test_a_tenant_is_named_by_its_id(tenants: list[str]) -> None:
    with pytest.raises(SettingsError, match=r"work\.tenants: wanted"):
        read({**MICROSOFT, "tenants": tenants})
    with pytest.raises(SettingsError, match=r"work\.tenant: wanted"):
        read({**MICROSOFT, "tenant": tenants[0]})


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 1024),
        ec.generate_private_key(ec.SECP256K1()),
        x25519.X25519PrivateKey.generate(),
    ],
    ids=["short", "curve", "exchange"],
)
def test_a_key_that_signs_nothing_a_provider_takes_is_none(tmp_path: Path, key: Any) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(SettingsError, match=r"work\.privateKeyFile: holds no private key"):
        read({**WORK, "clientSecret": None, "privateKeyFile": str(file)})


def test_apple_has_keys_of_one_kind(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    key = ec.generate_private_key(ec.SECP384R1())
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    apple = {**CLIENT, "provider": "apple", "teamID": "T", "privateKeyID": "K"}
    with pytest.raises(SettingsError, match=r"work\.privateKeyFile: .*P-256, as Apple"):
        read({**apple, "clientSecret": None, "privateKeyFile": str(file)})


def test_two_providers_with_one_callback_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """OAU-10: RFC 9700, 4.4.2."""
    apart = {**GITHUB, "callbackURL": "https://auth.example.org/_login/github"}
    table = {"strategies": {"work": WORK, "github": apart, "again": WORK}}
    warn(read_settings(table, OAuthSettings))
    assert not caplog.records
    warn(read_settings({"strategies": {"work": WORK, "github": GITHUB}}, OAuthSettings))
    assert "work and github have the same callbackURL" in caplog.text
    assert SECRET not in caplog.text
