"""Passwords: which ones may be set, and what of them is hashed."""

from __future__ import annotations

import unicodedata

from ostiary_local import errors

LONGEST = 4096
"""Bytes of UTF-8 that a password may have: more is refused before anything is done with it."""

SHORTEST = 15
"""Characters of a password that is the only factor (NIST SP 800-63B-4, 3.1.1.2)."""


def fit(password: object, shortest: int) -> str:
    """Return a password that may be set.

    :raises errors.InvalidPassword: it may not, and the error says why.
    :raises errors.PasswordTooShort: it has less characters than it must have.
    """
    if not isinstance(password, str):
        raise errors.InvalidPassword("must be a text")
    if too_long(password):
        raise errors.InvalidPassword(f"must not have more than {LONGEST} bytes")
    if not password.strip():
        raise errors.InvalidPassword("must not be blank")
    if len(normal(password)) < shortest:
        raise errors.PasswordTooShort(shortest)
    return password


def too_long(password: str) -> bool:
    """Tell whether a password is longer than any that can have been set."""
    return len(password) > LONGEST or len(password.encode("utf-8", "surrogatepass")) > LONGEST


def normal(password: str) -> str:
    """Return what is hashed: every character, in one of the forms that Unicode calls equal.

    Keyboards write accented letters in two ways (RFC 8265, 4.2.2).
    """
    return unicodedata.normalize("NFC", password)
