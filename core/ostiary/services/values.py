"""The values in the properties of users, profiles and roles, as searches compare them.

A document is written flat, one row for each value: lists and objects leave only
their paths, as in the indexes of document stores. So the same SQL finds any
property on either database, with an index. The rows are written in the
transaction that writes the document, and nothing but searches reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import delete, insert

from ostiary.filters import Scalar, as_text, words_of
from ostiary.storage import Database, Prepared
from ostiary.storage.tables import search_values

MOST = 1000
"""Values of one document that can be searched for; the others are kept all the same."""

LONGEST_PATH = 512
"""Bytes of a path; what lies deeper cannot be searched for."""

LONGEST = 256
"""Characters of a text that are compared as they are."""

BEGINNING = 192
"""Characters of a longer text that are; a digest (SHA-256, hexadecimal) stands for it whole."""

WORDY = 1024
"""Characters of a text whose words can be searched for."""

FARTHEST = 1e300

INSERT = Prepared(insert(search_values))

BOOLEANS = ("false", "true")
"""Booleans as texts; a text that is written so has words, as a boolean has not."""


class Value(NamedTuple):
    """One value: where it stands, as text, and as number if it is one.

    :ivar words: those of a text, between blanks; None if ``text`` is the only one, and no boolean.
    """

    path: str
    text: str
    number: float | None
    words: str | None


async def write_values(
    db: Database, collection: str, id: str, content: Mapping[str, Any], *, new: bool = False
) -> None:
    """Write the values of a document over those that were there.

    :param new: there were none.
    """
    if not new:
        await erase_values(db, collection, id)
    await write_new_values(db, collection, {id: content})


async def write_new_values(
    db: Database, collection: str, contents: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write the values of documents that had none, by their ids."""
    rows = [
        {"collection": collection, "id": id, **value._asdict()}
        for id, content in contents.items()
        for value in values_of(content)
    ]
    if rows:
        await db.execute(INSERT, rows)


async def erase_values(db: Database, collection: str, id: str) -> None:
    """Erase the values of a document."""
    this = (search_values.c.collection == collection) & (search_values.c.id == id)
    await db.execute(delete(search_values).where(this))


def values_of(content: Mapping[str, Any]) -> list[Value]:
    """Return the values of a document, each once; ``42`` goes before ``"42"``."""
    unlike: dict[tuple[str, str], Value] = {}
    for value in _flat("", content):
        key = value.path, value.text
        if key not in unlike and len(unlike) == MOST:
            break
        if value.number is not None or key not in unlike:
            unlike[key] = value
    return list(unlike.values())


def text_of(value: Scalar) -> str:
    """Return a value as the text that is compared: ``42`` and ``"42"`` are alike."""
    text = as_text(value)
    if len(text) <= LONGEST:
        return text
    return text[:BEGINNING] + sha256(text.encode()).hexdigest()


def number_of(value: Scalar) -> float | None:
    """Return a value as the number that is compared, or None if it is none."""
    if isinstance(value, bool | str) or not abs(value) < FARTHEST:
        return None
    return float(value)


def _flat(path: str, value: Any) -> Iterator[Value]:
    match value:
        case dict():
            for key, inner in value.items():
                deeper = f"{path}.{key}" if path and len(key) <= LONGEST_PATH else key
                # There may be a great deal below what cannot be searched for.
                if len(deeper.encode()) <= LONGEST_PATH:
                    yield from _flat(deeper, inner)
        case list():
            for inner in value:
                yield from _flat(path, inner)
        case bool() | int() | float() | str():
            yield Value(path, text_of(value), number_of(value), _words(value))


def _words(value: Scalar) -> str | None:
    if not isinstance(value, str):
        return None
    words = words_of(value[:WORDY])
    return None if words == (value,) and value not in BOOLEANS else f" {' '.join(words)} "
