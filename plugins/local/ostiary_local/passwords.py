"""Passwords: which texts may be one, and what of them is hashed."""

from __future__ import annotations

import unicodedata

from ostiary import mark
from ostiary_local import errors

LONGEST = 4096
"""Bytes of UTF-8 that a password may have: more is refused before anything is done with it."""

SHORTEST = 15
"""Characters of a password that is the only factor (NIST SP 800-63B-4, 3.1.1.2)."""

ALWAYS_ACCEPTED = 64
"""Characters that a password may have whatever is configured (same)."""

MOST_MARKS = 30
"""Combining marks in a row (UAX #15, 13: stream-safe texts); ordering more takes its time squared."""

_UNSEEN = {"Cc", "Cf", "Zs", "Zl", "Zp"}


def fit(password: object, shortest: int, longest: int | None = None) -> str:
    """Return a text that may become a password.

    A character is a code point of the normalised text (NIST SP 800-63B-4, 3.1.1.2).

    :param shortest: characters that it has at least.
    :param longest: characters that it has at most, besides ``LONGEST``, which always holds.
    :raises errors.InvalidPassword: it may not, and the error says why.
    :raises errors.PasswordTooShort: it has fewer characters than it must have.
    :raises errors.PasswordTooLong: it has more than it may have.
    """
    if not isinstance(password, str):
        raise errors.InvalidPassword(mark("must be a text"))
    if too_long(password):
        raise errors.InvalidPassword(mark(f"must not have more than {LONGEST} bytes"))
    if _piled(password):
        raise errors.InvalidPassword(
            mark(f"must not have more than {MOST_MARKS} marks on a character")
        )
    _check_characters(password)
    length = len(normal(password))
    if length < shortest:
        raise errors.PasswordTooShort(shortest)
    if longest is not None and length > longest:
        raise errors.PasswordTooLong(longest)
    return password


def too_long(password: str) -> bool:
    """Tell whether a password is longer than any that can have been set."""
    return len(password) > LONGEST or len(password.encode("utf-8", "surrogatepass")) > LONGEST


def impossible(password: str) -> bool:
    """Tell whether a password is none that can have been set, without normalising it."""
    return too_long(password) or _piled(password)


def normal(password: str) -> str:
    """Return what is hashed: every character, in one of the forms that Unicode calls equal.

    Keyboards write accented letters in two ways; the form is the one that NIST SP 800-63B-4,
    3.1.1.2 and RFC 8265, 4.2.2 ask for.
    """
    return unicodedata.normalize("NFC", password)


def _piled(password: str) -> bool:
    """Tell whether more marks stand in a row than normalising may meet."""
    if password.isascii():
        return False
    marks = 0
    for character in password:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks > MOST_MARKS:
            return True
    return False


def _check_characters(password: str) -> None:
    categories = {unicodedata.category(character) for character in password}
    if categories <= _UNSEEN:
        raise errors.InvalidPassword(mark("must not be blank"))
    if "Cs" in categories:
        raise errors.InvalidPassword(mark("must be Unicode, without halves of characters"))
    if "Cn" in categories:
        # The form of a character that is not known may change with the next version of Unicode,
        # and its owner could not sign in any more (UAX #15, 12.1: stabilized strings).
        raise errors.InvalidPassword(
            f"has a character that Unicode {unicodedata.unidata_version} does not know"
        )
