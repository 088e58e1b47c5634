"""Who this server is for a provider, and how it proves that, of the settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ostiary_oauth.catalogue import Recipe
from ostiary_oauth.provider import ASYMMETRIC

if TYPE_CHECKING:
    from ostiary_oauth.settings import StrategySettings

KEYS = "RSA of 2048 bits or more, P-256, P-384, P-521 or Ed25519"


def of(recipe: Recipe, table: StrategySettings) -> dict[str, Any]:
    """Return the fields of a provider that say who the client is."""
    key = _private_key(recipe, table)
    secret = _secret(recipe, table)
    found: dict[str, Any] = {
        "client_id": table.client_id,
        "client_secret": secret,
        "private_key": key,
        "private_key_id": table.private_key_id,
        "team_id": table.team_id,
        "appsecret_proof": recipe.appsecret_proof and secret is not None,
    }
    if not (table.client_id or "").strip():
        raise ValueError("clientID: wanted: what the provider calls this server")
    found["client_authentication"] = _authentication(recipe, table)
    if recipe.apple_secret:
        found["client_secret_kind"] = "apple"  # noqa: S105 - no secret
    if table.algorithms is not None:
        found["algorithms"] = _algorithms(table.algorithms)
    return found


def _authentication(recipe: Recipe, table: StrategySettings) -> str:
    secret = table.client_secret is not None or table.client_secret_file is not None
    key = table.private_key_file is not None
    if recipe.apple_secret:
        if table.client_authentication not in (None, "client_secret_post"):
            raise ValueError(
                "clientAuthentication: wanted: client_secret_post, as Apple has no other"
            )
        return "client_secret_post"
    way = table.client_authentication or (
        "private_key_jwt" if key else recipe.client_authentication
    )
    if way == "private_key_jwt" and not key:
        raise ValueError("privateKeyFile: is missing")
    if way != "private_key_jwt" and key:
        raise ValueError(f"privateKeyFile: means nothing for {way}")
    if way.startswith("client_secret") and not secret:
        raise ValueError(
            "clientSecret: is missing; a client that has none is clientAuthentication = "
            + ('"none"' if recipe.protocol != "oauth1" else "…, which OAuth 1.0a does not know")
        )
    if not way.startswith("client_secret") and secret:
        given = "clientSecret" if table.client_secret is not None else "clientSecretFile"
        raise ValueError(f"{given}: means nothing for {way}")
    return way


def _secret(recipe: Recipe, table: StrategySettings) -> str | None:
    if table.client_secret is not None and table.client_secret_file is not None:
        raise ValueError("clientSecretFile: wanted: this or clientSecret, not both")
    for key, value in (
        ("clientSecret", table.client_secret),
        ("clientSecretFile", _text_of("clientSecretFile", table.client_secret_file)),
    ):
        if value is None:
            continue
        if recipe.apple_secret:
            raise ValueError(f"{key}: means nothing for Apple, whose secret is made of the key")
        if not value.strip():
            raise ValueError(f"{key}: is empty")
        return value
    return None


def _private_key(recipe: Recipe, table: StrategySettings) -> str | None:
    text = _text_of("privateKeyFile", table.private_key_file)
    if text is None:
        if table.private_key_id is not None:
            raise ValueError("privateKeyFile: is missing")
        return None
    if not _signs(text, apple=recipe.apple_secret):
        wanted = "P-256, as Apple makes them" if recipe.apple_secret else KEYS
        raise ValueError(f"privateKeyFile: holds no private key without a password: PEM, {wanted}")
    return text


def _signs(pem: str, *, apple: bool) -> bool:
    """Tell whether a text is a key that proofs can be signed with (RFC 7518, 3)."""
    from ostiary_oauth.protocol.client_keys import algorithm_of, signing_key

    try:
        key = signing_key(pem)
    except ValueError:
        return False
    return not apple or algorithm_of(key) == "ES256"


def _text_of(key: str, path: str | None) -> str | None:
    """Return what a file holds, without the end of its last line."""
    if path is None:
        return None
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as failure:
        raise ValueError(f"{key}: cannot be read: {failure.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{key}: holds no text") from None


def _algorithms(wanted: tuple[str, ...]) -> tuple[str, ...]:
    if not wanted or set(wanted) - set(ASYMMETRIC):
        raise ValueError(f"algorithms: wanted: some of {', '.join(ASYMMETRIC)}")
    return wanted
