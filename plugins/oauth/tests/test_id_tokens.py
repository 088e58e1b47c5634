"""Id tokens: what the provider has signed for us, and everything that is not that."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from ostiary_oauth import errors

from .malicious import encoded, signed_by_secret, unsigned
from .provider import CLIENT_SECRET, EC_KEY, RSA_KEY, Loopback
from .visiting import Visitor

pytestmark = pytest.mark.anyio

Coming = Callable[..., Visitor]

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
OTHER_TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad"
STRANGER = RSAKey.generate_key(2048, {"kid": "rsa"})
PUBLIC = STRANGER.as_dict(private=False)
ED25519 = OKPKey.generate_key("Ed25519", {"kid": "ed", "use": "sig"})
P384 = ECKey.generate_key("P-384", {"kid": "p384", "use": "sig"})

Signer = Callable[[dict[str, Any]], str]


class Lax(jws.JWSRegistry):
    """Signs whatever an attacker wants signed."""

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]

    def check_header(self, header: dict[str, Any]) -> None:
        pass


def signer(key: Any, **header: Any) -> Signer:
    return lambda claims: jwt.encode(header, claims, key, registry=Lax(strict_check_header=False))


def by_hand(header: dict[str, Any], signature: bytes = b"") -> Signer:
    return lambda claims: f"{unsigned(header, claims)}.{encoded(signature)}"


by_public_key = signed_by_secret({"alg": "HS256", "kid": "rsa"}, RSA_KEY.as_pem(private=False))
"""Signs with what the provider publishes, as if it were a secret."""


@pytest.mark.parametrize(
    "key, algorithm",
    [
        (RSA_KEY, "RS256"),
        (RSA_KEY, "PS256"),
        (EC_KEY, "ES256"),
        (ED25519, "EdDSA"),
    ],
)
async def test_what_the_provider_signs_with_a_published_key_is_believed(
    visitor: Coming, loopback: Loopback, key: Any, algorithm: str
) -> None:
    """OAU-07."""
    loopback.algorithm, loopback.published = algorithm, [RSA_KEY, EC_KEY, ED25519]
    loopback.sign = signer(key, alg=algorithm, kid=key.kid)
    assert (await visitor().sign_in()).subject == "248289761001"


FORGERIES: dict[str, Signer] = {
    "no algorithm": by_hand({"alg": "none", "kid": "rsa"}),
    "no algorithm, oddly written": by_hand({"alg": "nOnE"}),
    "no signature": by_hand({"alg": "RS256", "kid": "rsa"}),
    "a wrong signature": by_hand({"alg": "RS256", "kid": "rsa"}, b"x" * 256),
    "a list of algorithms": by_hand({"alg": ["RS256"], "kid": "rsa"}),
    "an algorithm that is null": by_hand({"alg": None}),
    "an algorithm that is missing": by_hand({"kid": "rsa"}),
    # A secret that everybody has who has the public key (CVE-2024-37568).
    "a public key as a secret": by_public_key,
    "the secret of the client": signer(OctKey.import_key(CLIENT_SECRET), alg="HS256", kid="rsa"),
    # The provider's own keys sign these.
    "an algorithm that is not pinned": signer(RSA_KEY, alg="RS384", kid="rsa"),
    "a curve that is not pinned": signer(P384, alg="ES384", kid="p384"),
    "a stranger under the name of a key": signer(STRANGER, alg="RS256", kid="rsa"),
    "a key that it brings": signer(STRANGER, alg="RS256", jwk=PUBLIC),
    "a key that it brings under a name": signer(STRANGER, alg="RS256", kid="rsa", jwk=PUBLIC),
    "a key that it points to": signer(STRANGER, alg="RS256", jku="https://evil.example/jwks"),
    "a certificate": signer(STRANGER, alg="RS256", x5u="https://evil.example/x5u"),
    # What would have to be understood (RFC 7515, 4.1.11; RFC 7797).
    "something critical": signer(RSA_KEY, alg="RS256", kid="rsa", crit=["exp"], exp=1),
    "nothing critical": signer(RSA_KEY, alg="RS256", kid="rsa", crit=[]),
    "another encoding": signer(RSA_KEY, alg="RS256", kid="rsa", b64=True),
    "a key of another kind": signer(EC_KEY, alg="ES256", kid="rsa"),
    "nobody's key": signer(RSA_KEY, alg="RS256", kid="another"),
    "a number for a key": signer(RSA_KEY, alg="RS256", kid=7),
    "a number for a type": signer(RSA_KEY, alg="RS256", kid="rsa", typ=7),
    "a letter": lambda _: "x",
    "dots": lambda _: "..",
    "five parts": lambda _: "a.b.c.d.e",
    "the beginning of a token": lambda claims: signer(RSA_KEY, alg="RS256", kid="rsa")(claims)[:-4],
    "a list of claims": lambda _: signed_text("[]"),
    "claims without an end": lambda _: signed_text("[" * 50_000),
    "claims that are no text": lambda _: signed_text(b"\xff"),
}


def signed_text(text: str | bytes) -> str:
    return jws.serialize_compact({"alg": "RS256", "kid": "rsa"}, text, RSA_KEY)


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_what_the_provider_has_not_signed_so_is_refused(
    visitor: Coming, loopback: Loopback, forgery: str
) -> None:
    """OAU-07."""
    loopback.published = [RSA_KEY, EC_KEY, P384]
    loopback.sign = FORGERIES[forgery]
    reason = await visitor(algorithms=("RS256", "ES256")).refused()
    assert reason.startswith("the token is not the provider's: ")


async def test_no_setting_makes_a_secret_sign(visitor: Coming, loopback: Loopback) -> None:
    """OAU-07: asymmetric algorithms only."""
    loopback.sign = signer(OctKey.import_key(CLIENT_SECRET), alg="HS256")
    reason = await visitor(algorithms=("HS256", "none", "RS256")).refused()
    assert reason == "the token is not the provider's: UnsupportedAlgorithmError"


async def test_a_header_that_nobody_has_registered_is_ignored(
    visitor: Coming, loopback: Loopback
) -> None:
    loopback.sign = signer(RSA_KEY, alg="RS256", kid="rsa", extra={"a": "b" * 600})
    await visitor().sign_in()


async def test_a_key_may_go_without_a_name_where_only_one_fits(
    visitor: Coming, loopback: Loopback
) -> None:
    loopback.sign = signer(RSA_KEY, alg="RS256")
    await visitor().sign_in()
    loopback.published = [RSA_KEY, RSAKey.generate_key(2048, {"kid": "second"})]
    assert await visitor().refused() == "the token is not the provider's: InvalidKeyIdError"


async def test_a_new_key_of_the_provider_is_found(visitor: Coming, loopback: Loopback) -> None:
    """OAU-07: keys are fetched again when a token names one that is not known."""
    loopback.published = [EC_KEY]
    guest = visitor()
    await guest.strategy.web.key_set()
    loopback.published = [RSA_KEY]
    await guest.sign_in()
    loopback.published = [EC_KEY]
    loopback.sign = signer(EC_KEY, alg="ES256", kid="another")
    # It was asked so less than a minute ago: nobody makes this server ask without end (OAU-18).
    assert await guest.refused() == "the token is not the provider's: InvalidKeyIdError"
    assert [path for _, path, _ in loopback.asked].count("/jwks") == 2


@pytest.mark.parametrize(
    "claim, value",
    [
        ("iss", None),
        ("iss", "https://other.example"),
        ("iss", ["http://127.0.0.1"]),
        ("iss", 7),
        ("aud", None),
        ("aud", "another-client"),
        ("aud", []),
        ("aud", ["another-client"]),
        ("aud", {"ostiary": True}),
        # Of several audiences one has asked: us, or it is not for us.
        ("aud", ["ostiary", "another-client"]),
        ("azp", "another-client"),
        ("azp", 7),
        ("exp", None),
        ("exp", "9999999999"),
        ("exp", True),
        ("exp", float("nan")),
        ("exp", float("inf")),
        ("exp", 0),
        ("exp", -61),
        ("nbf", 3600),
        ("nbf", "soon"),
        ("iat", None),
        ("iat", 3600),
        ("sub", None),
        ("sub", 7),
        ("at_hash", "of-another-token"),
        ("at_hash", 7),
        ("at_hash", {}),
        ("at_hash", ""),
    ],
)
async def test_a_token_that_is_not_for_us_now_is_refused(
    visitor: Coming, loopback: Loopback, claim: str, value: Any
) -> None:
    """OAU-08."""
    relative = isinstance(value, int) and not isinstance(value, bool) and claim in TIMES
    said = int(time.time()) + value if relative and value else value

    def change(claims: dict[str, Any]) -> dict[str, Any]:
        rest = {name: claims[name] for name in claims if name != claim}
        return rest if said is None else {**rest, claim: said}

    loopback.claim = change
    reason = await visitor().refused()
    assert reason.startswith("the id token is not for this login: ")


TIMES = ("exp", "nbf", "iat")


async def test_the_issuer_is_compared_letter_by_letter(visitor: Coming, loopback: Loopback) -> None:
    """OAU-08."""
    for issuer in (f"{loopback.url}/", loopback.url.upper(), f"{loopback.url}/x", ""):
        loopback.claim = lambda claims, issuer=issuer: {**claims, "iss": issuer}  # type: ignore[misc]
        assert await visitor().refused() == "the id token is not for this login: iss"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["ostiary"]},
        {"aud": ["ostiary", "another-client"], "azp": "ostiary"},
        {"azp": "ostiary"},
    ],
)
async def test_a_token_may_say_more_of_whom_it_is_for(
    visitor: Coming, loopback: Loopback, changes: dict[str, Any]
) -> None:
    loopback.claim = lambda claims: {**claims, **changes}
    await visitor().sign_in()


async def test_clocks_may_differ_by_less_than_a_minute(visitor: Coming, loopback: Loopback) -> None:
    """OAU-08."""
    now = time.time()
    loopback.claim = lambda claims: {**claims, "exp": now - 30, "iat": now + 30, "nbf": now + 30}
    await visitor().sign_in()


@pytest.mark.parametrize(
    "subject",
    ["", "x" * 256, "a\0", "a\n", "\x7f", "a\u2028b", "\ud800", "\u202eevil", "a\u200bb", "\x85"],
)
async def test_a_subject_that_cannot_name_an_account_is_refused(
    visitor: Coming, loopback: Loopback, subject: str
) -> None:
    """OAU-13."""
    loopback.claim = lambda claims: {**claims, "sub": subject}
    loopback.sign = lambda claims: signed_text(json.dumps(claims))
    assert await visitor().refused() == "nothing at sub names an account"


@pytest.mark.parametrize("subject", [7, 1.5, True, ["x"], {"a": 1}])
async def test_a_subject_that_is_no_text_is_refused(
    visitor: Coming, loopback: Loopback, subject: Any
) -> None:
    """OAU-13."""
    loopback.claim = lambda claims: {**claims, "sub": subject}
    assert await visitor().refused() == "the id token is not for this login: sub"


@pytest.mark.parametrize("subject", ["x", "x" * 255, "auth0|Ü 1", " x", "x@example.org"])
async def test_a_subject_is_taken_as_it_is(
    visitor: Coming, loopback: Loopback, subject: str
) -> None:
    """OAU-13: exactly, without a change of case or space."""
    loopback.claim = lambda claims: {**claims, "sub": subject}
    assert (await visitor().sign_in()).subject == subject


async def test_a_provider_that_is_another_than_it_says_is_not_asked(
    visitor: Coming, loopback: Loopback
) -> None:
    """OAU-20."""
    for issuer in (f"{loopback.url}/", "https://other.example", 7, None):
        loopback.metadata = {"issuer": issuer}
        with pytest.raises(errors.ProviderUnavailable):
            await visitor().begin()


def microsoft(loopback: Loopback, tenant: Any, **changes: Any) -> dict[str, Any]:
    """Make it a provider with many tenants, and return the settings for it."""
    issuer = f"{loopback.url}/{{tenantid}}/v2.0"
    loopback.metadata = {"issuer": issuer}
    loopback.iss_parameter = False
    mine = f"{loopback.url}/{tenant}/v2.0"
    loopback.claim = lambda claims: {**claims, "iss": mine, "tid": tenant}
    document = f"{loopback.url}/.well-known/openid-configuration"
    return {"issuer": issuer, "discovery_url": document, **changes}


async def test_of_many_tenants_each_is_an_issuer_of_its_own(
    visitor: Coming, loopback: Loopback
) -> None:
    """OAU-08, OAU-11."""
    proved = await visitor(**microsoft(loopback, TENANT)).sign_in()
    assert proved.issuer == f"{loopback.url}/{TENANT}/v2.0"
    assert proved.claims["tid"] == TENANT
    await visitor(**microsoft(loopback, TENANT, tenants=(OTHER_TENANT, TENANT))).sign_in()


@pytest.mark.parametrize(
    "tenant", [None, "", 7, "x", "../../common", f"{TENANT}/x", TENANT.upper(), f"{TENANT}\n"]
)
async def test_a_tenant_is_an_id_and_nothing_else(
    visitor: Coming, loopback: Loopback, tenant: Any
) -> None:
    """OAU-08: what is put into an issuer must not be able to make it another's."""
    reason = await visitor(**microsoft(loopback, tenant)).refused()
    assert reason == "the account's tenant may not in"


async def test_a_tenant_vouches_for_its_own_accounts_only(
    visitor: Coming, loopback: Loopback
) -> None:
    """OAU-08."""
    settings = microsoft(loopback, TENANT)
    loopback.claim = lambda claims: {
        **claims,
        "iss": f"{loopback.url}/{OTHER_TENANT}/v2.0",
        "tid": TENANT,
    }
    assert await visitor(**settings).refused() == "the id token is not for this login: iss"


async def test_a_tenant_that_the_operator_has_not_named_is_refused(
    visitor: Coming, loopback: Loopback
) -> None:
    """OAU-08."""
    settings = microsoft(loopback, TENANT, tenants=(OTHER_TENANT,))
    assert await visitor(**settings).refused() == "the account's tenant may not in"


async def test_an_answer_may_name_the_issuer_of_a_tenant(
    visitor: Coming, loopback: Loopback
) -> None:
    """OAU-09."""
    settings = microsoft(loopback, TENANT)
    loopback.back = lambda back: {**back, "iss": f"{loopback.url}/{TENANT}/v2.0"}
    await visitor(**settings).sign_in()
    loopback.back = lambda back: {**back, "iss": f"{loopback.url}/{TENANT}/../x/v2.0"}
    assert await visitor(**settings).refused() == "the answer is another provider's"
