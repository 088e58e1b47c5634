"""Where in the index of values to look: at every path, or in each spelling of a beginning.

An index of (path, text) answers for one path and one range of texts. What is asked of any path, or
of texts in upper and lower case, is asked of few such ranges instead of reading the whole index.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, Select, and_, func, literal, select

from ostiary.storage.tables import search_values

ANY = "*"
"""Stands for the path of every property."""

EVERYWHERE = "\0"
"""Stands for it where there are so many paths that the whole index is read. No client can send it."""

MOST_PATHS = 500
"""Paths of which each is looked at where any is meant. Users make paths, by their own properties:
beyond so many none may be passed over, or anybody could hide all others."""

MOST_LETTERS = 4
"""Letters of a beginning that are looked for in upper and lower case: 16 ranges at most."""

LAST = 0x10FFFF
SURROGATES = 0xD800, 0xE000
"""What no UTF-8 has: the first of them, and the first after them."""


def paths(collection: str) -> Select[tuple[str]]:
    """Return the paths of the values of a collection, found by as many steps through the index.

    At most ``MOST_PATHS`` of them.
    """
    first = select(func.min(search_values.c.path).label("path"), literal(1).label("number"))
    walk = first.where(search_values.c.collection == collection).cte(recursive=True)
    following = search_values.alias()
    after = select(func.min(following.c.path)).where(
        following.c.collection == collection, following.c.path > walk.c.path
    )
    step = select(after.scalar_subquery(), walk.c.number + 1)
    step = step.where(walk.c.path.is_not(None), walk.c.number < MOST_PATHS)
    walk = walk.union_all(step)
    return select(walk.c.path).where(walk.c.path.is_not(None))


def spelt(text: ColumnElement[str], beginning: str) -> Iterator[ColumnElement[bool]]:
    """Yield ranges of the texts that begin so in any case of ASCII letters; no text is in two.

    What lies in them may go on otherwise: they hold for the first letters.
    """
    for one in _spelt(beginning):
        end = end_of(one)
        yield text >= one if end is None else and_(text >= one, text < end)


def end_of(beginning: str) -> str | None:
    """Return the least text after all that begin so; None if there is none."""
    while beginning:
        last = ord(beginning[-1]) + 1
        if last <= LAST:
            surrogates, after = SURROGATES
            return beginning[:-1] + chr(after if last == surrogates else last)
        beginning = beginning[:-1]
    return None


def _spelt(beginning: str) -> list[str]:
    found, letters = [""], 0
    for one in beginning:
        spelt = {one}
        if one.isascii() and one.isalpha():
            if letters == MOST_LETTERS:
                break
            letters += 1
            spelt = {one.lower(), one.upper()}
        found = [before + each for before in found for each in sorted(spelt)]
    return found
