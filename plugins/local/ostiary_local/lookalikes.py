"""Names that look like others (Unicode Technical Standard 39), and are refused for it.

Only new names are compared: signing in never depends on this.
"""

from __future__ import annotations

import unicodedata
from functools import cache

NEUTRAL = frozenset({"COMMON", "INHERITED", "Unknown"})
"""What is written in many scripts, such as digits."""

LRM = "\u200e"
"""Stands around letters of right-to-left scripts in the data, for whoever reads them."""

# What is left of ASCII; the rest of it stands for itself. It spares most servers the data.
ASCII = str.maketrans(
    {"0": "o", "1": "l", "I": "l", "|": "l", "m": "rn", "M": "rn", '"': "''", "`": "'", "%": "º/₀"}
)


def skeleton(name: str) -> str:
    """Return what names share that look alike (UTS 39, 4), small or large.

    It is for comparing, not for showing. Some milliseconds, once, if it is not ASCII.
    """
    if name.isascii():
        return name.translate(ASCII).lower()
    table = _prototypes()
    # Small letters look like others than large ones, and names are compared without their case.
    once = unicodedata.normalize("NFD", name).translate(table).casefold()
    return unicodedata.normalize("NFD", once.translate(table)).casefold()


def imitates(name: str) -> bool:
    """Tell whether a word of a name mixes scripts, and some of its letters pass for Latin ones."""
    return not name.isascii() and any(map(_mixes, name.split()))


def _mixes(word: str) -> bool:
    from confusable_homoglyphs.categories import alias

    scripts = {character: alias(character) for character in set(word)}
    if len(set(scripts.values()) - NEUTRAL) < 2:  # noqa: PLR2004 - one script, or more than one
        return False
    table = _prototypes()
    others = (one for one, script in scripts.items() if script not in {"LATIN", *NEUTRAL})
    first = (table.get(ord(one), one)[0] for one in others)
    return any(alias(one) == "LATIN" or one.isascii() for one in first)


@cache
def _prototypes() -> dict[int, str]:
    """Return what each character is taken for: 1 MB of the 15 that the library would keep.

    Its data lists for every character those that look like it. One is the prototype of the
    others; where they are but two, either may be.
    """
    from confusable_homoglyphs.utils import load

    data = {
        one.strip(LRM): [entry["c"].strip(LRM) for entry in entries]
        for one, entries in load("confusables.json").items()
    }
    found = {ord(one): _prototype(one, data) for one in data if len(one) == 1}
    return {one: prototype for one, prototype in found.items() if prototype != chr(one)}


def _prototype(one: str, data: dict[str, list[str]]) -> str:
    like = data[one]
    if long := [other for other in like if len(other) > 1]:
        return long[0]
    if len(like) > 1:
        return one
    (other,) = like
    return other if len(data.get(other, ())) > 1 else min(one, other)
