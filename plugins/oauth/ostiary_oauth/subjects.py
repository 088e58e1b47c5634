"""What may name an account at a provider, whoever says it (OAU-13)."""

from __future__ import annotations

from typing import Any

LONGEST = 255
"""Characters (OpenID Connect Core, 2)."""


def subject_of(value: Any, *, integers: bool) -> str | None:
    """Return what names an account; None if a value cannot.

    :param integers: a whole number does, too, as GitHub's; never one that may be rounded.
    """
    if integers and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    # What is not printable is a control character, no text that a database has, or looks like
    # another subject.
    if isinstance(value, str) and 0 < len(value) <= LONGEST and value.isprintable():
        return value
    return None
