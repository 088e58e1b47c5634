"""A provider of our own on a loopback port that does what the standards ask, and checks that we do.

OpenID Connect and plain OAuth 2.0; ``old_provider`` has OAuth 1.0a. Everything that it answers may
be changed: that is what an attack is made of::

    with running() as loopback:
        strategy = OAuthStrategy.of(loopback.provider())
        begun = await flow.begin(strategy, {})
        proved = await flow.complete(strategy, loopback.consent(begun.location), begun.state)
"""

from __future__ import annotations

import base64
import secrets
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from typing import Any, cast
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

import httpx2
import uvicorn
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core.util import create_half_hash
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey
from joserfc.jws import JWSRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from ostiary_oauth.provider import Protocol, Provider

from .answered import sent_back

CALLBACK = "https://auth.example.org/_login/loopback"
APPLE = "https://appleid.apple.com"
HALF_A_YEAR = 15_777_000
CLIENT_SECRET = "a secret: with/odd+characters %é&="

JANE = {
    "sub": "248289761001",
    "name": "Jane Doe",
    "email": "jane@example.org",
    "email_verified": True,
}

EMAILS = [
    {"email": "old@example.org", "primary": False, "verified": True},
    {"email": "jane@example.org", "primary": True, "verified": True},
]

RSA_KEY = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
EC_KEY = ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"})

Answer = Callable[[Request], Response | Awaitable[Response]]


@dataclass
class Grant:
    """What a code, or a token, stands for."""

    scope: str
    nonce: str | None = None
    challenge: str | None = None
    redirect_uri: str = ""


@dataclass
class Loopback:
    """The provider; change what you like between two requests.

    :ivar user: all that it knows of who signs in.
    :ivar signed: which of that stands in an id token; the rest is for the userinfo endpoint.
    :ivar profile: of the same user, as plain OAuth 2.0 tells it.
    :ivar metadata: what its document says otherwise than it should; None leaves a member out.
    :ivar callback: of the client: where users are sent back, and nowhere else.
    :ivar authentication: how clients prove who they are.
    :ivar client_key: the public key of the client, for ``private_key_jwt``, or of ``team``.
    :ivar team: whose client it is, where secrets are made of a key, as Apple has them made.
    :ivar by_form: scopes for which it answers by a form or not at all, as Apple does.
    :ivar key: what it signs with; ``published`` are the keys it tells.
    :ivar algorithm: by which it signs.
    :ivar header: of id tokens: what is added to it.
    :ivar claim: returns the claims of an id token, given those that are right.
    :ivar sign: returns an id token of claims; by default a right one.
    :ivar back: returns what the browser comes back with, given what is right.
    :ivar answers: what a path answers instead.
    :ivar asked: the requests that came: method, path, form or query.
    """

    url: str
    user: dict[str, Any] = field(default_factory=lambda: dict(JANE))
    signed: tuple[str, ...] = ("sub", "name", "email", "email_verified")
    profile: Any = field(default_factory=lambda: {"id": 583231, "login": "jane", "email": None})
    emails: Any = field(default_factory=lambda: list(EMAILS))
    metadata: dict[str, Any] = field(default_factory=dict)
    callback: str = CALLBACK
    client_id: str = "ostiary"
    client_secret: str = CLIENT_SECRET
    authentication: str = "client_secret_basic"
    client_key: Any = None
    team: str | None = None
    by_form: frozenset[str] = frozenset()
    key: Any = field(default_factory=lambda: RSA_KEY)
    published: list[Any] = field(default_factory=lambda: [RSA_KEY, EC_KEY])
    algorithm: str = "RS256"
    header: dict[str, Any] = field(default_factory=dict)
    claim: Callable[[dict[str, Any]], dict[str, Any]] = dict
    sign: Callable[[dict[str, Any]], str] | None = None
    back: Callable[[dict[str, str]], dict[str, str]] = dict
    iss_parameter: bool = True
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    codes: dict[str, Grant] = field(default_factory=dict)
    tokens: dict[str, Grant] = field(default_factory=dict)

    def restart(self) -> None:
        """Make it what it is at first."""
        vars(self).update(vars(Loopback(self.url)))

    def provider(self, protocol: Protocol = "oidc", **changes: Any) -> Provider:
        """Return the settings that make it one of ours."""
        settings: dict[str, Any] = {
            "name": "loopback",
            "kind": protocol,
            "protocol": protocol,
            "issuer": self.url,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "redirect_uri": CALLBACK,
            "scope": ("openid", "email") if protocol == "oidc" else ("user", "emails"),
            "persist": ("name", "email"),
            "insecure_http": True,
        }
        if protocol == "oauth2":
            settings |= {
                "identifier": "id",
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "userinfo_endpoint": f"{self.url}/profile",
                "persist": ("login", "email"),
            }
        return Provider(**{**settings, **changes})

    def consent(self, location: str) -> dict[str, str]:
        """Go where a user is sent, say yes, and return what their browser comes back with."""
        answer = httpx2.get(f"{location}&state=handle", trust_env=False)
        back, returned = sent_back(answer)
        assert back == CALLBACK
        assert returned.pop("state") == "handle"
        return self.back(returned)

    def id_token(self, grant: Grant, access_token: str) -> str:
        """Return what it signs."""
        now = int(time.time())
        claims = {name: self.user[name] for name in self.signed if name in self.user}
        claims |= {"iss": self.url, "aud": self.client_id, "iat": now, "exp": now + 300}
        half = cast("bytes", create_half_hash(access_token, self.algorithm))
        claims |= {"nonce": grant.nonce, "sid": "session-1", "at_hash": half.decode()}
        claims = self.claim(claims)
        return self.sign(claims) if self.sign else self.signed_by_key(claims)

    def signed_by_key(self, claims: dict[str, Any]) -> str:
        header = {"alg": self.algorithm, "kid": self.key.kid, **self.header}
        return jwt.encode(header, claims, self.key, algorithms=[self.algorithm])


@dataclass(frozen=True)
class Asked:
    """A request, and who is asked.

    :ivar given: its form, or its query.
    """

    loopback: Loopback
    request: Request
    given: Mapping[str, str]


@contextmanager
def running(under: str = "") -> Iterator[Loopback]:
    """Run a provider on a free port of this machine.

    :param under: the path that all of it is under.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        loopback = Loopback(f"http://127.0.0.1:{listening.getsockname()[1]}{under}")
        config = uvicorn.Config(
            application(loopback), lifespan="off", log_config=None, loop="asyncio", ws="none"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield loopback
        finally:
            # An answer that does not end is not waited for.
            server.should_exit = server.force_exit = True
            thread.join()


def application(loopback: Loopback) -> Starlette:
    """Return the provider as an ASGI application."""
    from .old_provider import OldProvider

    paths: dict[str, Callable[[Asked], Response]] = {
        "/.well-known/openid-configuration": _document,
        "/authorize": _authorize,
        "/token": _token,
        "/jwks": _jwks,
        "/userinfo": _userinfo,
        "/profile": lambda asked: _told(asked, loopback.profile),
        "/emails": lambda asked: _told(asked, loopback.emails),
        **OldProvider(loopback).paths,
    }

    def route(path: str) -> Route:
        async def endpoint(request: Request) -> Response:
            body = (await request.body()).decode()
            given = dict(parse_qsl(body if request.method == "POST" else request.url.query))
            loopback.asked.append((request.method, path, given))
            if path in loopback.answers:
                answer = loopback.answers[path](request)
                return answer if isinstance(answer, Response) else await answer
            return paths[path](Asked(loopback, request, given))

        return Route(f"{under}{path}", endpoint, methods=["GET", "POST"])

    under = urlsplit(loopback.url).path

    return Starlette(routes=[route(path) for path in paths])


def _document(asked: Asked) -> Response:
    document = {
        "issuer": asked.loopback.url,
        "authorization_endpoint": f"{asked.loopback.url}/authorize",
        "token_endpoint": f"{asked.loopback.url}/token",
        "userinfo_endpoint": f"{asked.loopback.url}/userinfo",
        "jwks_uri": f"{asked.loopback.url}/jwks",
        "authorization_response_iss_parameter_supported": asked.loopback.iss_parameter,
        **asked.loopback.metadata,
    }
    return JSONResponse({name: value for name, value in document.items() if value is not None})


def _jwks(asked: Asked) -> Response:
    return JSONResponse(KeySet(asked.loopback.published).as_dict(private=False))


def _authorize(asked: Asked) -> Response:
    """Say yes at once, if the request is one that may be answered (RFC 6749, 4.1.1)."""
    right = (
        asked.given.get("client_id") == asked.loopback.client_id
        and asked.given.get("redirect_uri") == asked.loopback.callback
        and asked.given.get("response_type") == "code"
        and asked.given.get("code_challenge_method") == "S256"
    )
    by_form = asked.given.get("response_mode") == "form_post"
    if asked.loopback.by_form.intersection(asked.given.get("scope", "").split()):
        right &= by_form
    if not right:
        return Response("That is no authorization request.", 400)
    code = secrets.token_urlsafe()
    asked.loopback.codes[code] = Grant(
        asked.given.get("scope", ""),
        asked.given.get("nonce"),
        asked.given["code_challenge"],
        asked.loopback.callback,
    )
    back = {"code": code, "state": asked.given["state"]}
    if asked.loopback.iss_parameter:
        back["iss"] = asked.loopback.url
    if by_form:
        fields = (f'<input name="{name}" value="{escape(one)}">' for name, one in back.items())
        return HTMLResponse(
            f'<form method="post" action="{escape(asked.loopback.callback)}">{"".join(fields)}</form>'
        )
    sign = "&" if "?" in asked.loopback.callback else "?"
    return RedirectResponse(f"{asked.loopback.callback}{sign}{urlencode(back)}", 302)


def _token(asked: Asked) -> Response:
    """Redeem a code of this client, of this flow, once (RFC 6749, 4.1.3; RFC 7636, 4.6)."""
    if not _is_client(asked):
        return JSONResponse({"error": "invalid_client"}, 401)
    grant = asked.loopback.codes.pop(asked.given.get("code", ""), None)
    right = (
        grant is not None
        and asked.given.get("grant_type") == "authorization_code"
        and asked.given.get("redirect_uri") == grant.redirect_uri
        and create_s256_code_challenge(asked.given.get("code_verifier", "")) == grant.challenge
    )
    if grant is None or not right:
        return JSONResponse({"error": "invalid_grant", "error_description": "<b>no</b>"}, 400)
    access_token = secrets.token_urlsafe()
    asked.loopback.tokens[access_token] = grant
    answer = {"access_token": access_token, "token_type": "Bearer", "expires_in": 300}
    if "openid" in grant.scope.split():
        answer["id_token"] = asked.loopback.id_token(grant, access_token)
    return JSONResponse({**answer, "refresh_token": secrets.token_urlsafe()})


def _is_client(asked: Asked) -> bool:
    """Tell whether who asks is the client, by the way that is asked of it and no other."""
    scheme, _, basic = asked.request.headers.get("authorization", "").partition(" ")
    ways = {
        "client_secret_basic": scheme == "Basic",
        "client_secret_post": "client_secret" in asked.given,
        "private_key_jwt": "client_assertion" in asked.given,
    }
    if [way for way, used in ways.items() if used] != [
        way for way in ways if way == asked.loopback.authentication
    ]:
        return False
    match asked.loopback.authentication:
        case "client_secret_basic":
            name, _, secret = base64.b64decode(basic).decode().partition(":")
            known = (asked.loopback.client_id, asked.loopback.client_secret)
            return (unquote_plus(name), unquote_plus(secret)) == known
        case "client_secret_post":
            if asked.loopback.team is not None:
                return _is_made_of_key(asked)
            return asked.given["client_secret"] == asked.loopback.client_secret
        case "private_key_jwt":
            return _is_assertion(asked)
    return asked.given.get("client_id") == asked.loopback.client_id


class _Asymmetric(JWSRegistry):
    def get_alg(self, name: str) -> Any:
        assert name in ("RS256", "ES256", "ES384", "ES512", "EdDSA")
        return self.algorithms[name]


def _is_assertion(asked: Asked) -> bool:
    """Check a proof that a key has signed (RFC 7523, 3)."""
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assertion, key = asked.given["client_assertion"], asked.loopback.client_key
    try:
        token = jwt.decode(assertion, key, registry=_Asymmetric())
    except JoseError:
        return False
    needed: dict[str, Any] = {
        "iss": {"essential": True, "value": asked.loopback.client_id},
        "sub": {"essential": True, "value": asked.loopback.client_id},
        "aud": {"essential": True, "value": f"{asked.loopback.url}/token"},
        "exp": {"essential": True},
        "jti": {"essential": True},
    }
    jwt.JWTClaimsRegistry(**needed).validate(token.claims)
    return asked.given["client_assertion_type"] == kind and token.claims["exp"] <= time.time() + 300


def _is_made_of_key(asked: Asked) -> bool:
    """Check a secret as Apple says that it does."""
    key, now = asked.loopback.client_key, time.time()
    try:
        token = jwt.decode(asked.given["client_secret"], key, algorithms=["ES256"])
    except JoseError:
        return False
    told = {name: token.claims.get(name) for name in ("iss", "sub", "aud")}
    right = {"iss": asked.loopback.team, "sub": asked.given["client_id"], "aud": APPLE}
    in_time = token.claims["iat"] <= now < token.claims["exp"] <= now + HALF_A_YEAR
    return token.header.get("kid") == key.kid and told == right and in_time


def _userinfo(asked: Asked) -> Response:
    return _told(asked, asked.loopback.user)


def _told(asked: Asked, what: Any) -> Response:
    scheme, _, token = asked.request.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or token not in asked.loopback.tokens:
        return JSONResponse({"error": "invalid_token"}, 401)
    return JSONResponse(what)
