"""A login that begins at one name of the server and comes back to another loses its cookie."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from ostiary import Call
from ostiary_oauth.settings.urls import DEFAULT_PORTS
from ostiary_oauth.strategy import HOST, OAuthStrategy

logger = logging.getLogger(__name__)


def compare(strategy: OAuthStrategy, call: Call) -> None:
    """Tell the operator, once, where a browser will not bring its cookie back (RFC 6265, 5.1.3).

    Behind a proxy the name that the browser knows is the proxy's, and nothing is said.
    """
    begun, callback = call.headers.get(HOST), urlsplit(strategy.provider.redirect_uri)
    if begun is None or call.proxied or callback.scheme not in DEFAULT_PORTS:
        return
    begun_at, back_at = urlsplit(f"//{begun}").hostname, callback.hostname
    if begun_at != back_at and "callbackURL" not in strategy.told:
        strategy.told.add("callbackURL")
        logger.warning(
            "plugins.oauth.strategies.%s.callbackURL: a login has begun at another host than %s:"
            " its browser comes back without the cookie of the login, and is refused",
            strategy.name,
            back_at,
        )
