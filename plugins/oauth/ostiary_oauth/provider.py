"""A provider as data: what the operator's table and a ready-made description say together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

Protocol = Literal["oidc", "oauth2", "oauth1"]
ClientAuthentication = Literal[
    "client_secret_basic", "client_secret_post", "private_key_jwt", "none"
]
Admission = Literal["create", "invite", "refuse"]

OURS = frozenset(
    {
        *("response_type", "client_id", "redirect_uri", "scope", "state", "nonce"),
        *("code_challenge", "code_challenge_method", "request", "request_uri"),
        *("oauth_callback", "oauth_token"),
    }
)
"""Parameters of an authorization request that neither settings nor providers write (OAU-02)."""

ASYMMETRIC = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
"""Algorithms whose keys may be public: all that an id token can be signed by, whatever settings, keys
or headers say (OAU-07; CVE-2024-37568)."""


@dataclass(frozen=True, kw_only=True)
class ProfileRule:
    """A profile that a claim gives at each login.

    :param claim: dotted path of a text, or of a list of texts, in the profile.
    :param value: what has to be it, or among it.
    :param profile: the id of the profile that is given.
    """

    claim: Annotated[str, "Path of a text, or of a list of texts, in what the provider says."]
    value: Annotated[str, "What has to be that text, or in that list."]
    profile: Annotated[str, "The id of the profile that is given."]

    def __post_init__(self) -> None:
        for key in ("claim", "value", "profile"):
            if not getattr(self, key).strip():
                raise ValueError(f"{key}: wanted: a text")


@dataclass(frozen=True, kw_only=True)
class Provider:
    """One configured provider; every endpoint is an absolute URL, or None if it is discovered.

    :param name: of the strategy.
    :param kind: the ready-made description: ``oidc``, ``github``, ``oauth2``…
    :param issuer: who vouches: the exact issuer of an OpenID provider, or what stands for
        it where there is none (the origin of the token endpoint).
    :param client_secret: of the client; None for a public one, or one with a key.
    :param private_key: PEM of the key that signs what proves who the client is (RFC 7523).
    :param scope_separator: what stands between two scopes: a space, or a comma.
    :param authorization_params: further parameters of the authorization request.
    :param discovery_url: where an OpenID provider describes itself; None leaves it to the issuer
        (OpenID Connect Discovery 4).
    :param client_secret_kind: ``apple`` makes it, on demand, of the private key and the team.
    :param team_id: who has the key, for Apple.
    :param appsecret_proof: what is asked of the userinfo endpoint proves that this server has the
        client's secret (Facebook).
    :param identifier: dotted path of the attribute that names an account, for ever.
    :param email, email_verified: dotted paths of the address, and of whether the provider has
        verified it: ``true`` or ``"true"``. The path of the address itself says that the provider
        gives verified ones only; None, that it never says so.
    :param emails_endpoint: where the verified addresses are listed, if nowhere else (GitHub).
    :param tenants: of which an account may be, where an issuer has many (Microsoft); none is all.
        Such an issuer holds ``{tenantid}``, which stands for the claim ``tid`` of each id token.
    :param algorithms: that may sign an id token; asymmetric ones only.
    :param persist: paths of the attributes that are kept.
    :param mapping: by which names they are kept, by dotted path; others keep theirs.
    :param default_profiles: of users created just in time.
    :param admission: what becomes of strangers: a user, a user if they are invited, or nobody.
    :param link_by_email: a verified address that a user has verified here is that user.
    :param profile_rules: profiles that claims give; () leaves profiles alone.
    :param keep_tokens: what the provider gives is kept, sealed, and refreshed when it is asked for.
    :param post_logout_uris: where a provider may send browsers after a logout.
    :param insecure_http: endpoints on loopback may be http.
    :param private_addresses: endpoints may be on addresses that are not public.
    """

    name: str
    kind: str
    protocol: Protocol
    issuer: str
    client_id: str
    redirect_uri: str
    discovery_url: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    client_secret_kind: Literal["given", "apple"] = "given"  # noqa: S105 - no secret
    team_id: str | None = None
    client_authentication: ClientAuthentication = "client_secret_basic"
    private_key: str | None = field(default=None, repr=False)
    private_key_id: str | None = None
    label: str = ""
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    userinfo_endpoint: str | None = None
    appsecret_proof: bool = False
    emails_endpoint: str | None = None
    jwks_uri: str | None = None
    end_session_endpoint: str | None = None
    request_token_endpoint: str | None = None
    scope: tuple[str, ...] = ()
    scope_separator: str = " "
    authorization_params: Mapping[str, str] = field(default_factory=dict)
    identifier: str = "sub"
    email: str = "email"
    email_verified: str | None = "email_verified"
    tenants: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = ("RS256", "ES256", "PS256", "EdDSA")
    persist: tuple[str, ...] = ()
    mapping: Mapping[str, str] = field(default_factory=dict)
    default_profiles: tuple[str, ...] = ("default",)
    admission: Admission = "create"
    link_by_email: bool = False
    profile_rules: tuple[ProfileRule, ...] = ()
    keep_tokens: bool = False
    post_logout_uris: tuple[str, ...] = ()
    insecure_http: bool = False
    private_addresses: bool = True

    @property
    def verifies_email(self) -> bool:
        """The provider may say that it has verified an address."""
        return self.email_verified is not None or self.emails_endpoint is not None


@dataclass(frozen=True, kw_only=True)
class Proved:
    """What a completed flow has proved.

    :ivar issuer: who vouches, as ``Provider.issuer``; of many tenants, that of the account's.
    :ivar subject: of the account: unique there, and never given to another.
    :ivar claims: the profile, as the provider gave it; of an OpenID provider its verified claims.
    :ivar email: an address of the account; ``email_verified`` tells whether the provider says that
        it has made sure of it.
    :ivar session: the ``sid`` of the provider's session, if it has one.
    :ivar tokens: what the token endpoint answered, with ``expires_at`` in seconds; secret.
    """

    issuer: str
    subject: str
    claims: Mapping[str, Any] = field(repr=False)
    email: str | None = field(default=None, repr=False)
    email_verified: bool = False
    session: str | None = field(default=None, repr=False)
    tokens: Mapping[str, Any] = field(default_factory=dict, repr=False)
