"""Passwords that guessers expect of one user or one service: its names, and what is made of them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ostiary_local import passwords

SHORTEST_WORD = 3
"""Letters of a word that counts; a shorter name is only no password by itself."""

LONGEST = 256
"""Characters of a password in which names are looked for; a longer one is no name."""

_WORD = re.compile(r"[^\W_]{3,}")


def expected(password: str, known: Iterable[str]) -> bool:
    """Tell whether a password is a name, or names in a row with digits and punctuation, and no other letters.

    These are the context-specific words of NIST SP 800-63B-4, 3.1.1.2, and their derivatives;
    a password that only has a name in it is none.

    :param password: as it is hashed.
    """
    folded = _folded(password)
    words = {_folded(one) for one in pieces(known)}
    if folded in words:
        return True
    if len(folded) > LONGEST:
        return False
    longest_first = sorted(
        (one for one in words if len(one) >= SHORTEST_WORD), key=len, reverse=True
    )
    if not longest_first:
        return False
    rest, found = re.subn("|".join(map(re.escape, longest_first)), " ", folded)
    return found > 0 and not any(one.isalnum() and not one.isdigit() for one in rest)


def pieces(known: Iterable[str]) -> list[str]:
    """Return texts and their parts: of ``ann@example.org`` also ``ann``, ``example`` and ``org``.

    Lone surrogates are left out.
    """
    found: dict[str, None] = {}
    for text in known:
        clean = text.encode(errors="ignore").decode()
        found.update(dict.fromkeys((clean, clean.partition("@")[0], *_WORD.findall(clean))))
    return [piece for piece in found if piece]


def _folded(text: str) -> str:
    return passwords.normal(text).casefold()
