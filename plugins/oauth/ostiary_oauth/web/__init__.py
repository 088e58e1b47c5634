"""Asking a provider, who may be slow, large, wrong or hostile."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ostiary_oauth import errors
from ostiary_oauth.provider import Provider
from ostiary_oauth.web import discovery, keys
from ostiary_oauth.web.discovery import Metadata
from ostiary_oauth.web.endpoints import UnfitError
from ostiary_oauth.web.remembered import Remembered

if TYPE_CHECKING:
    import httpx2
    from authlib.integrations.httpx_client import AsyncOAuth2Client
    from joserfc.jwk import KeySet

logger = logging.getLogger(__name__)

TALK = 6.0
"""Seconds for all that a provider is asked in one hook, which has eight."""

METADATA_FRESH, METADATA_KEPT = 3600.0, 86_400.0
"""Seconds until a document is asked for again, and for which it holds if that fails."""

KEYS_FRESH, KEYS_KEPT = 600.0, 3600.0
"""The same of keys: one that was withdrawn is not believed for longer."""

LIBRARIES = (
    "ostiary_oauth.web.transport",
    "authlib.integrations.httpx_client",
    "joserfc.jwk",
)

_BEARER = re.compile(r"[\x21-\x7e]{1,16384}")

_JSON = re.compile(r"(application|text)/([\w.-]+\+)?(json|javascript)|text/plain", re.IGNORECASE)
"""Media types of JSON: what providers call it who do not call it by its name, too."""


class Web:
    """Asks one provider over connections of its own (OAU-18)."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._loaded = False
        self._transports: dict[str, Any] = {}
        self._metadata = Remembered(
            provider.name, self._discover, fresh=METADATA_FRESH, kept=METADATA_KEPT
        )
        self._keys = Remembered(provider.name, self._ask_for_keys, fresh=KEYS_FRESH, kept=KEYS_KEPT)

    @asynccontextmanager
    async def talk(self) -> AsyncIterator[None]:
        """Ask what one hook has to ask, within the time that it has.

        :raises errors.ProviderUnavailable: that was not enough.
        """
        try:
            async with asyncio.timeout(TALK):
                await self._load()
                yield
        except TimeoutError:
            logger.warning("the provider of %s is too slow", self._provider.name)
            raise errors.ProviderUnavailable(self._provider.name) from None

    async def metadata(self) -> Metadata:
        """Return the endpoints of the provider.

        :raises errors.ProviderUnavailable: it does not say them, or says what cannot be.
        """
        if discovery.is_discovered(self._provider):
            return await self._metadata.get()
        with self._fitting("its settings"):
            return discovery.configured(self._provider)

    async def key_set(self, *, refresh: bool = False) -> KeySet:
        """Return the keys that the provider may sign with.

        :param refresh: a key is not among those that were returned: ask again, if that was not
            done within the last minute.
        :raises errors.ProviderUnavailable: it does not publish them.
        """
        return await (self._keys.newer() if refresh else self._keys.get())

    async def get_json(
        self, url: str, *, bearer: str | None = None, params: Mapping[str, str] | None = None
    ) -> Any:
        """Return what a URL of the provider answers.

        :param bearer: an access token (RFC 6750, 2.1).
        :raises errors.ProviderUnavailable: it is no JSON, or no success.
        """
        async with self.talk():
            with self._fitting("an answer"):
                return await self._get(url, bearer, params)

    def client(self, **options: Any) -> AsyncOAuth2Client:
        """Return a client of OAuth 2.0 that sends by the bounded transport.

        What its requests are answered is a JSON object, or ``ProviderUnavailable`` is raised.

        :param options: those of authlib's ``AsyncOAuth2Client``.
        """
        from authlib.integrations.httpx_client import AsyncOAuth2Client

        return AsyncOAuth2Client(**{**options, **self.connection(objects=True)})

    def connection(self, *, objects: bool = False) -> dict[str, Any]:
        """Return the options of any client of httpx2 that binds it to the bounded transport.

        :param objects: all that it is answered has to be a JSON object.
        """
        from ostiary_oauth.web import transport

        kind = transport.ObjectTransport if objects else transport.BoundedTransport
        if kind.__name__ not in self._transports:
            self._transports[kind.__name__] = kind(self._provider)
        return {
            "transport": self._transports[kind.__name__],
            "headers": {"user-agent": transport.AGENT, "accept-encoding": "gzip, identity"},
            "timeout": transport.REQUEST,
            "follow_redirects": False,
            "trust_env": False,
        }

    async def _get(
        self, url: str, bearer: str | None = None, params: Mapping[str, str] | None = None
    ) -> Any:
        """Return the JSON at a URL.

        :raises ValueError: there is none.
        """
        import httpx2

        from ostiary_oauth.web import transport

        headers = {"accept": "application/json"}
        if bearer is not None:
            if not _BEARER.fullmatch(bearer):
                raise UnfitError("it gave a token that cannot be sent")
            headers["authorization"] = f"Bearer {bearer}"
        async with httpx2.AsyncClient(**self.connection()) as client:
            # ``params`` of a request would take the place of the query that a URL has.
            whole = httpx2.URL(url).copy_merge_params(params or {})
            answer = await client.get(whole, headers=headers)
        if answer.status_code != httpx2.codes.OK:
            raise UnfitError(f"{_host(answer)} answered {answer.status_code}")
        if not _JSON.match(answer.headers.get("content-type", "text/plain")):
            raise UnfitError(f"{_host(answer)} answered something else than JSON")
        return transport.parsed(answer.content)

    async def _discover(self) -> Metadata:
        await self._load()
        with self._fitting("discovery"):
            return await discovery.discover(self._provider, self._get)

    async def _ask_for_keys(self) -> KeySet:
        await self._load()
        metadata = await self.metadata()
        with self._fitting("its keys"):
            if metadata.jwks_uri is None:
                raise UnfitError("it has none")
            return keys.signing_keys(await self._get(metadata.jwks_uri))

    @contextmanager
    def _fitting(self, what: str) -> Iterator[None]:
        """Make what does not fit the provider's failure, and tell the log of it."""
        try:
            yield
        except ValueError as error:
            reason = str(error) if isinstance(error, UnfitError) else "no JSON"
            logger.warning("the provider of %s: %s: %s", self._provider.name, what, reason)
            raise errors.ProviderUnavailable(self._provider.name) from None

    async def _load(self) -> None:
        """Import what is needed to ask: it takes too long for the event loop."""
        if not self._loaded:
            await asyncio.to_thread(_import)
            self._loaded = True


def _import() -> None:
    for name in LIBRARIES:
        import_module(name)
    from ostiary_oauth.web.transport import certificates

    certificates()


def _host(answer: httpx2.Response) -> str:
    return str(answer.request.url.host)
