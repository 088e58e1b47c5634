"""What of the settings may be shown: secrets are hidden, and named where a file lets others read them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from ostiary.database_urls import alternatives

HIDDEN = "********"
STRATEGIES = "strategies"
"""The key below which a plugin has a table for each strategy, called as the operator likes."""

_SECRET = re.compile("secret|password|key|token", re.IGNORECASE)
_SECRET_ITSELF = re.compile(
    "(secret|password|passphrase|key|token)s?_?(base64|hex|pem)?", re.IGNORECASE
)


def hide(value: Any) -> Any:
    """Show that there is a value, or which names have one, and nothing else."""
    if isinstance(value, Mapping):
        return dict.fromkeys(value, HIDDEN)
    return None if value is None else HIDDEN


def hide_password(value: Any) -> Any:
    """Show a URL without what follows the user's name, and without its query."""
    if not isinstance(value, str) or "://" not in value:
        return value
    each = alternatives(value)
    try:
        parts = urlsplit(each[0])
        others = "".join(f",{urlsplit(url).netloc.rpartition('@')[2]}" for url in each[1:])
    except ValueError:
        return HIDDEN
    user, at, host = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    netloc = f"{name}{colon and ':' + HIDDEN}{at}{host}{others}"
    return urlunsplit(parts._replace(netloc=netloc, query=parts.query and HIDDEN))


def hide_plugins(tables: Any) -> Any:
    """Show the tables of the plugins, whatever these are called."""
    return hide_secrets(tables, chosen=True)


def hide_secrets(value: Any, *, hidden: bool = False, chosen: bool = False) -> Any:
    """Show a table of a plugin without what its keys call a secret, and without passwords in URLs.

    :param hidden: it stands below a key that calls it a secret.
    :param chosen: an operator has chosen its keys, to tell its tables apart.
    """
    if isinstance(value, Mapping):
        return {
            key: hide_secrets(
                entry,
                hidden=hidden or (_speaks_of_secret(key) and not (chosen and _is_table(entry))),
                chosen=key == STRATEGIES,
            )
            for key, entry in value.items()
        }
    if isinstance(value, list | tuple):
        return [hide_secrets(entry, hidden=hidden) for entry in value]
    return hide(value) if hidden else hide_password(value)


def secrets_in(value: Any, key: str, *, below: bool = False) -> Iterator[str]:
    """Yield the dotted keys of a plugin's table that hold a secret, and not only speak of one.

    ``smtpPassword`` is one, ``passwordPolicies`` is none, and a number or a flag never is. What
    is shown is hidden more broadly, see ``hide_secrets``: too much there alarms nobody.

    :param below: it stands below a key that calls it a secret.
    """
    if isinstance(value, Mapping):
        chosen = key.endswith(f".{STRATEGIES}")
        for name, entry in value.items():
            told = _names_secret(name) and not (chosen and _is_table(entry))
            yield from secrets_in(entry, f"{key}.{name}", below=below or told)
    elif isinstance(value, list | tuple):
        for index, entry in enumerate(value):
            yield from secrets_in(entry, f"{key}[{index}]", below=below)
    elif isinstance(value, str) and value and (below or _carries_secret(value)):
        yield key


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _speaks_of_secret(key: str) -> bool:
    return _SECRET.search(key) is not None


def _names_secret(key: str) -> bool:
    """Tell whether the last word of a key is one for secrets."""
    found = list(_SECRET_ITSELF.finditer(key))
    return bool(found) and found[-1].end() == len(key)


def _carries_secret(text: str) -> bool:
    """Tell whether a text is a URL with a password; a placeholder as ``{token}`` is none."""
    if "://" not in text:
        return False
    try:
        parts = urlsplit(alternatives(text)[0])
    except ValueError:
        return "@" in text
    _, colon, password = parts.netloc.rpartition("@")[0].partition(":")
    query = parse_qsl(parts.query)
    return bool(colon and password) or any(
        _names_secret(name) and "{" not in value for name, value in query
    )
