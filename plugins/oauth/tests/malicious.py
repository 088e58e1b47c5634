"""A provider of our own on a real port of this machine: honest, until a test bends an answer."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import uvicorn
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

CLIENT, SECRET = "ostiary-client", "the-secret-of-the-client-jR6vQ2"

GONE: Any = object()
"""Stands for a member that is left out."""

Answer = ASGIApp

PATHS = {
    "discovery": "/.well-known/openid-configuration",
    "token": "/token",
    "userinfo": "/userinfo",
    "jwks": "/jwks",
}


@dataclass
class Bent:
    """What differs from what an honest provider answers.

    :ivar claims: of the id token; ``header`` of it; ``profile``, of the userinfo endpoint;
        ``document`` and ``tokens`` alike. ``GONE`` leaves a member out.
    :ivar sign: makes an id token of header and claims instead.
    :ivar keys: what is published instead of the provider's own key.
    :ivar answers: whole answers, by the name of the endpoint.
    """

    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    profile: dict[str, Any] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, Any] = field(default_factory=dict)
    sign: Callable[[dict[str, Any], dict[str, Any]], str] | None = None
    keys: list[dict[str, Any]] | None = None
    answers: dict[str, Answer] = field(default_factory=dict)


@dataclass
class _Granted:
    """What a code stands for."""

    subject: str
    nonce: str | None
    challenge: str
    redirect_uri: str


class MaliciousProvider:
    """An OpenID provider whose every answer a test can bend.

    :ivar issuer: its origin.
    :ivar asked: names of the endpoints that were asked, in order, since ``reset``.
    :ivar given: every secret that it has given or was given, ever: codes, tokens, verifiers.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.issuer = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.key = RSAKey.generate_key(2048, {"kid": "its key"}, private=True)
        self.bent = Bent()
        self.asked: list[str] = []
        self.given: set[str] = set()
        self._codes: dict[str, _Granted] = {}
        self._subjects: dict[str, str] = {}

    @contextmanager
    def serving(self) -> Iterator[MaliciousProvider]:
        """Answer, in a thread."""
        routes = [
            Route(path, getattr(self, f"_{name}"), methods=["GET", "POST"], name=name)
            for name, path in PATHS.items()
        ]
        config = uvicorn.Config(Starlette(routes=routes), log_level="error", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [self._listener]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield self
        finally:
            server.should_exit = server.force_exit = True
            thread.join()

    def reset(self) -> None:
        """Be honest again."""
        self.bent = Bent()
        self.asked.clear()

    def consent(self, location: str, subject: str = "ann") -> dict[str, str]:
        """Have a user sign in here who was sent to a location; return what comes back with them."""
        assert location.startswith(f"{self.issuer}/authorize?"), location
        sent = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        assert sent["response_type"] == "code"
        assert sent["client_id"] == CLIENT
        assert sent["code_challenge_method"] == "S256"
        code = self._secret("code")
        self._codes[code] = _Granted(
            subject, sent.get("nonce"), sent["code_challenge"], sent["redirect_uri"]
        )
        self.given |= {sent["state"], *filter(None, [sent.get("nonce")])}
        return {"code": code, "state": sent["state"], "iss": self.issuer}

    def id_token(self, claims: Mapping[str, Any]) -> str:
        """Return some claims as they are signed."""
        header = merged({"alg": "RS256", "kid": "its key", "typ": "JWT"}, self.bent.header)
        if self.bent.sign is not None:
            return self.bent.sign(header, dict(claims))
        return jwt.encode(header, dict(claims), self.key)

    def public(self) -> dict[str, Any]:
        """Return its key as it is published."""
        return {**self.key.as_dict(private=False), "use": "sig", "alg": "RS256"}

    async def _discovery(self, request: Request) -> ASGIApp:
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            **{f"{name}_endpoint": self.issuer + PATHS[name] for name in ("token", "userinfo")},
            "jwks_uri": self.issuer + PATHS["jwks"],
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "authorization_response_iss_parameter_supported": True,
        }
        return await self._answer("discovery", request, merged(document, self.bent.document))

    async def _jwks(self, request: Request) -> ASGIApp:
        keys = [self.public()] if self.bent.keys is None else self.bent.keys
        return await self._answer("jwks", request, {"keys": keys})

    async def _userinfo(self, request: Request) -> ASGIApp:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self._subjects:
            return await self._answer("userinfo", request, {"error": "invalid_token"}, status=401)
        profile = merged(_profile(self._subjects[token]), self.bent.profile)
        return await self._answer("userinfo", request, profile)

    async def _token(self, request: Request) -> ASGIApp:
        form = {name: str(value) for name, value in (await request.form()).items()}
        granted = self._codes.pop(form.get("code", ""), None)
        self.given |= {form.get("code", ""), form.get("code_verifier", "")} - {""}
        if not self._is_client(request, form):
            return await self._answer("token", request, {"error": "invalid_client"}, status=401)
        if granted is None or not _fits(granted, form):
            return await self._answer("token", request, {"error": "invalid_grant"}, status=400)
        access = self._secret("access")
        self._subjects[access] = granted.subject
        tokens = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": 3600,
            "refresh_token": self._secret("refresh"),
            "id_token": self.id_token(self._claims(granted)),
        }
        return await self._answer("token", request, merged(tokens, self.bent.tokens))

    def _claims(self, granted: _Granted) -> dict[str, Any]:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            **({} if granted.nonce is None else {"nonce": granted.nonce}),
            **_profile(granted.subject),
        }
        return merged(claims, self.bent.claims)

    async def _answer(
        self, name: str, request: Request, honest: Mapping[str, Any], status: int = 200
    ) -> ASGIApp:
        self.asked.append(name)
        bent = self.bent.answers.get(name)
        if bent is None:
            return JSONResponse(honest, status)
        return bent

    def _secret(self, what: str) -> str:
        text = f"{what}-{secrets.token_urlsafe(24)}"
        self.given.add(text)
        return text

    @staticmethod
    def _is_client(request: Request, form: Mapping[str, str]) -> bool:
        expected = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        basic = request.headers.get("authorization") == f"Basic {expected}"
        return basic or (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)


def merged(honest: Mapping[str, Any], bent: Mapping[str, Any]) -> dict[str, Any]:
    """Return some members with others in their place."""
    return {name: value for name, value in {**honest, **bent}.items() if value is not GONE}


def unsigned(header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    """Return the first two parts of a JWT."""
    return f"{_base64(json.dumps(header).encode())}.{_base64(json.dumps(claims).encode())}"


def hmac_signed(
    header: Mapping[str, Any], claims: Mapping[str, Any], secret: bytes, digest: str = "sha256"
) -> str:
    """Return a JWT that is signed by a secret, whatever its header says."""
    text = unsigned(header, claims)
    return f"{text}.{_base64(hmac.digest(secret, text.encode(), digest))}"


def another_key(kid: str = "its key") -> RSAKey:
    """Return a key that no provider has published."""
    return RSAKey.generate_key(2048, {"kid": kid}, private=True)


def elliptic_key(kid: str) -> ECKey:
    """Return a key for ES256."""
    return ECKey.generate_key("P-256", {"kid": kid}, private=True)


def dripping(parts: int, pause: float, part: bytes = b" ") -> ASGIApp:
    """Return an answer that comes a byte at a time."""
    return _Slow(parts, pause, part)


class _Slow(Response):
    """Sends a part, and waits, again and again."""

    def __init__(self, parts: int, pause: float, part: bytes) -> None:
        self._parts, self._pause, self._part = parts, pause, part

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG002 - ASGI
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for _ in range(self._parts):
            body = {"type": "http.response.body", "body": self._part, "more_body": True}
            await send(body)
            await anyio.sleep(self._pause)
        await send({"type": "http.response.body", "body": b"{}"})


def _profile(subject: str) -> dict[str, Any]:
    return {
        "sub": subject,
        "name": subject.capitalize(),
        "email": f"{subject}@example.org",
        "email_verified": True,
    }


def _fits(granted: _Granted, form: Mapping[str, str]) -> bool:
    """Tell whether who brings a code is who has begun its flow (RFC 7636, 4.6)."""
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    return (granted.challenge, granted.redirect_uri) == (
        _base64(digest),
        form.get("redirect_uri", ""),
    )


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
