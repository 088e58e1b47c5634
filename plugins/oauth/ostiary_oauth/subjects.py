"""What may name an account at a provider, whoever says it (OAU-13)."""

from __future__ import annotations

from typing import Any, TypeGuard

LONGEST = 255
"""Characters (OpenID Connect Core, 2)."""

LONGEST_ADDRESS = 254
"""Characters of an address that mail reaches (RFC 5321, 4.5.3.1.3)."""


def subject_of(value: Any, *, integers: bool) -> str | None:
    """Return what names an account; None if a value cannot.

    :param integers: a whole number does, too, as GitHub's; never one that may be rounded.
    """
    if integers and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value if is_name(value) else None


def is_name(value: Any) -> TypeGuard[str]:
    """Tell whether a value is a text that may name something: an account, a session, a token."""
    # What is not printable is a control character, no text that a database has, or looks like
    # another subject.
    return isinstance(value, str) and 0 < len(value) <= LONGEST and value.isprintable()
