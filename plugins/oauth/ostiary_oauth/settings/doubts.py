"""What is no mistake in the settings, but hardly what the operator wants: a start warns of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ostiary import Directory, read_settings
from ostiary_oauth.provider import Provider
from ostiary_oauth.settings import OAuthSettings, StrategySettings
from ostiary_oauth.settings.passport import united

LOGIN = "/_login/"

logger = logging.getLogger(__name__)


async def tell(settings: Mapping[str, Any], directory: Directory) -> None:
    """Warn of each, by the key that it is about."""
    # In a thread, for it reads files and keys.
    table = await asyncio.to_thread(read_settings, settings, OAuthSettings)
    warn(table)
    for provider in table.providers:
        doubts = [*_files(table.strategies[provider.name]), *_callback(provider)]
        doubts += [one async for one in _profiles(provider, directory)]
        for doubt in doubts:
            logger.warning("plugins.oauth.strategies.%s.%s", provider.name, doubt)


def warn(table: OAuthSettings) -> None:
    """Warn where the table names no provider, or lets one pass for another."""
    if not table.strategies:
        logger.warning("plugins.oauth.strategies: none, so nobody signs in at a provider")
    seen: dict[str, Provider] = {}
    for provider in table.providers:
        first = seen.setdefault(provider.redirect_uri, provider)
        if first.issuer != provider.issuer:
            # RFC 9700, 4.4.2: without ``iss`` the callback is all that tells whose a code is.
            logger.warning(
                "plugins.oauth.strategies: %s and %s have the same callbackURL, so one of these"
                " providers may be told codes of the other; give each its own",
                first.name,
                provider.name,
            )


def _files(table: StrategySettings) -> Iterator[str]:
    """Look for secrets that others on this machine can read."""
    whole, spelled = united(table)
    for key, path in {
        "clientSecretFile": whole.client_secret_file,
        "privateKeyFile": whole.private_key_file,
    }.items():
        if path is not None and (file := Path(path).expanduser()).stat().st_mode & 0o077:
            yield f"{spelled.get(key, key)}: others can read or write {file}: chmod 600"


def _callback(provider: Provider) -> Iterator[str]:
    """Look for a callback that another strategy of this server, or none, would answer."""
    _, found, rest = urlsplit(provider.redirect_uri).path.rpartition(LOGIN)
    if found and rest != provider.name:
        yield f"callbackURL: ends in {LOGIN}{rest}, and this strategy answers {LOGIN}{provider.name}"


async def _profiles(provider: Provider, directory: Directory) -> AsyncIterator[str]:
    """Look for profiles that give nobody anything: without roles, or not there at all."""
    given = [
        (f"profiles[{index}].profile", rule.profile)
        for index, rule in enumerate(provider.profile_rules)
    ]
    if provider.admission != "refuse":
        given += [("defaultProfiles", one) for one in provider.default_profiles]
    for key, profile in given:
        if not await directory.roles((profile,)):
            yield f"{key}: the profile {profile} has no roles; if there is none, logins with it fail"
