"""The rows of a store survive the way through a file, also into the other database."""

from __future__ import annotations

import gzip
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ostiary.storage import StorageError, archive, rows
from ostiary.storage.archive import Header, Holder

from .conftest import House

pytestmark = pytest.mark.anyio

KEY, OTHER = b"k" * 32, b"o" * 32

parents = sa.Table(
    "parents",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("secret", sa.LargeBinary, nullable=False),
    sa.Column("json", sa.JSON),
    sa.Column("on", sa.Boolean),
    sa.Column("number", sa.Float),
    sa.Column("instant", sa.BigInteger),
    sa.Column("date", sa.DateTime),
)
children = sa.Table(
    "a_child",
    parents.metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("parent", sa.Integer, sa.ForeignKey("parents.id"), nullable=False),
)
ROWS: list[dict[str, Any]] = [
    {
        "id": 7,
        "secret": bytes(range(256)),
        "json": {"a": [1, None, "é"]},
        "on": True,
        "number": 0.1,
        "instant": 2**53 + 1,
        "date": datetime(2026, 1, 2, 3, 4, 5, 6),  # noqa: DTZ001 - a column without a zone
    },
    {
        "id": 8,
        "secret": b"",
        "json": "a text",
        "on": False,
        "number": -1e300,
        "instant": 0,
        "date": None,
    },
]
HEADER = Header(
    plugin="notes",
    distribution="toy-notes",
    version="1.0",
    strategies=["notes"],
    wraps=False,
    revision="0001",
    tables={},
    created=0,
    master_key="",
)


def fill(connection: sa.Connection) -> None:
    parents.metadata.create_all(connection)
    connection.execute(sa.insert(parents), ROWS)
    connection.execute(sa.insert(children), [{"id": "c", "parent": 7}])


def content(connection: sa.Connection) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in connection.execute(sa.select(parents).order_by("id"))]


async def write(house: House, path: Path) -> None:
    def work(connection: sa.Connection) -> None:
        with archive.writing(path, KEY) as put:
            put(archive.header_line(HEADER))
            put(archive.holder_line(Holder("ann", "g", "notes", 1)))
            for row in rows.dump(connection):
                put(archive.row_line(row))

    await house.backend.alter("notes", work)


@pytest.mark.parametrize("source", ["sqlite", "postgresql"])
@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
async def test_every_value_comes_back_into_either_database(
    sqlite: House, postgresql: House, source: str, target: str, tmp_path: Path
) -> None:
    path = tmp_path / "notes.ostiary-store"
    houses = {"sqlite": sqlite, "postgresql": postgresql}
    house, other = houses[source], houses[target]
    await house.backend.alter("notes", fill)
    await write(house, path)

    def work(connection: sa.Connection) -> list[dict[str, Any]]:
        parents.metadata.create_all(connection)
        for table in (children, parents):
            connection.execute(sa.delete(table))
        rows.load(connection, archive.rows(path, [OTHER, KEY]))
        assert connection.execute(sa.select(children)).all() == [("c", 7)]
        new = {**ROWS[0], "id": None}
        connection.execute(sa.insert(parents).values({k: v for k, v in new.items() if k != "id"}))
        return content(connection)

    found = await other.backend.alter("notes", work)
    assert found == [*ROWS, {**ROWS[0], "id": 9}], "numbers go on after those that were restored"


async def test_a_file_that_was_changed_or_comes_from_elsewhere_is_refused(
    sqlite: House, tmp_path: Path
) -> None:
    path = tmp_path / "notes.ostiary-store"
    await sqlite.backend.alter("notes", fill)
    await write(sqlite, path)
    assert path.stat().st_mode & 0o777 == 0o600
    held = archive.read(path, [KEY])
    assert (held.rows, held.holders) == (3, [Holder("ann", "g", "notes", 1)])
    with pytest.raises(StorageError, match="another master key"):
        archive.read(path, [OTHER])
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    forged = json.dumps(["holder", "eve", "g", "notes", 1]).encode() + b"\n"
    for other, told in (
        ([lines[0], forged, *lines[1:]], "was changed"),
        ([*lines[:-2], lines[-1]], "was changed"),
        (lines[:-1], "was cut off"),
        (lines[1:], "is not an archive"),
        ([lines[0].replace(b"{", b'{"more": 1, ', 1), *lines[1:]], "is damaged"),
        ([lines[0], b'["holder", 1]\n', *lines[1:]], "is damaged"),
        ([lines[0], b"[" * 200_000 + b"\n", *lines[1:]], "is damaged"),
    ):
        path.write_bytes(gzip.compress(b"".join(other)))
        with pytest.raises(StorageError, match=told):
            archive.read(path, [KEY])


async def test_a_file_that_is_there_is_never_overwritten(sqlite: House, tmp_path: Path) -> None:
    path = tmp_path / "notes.ostiary-store"
    path.write_text("something else")
    await sqlite.backend.alter("notes", fill)
    with pytest.raises(StorageError, match="choose another file"):
        await write(sqlite, path)
    assert path.read_text() == "something else"
    assert list(tmp_path.glob("*.part")) == []
