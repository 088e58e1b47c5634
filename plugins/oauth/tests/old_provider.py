"""The part of our own provider that speaks OAuth 1.0a; authlib checks the signatures (RFC 5849)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from authlib.common.urls import url_encode
from authlib.oauth1 import AuthorizationServer, OAuth1Request, ResourceProtector
from authlib.oauth1.errors import OAuth1Error
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

if TYPE_CHECKING:
    from .provider import Asked, Loopback


class Secret:
    """A client or a token of OAuth 1.0a: a name, its secret, and what belongs to it."""

    def __init__(self, client_id: str, redirect_uri: str = "") -> None:
        self.client_id, self.redirect_uri = client_id, redirect_uri
        self.token, self.token_secret = secrets.token_urlsafe(), secrets.token_urlsafe()
        self.verifier = ""

    def get_client_id(self) -> str:
        return self.client_id

    def get_oauth_token(self) -> str:
        return self.token

    def get_oauth_token_secret(self) -> str:
        return self.token_secret

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def check_verifier(self, verifier: str) -> bool:
        return bool(self.verifier) and verifier == self.verifier


class Known:
    """Its only client."""

    def __init__(self, loopback: Loopback) -> None:
        self.client_id = loopback.client_id
        self.client_secret = loopback.client_secret

    def get_client_secret(self) -> str:
        return self.client_secret

    def get_default_redirect_uri(self) -> str:
        return ""

    def get_rsa_public_key(self) -> None:
        return None


class _Store:
    """What both halves look up: clients, nonces and tokens."""

    def __init__(self, loopback: Loopback, old: OldProvider) -> None:
        self.loopback, self.old = loopback, old

    def get_client_by_id(self, client_id: str) -> Known | None:
        return Known(self.loopback) if client_id == self.loopback.client_id else None

    def exists_nonce(self, nonce: str, _: Any) -> bool:
        used = nonce in self.old.nonces
        self.old.nonces.add(nonce)
        return used

    def get_temporary_credential(self, request: Any) -> Secret | None:
        return self.old.requests.get(request.token)

    def get_token_credential(self, request: Any) -> Secret | None:
        return self.old.tokens.get(request.token)


class _Server(_Store, AuthorizationServer):  # type: ignore[misc]
    def create_oauth1_request(self, request: Any) -> Any:
        return request

    def handle_response(self, status: int, payload: Any, headers: Any) -> Response:
        # authlib writes "True", and RFC 5849, 2.1 "true".
        payload = [(name, "true" if value is True else value) for name, value in payload]
        return Response(url_encode(payload), status, headers=dict(headers))

    def create_temporary_credential(self, request: Any) -> Secret:
        made = Secret(request.client_id, request.redirect_uri)
        self.old.requests[made.token] = made
        return made

    def delete_temporary_credential(self, request: Any) -> None:
        self.old.requests.pop(request.token, None)

    def create_authorization_verifier(self, request: Any) -> str:
        request.credential.verifier = secrets.token_urlsafe()
        return str(request.credential.verifier)

    def create_token_credential(self, request: Any) -> Secret:
        made = Secret(request.client_id)
        self.old.tokens[made.token] = made
        return made


class _Protector(_Store, ResourceProtector):  # type: ignore[misc]
    pass


class OldProvider:
    """What it remembers, and the paths that it answers."""

    def __init__(self, loopback: Loopback) -> None:
        self.loopback = loopback
        self.nonces: set[str] = set()
        self.requests: dict[str, Secret] = {}
        self.tokens: dict[str, Secret] = {}

    @property
    def paths(self) -> dict[str, Callable[..., Response]]:
        return {
            "/oauth1/request": self.request,
            "/oauth1/authorize": self.authorize,
            "/oauth1/access": self.access,
            "/oauth1/profile": self.profile,
        }

    def request(self, asked: Asked) -> Response:
        server = _Server(self.loopback, self)
        answer: Response = server.create_temporary_credentials_response(_signed(asked.request))
        return answer

    def authorize(self, asked: Asked) -> Response:
        server = _Server(self.loopback, self)
        wanted = OAuth1Request("GET", str(asked.request.url), headers=dict(asked.request.headers))
        answer: Response = server.create_authorization_response(wanted, grant_user="jane")
        return answer

    def access(self, asked: Asked) -> Response:
        server = _Server(self.loopback, self)
        answer: Response = server.create_token_response(_signed(asked.request))
        return answer

    def profile(self, asked: Asked) -> Response:
        protector = _Protector(self.loopback, self)
        try:
            protector.validate_request("GET", str(asked.request.url), "", _headers(asked.request))
        except OAuth1Error as error:
            return JSONResponse({"error": error.error}, 401)
        return JSONResponse(self.loopback.profile)


def _headers(request: Request) -> dict[str, str]:
    # The library looks for this one as it is written in the standard.
    return {"Authorization": request.headers.get("authorization", "")}


def _signed(request: Request) -> OAuth1Request:
    return OAuth1Request("POST", str(request.url), body="", headers=_headers(request))
