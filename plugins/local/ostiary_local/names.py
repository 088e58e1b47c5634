"""User names: which ones may be taken, and which are spellings of one another."""

from __future__ import annotations

import re
import unicodedata

from ostiary_local import errors

LONGEST = 512
"""Bytes of UTF-8 that a user name may have; they fit an index of PostgreSQL."""

# Control, format (bidirectional and zero-width), surrogate, private, unassigned; separators of lines.
UNACCEPTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

# Letters, marks and symbols that show nothing: fillers, selectors of variants, the blank of Braille.
INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U00016fe4\U000e0100-\U000e01ef]"
)


def fit(username: object) -> str:
    """Return a user name that may be taken.

    :raises errors.InvalidUsername: it may not, and the error says why.
    """
    if not isinstance(username, str):
        raise errors.InvalidUsername("must be a text")
    reason = fault(username)
    if reason is not None:
        raise errors.InvalidUsername(reason)
    return username


def fault(username: str) -> str | None:
    """Return why nobody can have such a name, or None if somebody may."""
    if not username.strip():
        return "must not be blank"
    if len(username) > LONGEST or _size(username) > LONGEST or _size(folded(username)) > LONGEST:
        return f"must not have more than {LONGEST} bytes"
    if any(unicodedata.category(character) in UNACCEPTABLE for character in username):
        return "must not hold control, direction, invisible or unassigned characters"
    if INVISIBLE.search(username):
        return "must not hold invisible characters"
    if username != username.strip():
        return "must not begin or end with white space"
    return None


def folded(username: str) -> str:
    """Return what all spellings of a name share: compatible forms and case are one."""
    compatible = unicodedata.normalize("NFKC", username).casefold()
    return unicodedata.normalize("NFKC", compatible)


def _size(text: str) -> int:
    # A lone surrogate has a size too; its category refuses it.
    return len(text.encode("utf-8", "surrogatepass"))
