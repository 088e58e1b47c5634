"""Requests to a provider that end, whatever it answers: bounded in time, in size, in where they go.

It is what the clients of the libraries send by, so that nothing of theirs is without a bound.
Imported by what asks, not at start: the libraries are large.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import ssl
from functools import cache
from typing import Any
from urllib.request import getproxies, proxy_bypass

import httpcore2
import httpx2

from ostiary.errors import OstiaryError
from ostiary_oauth import errors
from ostiary_oauth.provider import Provider
from ostiary_oauth.web import endpoints
from ostiary_oauth.web.addresses import PublicOnly, may_be_public

logger = logging.getLogger(__name__)

CONNECT = 5.0
"""Seconds to connect in."""

REQUEST = 6.0
"""Seconds from the beginning of a request to the end of its answer."""

LARGEST = 262_144
"""Bytes of an answer, as it was sent and as it is when it is unpacked."""

CONNECTIONS = 16
"""To one provider at once; a slow one makes those wait that want it, and nobody else."""

LONGEST_WAIT = 300
"""Seconds that a provider may have us tell others to wait."""

KEPT = ("content-type", "retry-after", "www-authenticate")
"""Headers of an answer that reach whoever asked: no cookie, no place to go to."""

AGENT = "ostiary-oauth"

_SECONDS = re.compile(r"[1-9][0-9]{0,8}")

LIMITS = httpx2.Limits(
    max_connections=CONNECTIONS,
    # A connection that the other side has closed meanwhile would cost a code that is good once.
    max_keepalive_connections=0,
)

for _name in ("httpx2", "httpcore2"):
    # They tell URLs and headers, which may hold what is secret.
    logging.getLogger(_name).setLevel(logging.WARNING)


class BoundedTransport(httpx2.AsyncBaseTransport):
    """Sends what one provider is asked, over connections of its own.

    It holds no connection between two requests: there is nothing to close.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._direct = _Direct(provider)
        self._proxied: dict[str, httpx2.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return a whole answer that is no redirect and no failure of the provider.

        :raises errors.ProviderUnavailable: there is none.
        """
        try:
            endpoints.checked(str(request.url), insecure_http=self._provider.insecure_http)
            async with asyncio.timeout(REQUEST):
                answer = await self._exchange(request)
        except (TimeoutError, httpx2.HTTPError, OSError, ValueError) as error:
            raise self.refused(request, _reason(error)) from None
        if answer.status_code >= 500 or answer.status_code == 429:  # noqa: PLR2004 - RFC 9110
            raise self.refused(request, f"status {answer.status_code}", _wait(answer))
        if not 200 <= answer.status_code < 300 and answer.status_code < 400:  # noqa: PLR2004
            raise self.refused(request, f"status {answer.status_code}, which is not followed")
        return answer

    def refused(
        self, request: httpx2.Request, reason: str, wait: int | None = None
    ) -> OstiaryError:
        """Return the error of an answer that is none, and tell the log which."""
        logger.warning(
            "the provider of %s: %s %s: %s",
            self._provider.name,
            request.method,
            request.url.host,
            reason,
        )
        return errors.ProviderUnavailable(self._provider.name, retry_after=wait)

    async def _exchange(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request, and read its answer to the end."""
        request.extensions["timeout"] = httpx2.Timeout(REQUEST, connect=CONNECT).as_dict()
        answer = await self._route(request).handle_async_request(request)
        try:
            body = await _read(answer)
        finally:
            await answer.aclose()
        headers = {name: answer.headers[name] for name in KEPT if name in answer.headers}
        return httpx2.Response(answer.status_code, headers=headers, content=body)

    def _route(self, request: httpx2.Request) -> httpx2.AsyncBaseTransport:
        """Return what sends a request: directly, or by the proxy of the environment."""
        url = request.url
        proxy = getproxies().get("https") if url.scheme == "https" else None
        if not proxy or proxy_bypass(f"{url.host}:{url.port or 443}"):
            return self._direct
        if not (self._provider.private_addresses or may_be_public(url.host)):
            raise ValueError("its address is not public")
        if proxy not in self._proxied:
            self._proxied[proxy] = _by_proxy(proxy)
        return self._proxied[proxy]


class ObjectTransport(BoundedTransport):
    """Sends what a token endpoint is asked, and is answered by a JSON object or not at all."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return an answer whose body is a JSON object.

        :raises errors.ProviderUnavailable: there is none.
        """
        answer = await super().handle_async_request(request)
        try:
            if isinstance(parsed(answer.content), dict):
                return answer
        except ValueError:
            pass
        raise self.refused(request, f"status {answer.status_code} without a JSON object")


def parsed(body: bytes) -> Any:
    """Return what a text of JSON says (RFC 8259).

    :raises ValueError: it says nothing, or something that this machine cannot hold.
    """
    try:
        return json.loads(body, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("too deep") from None


class _Direct(httpx2.AsyncHTTPTransport):
    """The library's transport, with a backend that looks where it connects to."""

    def __init__(self, provider: Provider) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=certificates(),
            max_connections=LIMITS.max_connections,
            max_keepalive_connections=LIMITS.max_keepalive_connections,
            network_backend=None if provider.private_addresses else PublicOnly(),
        )


@cache
def certificates() -> ssl.SSLContext:
    """Return who is believed: those of the system, or of ``SSL_CERT_FILE``, ``SSL_CERT_DIR``."""
    return httpx2.create_ssl_context()


def _by_proxy(proxy: str) -> httpx2.AsyncHTTPTransport:
    """Return what sends by a proxy."""
    url = proxy if "://" in proxy else f"http://{proxy}"
    return httpx2.AsyncHTTPTransport(
        verify=certificates(), trust_env=False, limits=LIMITS, proxy=url
    )


async def _read(answer: httpx2.Response) -> bytes:
    """Return the body of an answer, unpacked; it is counted as it comes (CWE-409).

    :raises ValueError: it is too large.
    """
    body = bytearray()
    async for part in answer.aiter_bytes():
        body += part
        if max(len(body), answer.num_bytes_downloaded) > LARGEST:
            raise ValueError("an answer that is too large")
    return bytes(body)


def _wait(answer: httpx2.Response) -> int | None:
    """Return for how many seconds the provider wants to be left alone, if it says so."""
    text = answer.headers.get("retry-after", "")
    return min(int(text), LONGEST_WAIT) if _SECONDS.fullmatch(text) else None


def _reason(error: Exception) -> str:
    """Return what happened, in words of ours where there are some."""
    name = type(error).__name__
    if type(error) in (ValueError, endpoints.UnfitError):
        return str(error)
    # What the system or OpenSSL say of a connection is the operator's to know.
    return f"{name} {error}" if isinstance(error, httpx2.ConnectError) else name


def _no_number(text: str) -> None:
    raise ValueError("no number")
