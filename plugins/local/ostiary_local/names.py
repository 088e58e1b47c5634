"""User names: which ones may be taken, and which are spellings of one another."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Literal

from ostiary import mark
from ostiary_local import emails, errors, phones

if TYPE_CHECKING:
    from precis_i18n.profile import Profile

Matching = Literal["Nickname", "UsernameCaseMapped", "UsernameCasePreserved", "exact"]
"""A profile of PRECIS (RFC 8264), or none."""

LONGEST = 512
"""Bytes of UTF-8 that a user name may have; they fit an index of PostgreSQL."""

# Control, format (bidirectional and zero-width), surrogate, private, unassigned; separators of lines.
UNACCEPTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

# Letters, marks and symbols that show nothing: fillers, selectors of variants, the blank of Braille.
INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U00016fe4\U000e0100-\U000e01ef]"
)

CONTEXTUAL = re.compile("[\u00b7\u0375\u05f3\u05f4\u0660-\u0669\u06f0-\u06f9\u200c\u200d\u30fb]")
"""Characters that depend on the rest of a name (RFC 5892, appendix A)."""

MOST_CONTEXTUAL = 32
"""How many of them a name may have: for each the whole name is looked at."""

PROFILES: dict[Matching, str] = {
    # With full case folding, as RFC 7700 had it: RFC 8266 would tell "Straße" from "STRASSE".
    "Nickname": "NicknameCaseMapped:CaseFold",
    "UsernameCaseMapped": "UsernameCaseMapped:ToLower",
    "UsernameCasePreserved": "UsernameCasePreserved",
}
"""The profiles as the library calls them."""


def fit(username: object, matching: Matching = "Nickname") -> str:
    """Return a user name that may be taken.

    :raises errors.InvalidUsername: it may not, and the error says why.
    """
    if not isinstance(username, str):
        raise errors.InvalidUsername(mark("must be a text"))
    reason = fault(username)
    if reason is None and matching != "exact" and mapped(username, matching) is None:
        reason = f"holds what the profile {matching} of PRECIS does not allow"
    if reason is not None:
        raise errors.InvalidUsername(reason)
    return username


def fault(username: str) -> str | None:
    """Return why nobody can have such a name, whatever the profile, or None."""
    if not username.strip():
        return mark("must not be blank")
    if too_long(username):
        return mark(f"must not have more than {LONGEST} bytes")
    if any(unicodedata.category(character) in UNACCEPTABLE for character in username):
        return mark("must not hold control, direction, invisible or unassigned characters")
    if INVISIBLE.search(username):
        return mark("must not hold invisible characters")
    if username != username.strip():
        return mark("must not begin or end with white space")
    return None


def too_long(name: str) -> bool:
    """Tell whether a name is longer than any may be, as it is or folded."""
    if len(name) > LONGEST or name.isascii():
        return len(name) > LONGEST
    return _size(name) > LONGEST or _size(folded(name)) > LONGEST


@lru_cache(maxsize=16)
def key(name: str, matching: Matching, region: str | None = None) -> str:
    """Return what all spellings of a name share, whatever is typed; they open one account.

    What reads as an e-mail address or a telephone number has the key of that, also where it
    is given as a user name: nobody can take it beside its owner.

    :param region: whose telephone numbers may be written without their country.
    """
    if too_long(name):
        # Nobody has it, and comparing takes its time.
        return name
    found = address(name, region)
    if found is not None:
        return found
    if matching == "exact":
        return name
    spelled = mapped(name, matching)
    if spelled is None:
        # Nobody gets such a name any more, but somebody may have it.
        spelled = folded(name)
    if spelled == name:
        return spelled
    return address(spelled, region) or spelled


def address(name: str, region: str | None) -> str | None:
    """Return the key of an e-mail address or a telephone number, or None if it is neither."""
    plain = name if name.isascii() else unicodedata.normalize("NFKC", name)
    plain = plain.strip()
    return emails.key(plain) if "@" in plain else phones.key(plain, region)


def mapped(name: str, matching: Matching) -> str | None:
    """Return a name as a profile of PRECIS maps it, or None if the profile does not allow it."""
    if name.isascii() and name.isprintable():
        return _ascii_mapped(name, matching)
    if len(CONTEXTUAL.findall(unicodedata.normalize("NFKC", name))) > MOST_CONTEXTUAL:
        return None
    try:
        spelled: str = _profile(PROFILES[matching]).enforce(name)
    except UnicodeEncodeError:
        return None
    return spelled


def folded(username: str) -> str:
    """Return a name without its case and its compatible forms, allowed or not."""
    compatible = unicodedata.normalize("NFKC", username).casefold()
    return unicodedata.normalize("NFKC", compatible)


def _ascii_mapped(name: str, matching: Matching) -> str | None:
    """Do what the library does, for most names in a tenth of the time."""
    if matching == "Nickname":
        return " ".join(name.lower().split()) or None
    if not name or " " in name:
        return None
    return name.lower() if matching == "UsernameCaseMapped" else name


@cache
def _profile(name: str) -> Profile:
    from precis_i18n import get_profile

    return get_profile(name)


def _size(text: str) -> int:
    # A lone surrogate has a size too; its category refuses it.
    return len(text.encode("utf-8", "surrogatepass"))
