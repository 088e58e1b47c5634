"""Make room for API keys, searches, mappings, places and the limits of logins."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"

Value = tuple[str, str, float | None, str | None]
JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
BYTEWISE = sa.String().with_variant(sa.String(collation="C"), "postgresql")
BATCH = 500
LONGEST_PATH, MOST, LONGEST, BEGINNING, WORDY, FARTHEST = 512, 1000, 256, 192, 1024, 1e300
WORD = re.compile(r"[^\W_]+")


def upgrade() -> None:
    op.add_column("tokens", sa.Column("session", sa.String))
    op.add_column("tokens", sa.Column("began_at", sa.BigInteger))
    create_api_keys()
    create_search()
    create_limits()
    op.create_table(
        "mappings",
        sa.Column("collection", sa.String, primary_key=True),
        sa.Column("mapping", JSON, nullable=False),
    )
    op.create_table(
        "places",
        sa.Column("index", sa.String, primary_key=True),
        sa.Column("collection", sa.String, primary_key=True),
    )
    fill_search()


def create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("kuid", sa.String, nullable=False),
        sa.Column("generation", sa.String, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("key_id", sa.String, nullable=False),
        sa.Column("description", sa.String, nullable=False),
        sa.Column("ttl", sa.BigInteger, nullable=False),
        sa.Column("author", sa.String),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("last_seen", sa.BigInteger),
    )
    op.create_index("api_keys_by_fingerprint", "api_keys", ["fingerprint"], unique=True)
    op.create_index("api_keys_by_user", "api_keys", ["kuid"])
    op.create_index("api_keys_by_end", "api_keys", ["expires_at"])


def create_search() -> None:
    op.create_table(
        "search_values",
        sa.Column("collection", sa.String, primary_key=True),
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("path", BYTEWISE, primary_key=True),
        sa.Column("text", BYTEWISE, primary_key=True),
        sa.Column("number", sa.Float),
        sa.Column("words", sa.String),
        sqlite_with_rowid=False,
    )
    some = sa.text("number IS NOT NULL")
    by_text = ["collection", "path", "text", "id"]
    op.create_index("search_values_by_text", "search_values", by_text)
    op.create_index(
        "search_values_by_number",
        "search_values",
        ["collection", "path", "number", "id"],
        sqlite_where=some,
        postgresql_where=some,
    )
    op.create_table(
        "scrolls",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("collection", sa.String, nullable=False),
        sa.Column("search", JSON, nullable=False),
        sa.Column("position", JSON, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("scrolls_by_end", "scrolls", ["expires_at"])


def create_limits() -> None:
    op.create_table(
        "login_counters",
        sa.Column("subject", sa.LargeBinary, primary_key=True),
        sa.Column("excess", sa.Integer, nullable=False),
        sa.Column("locked_until", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("login_counters_by_end", "login_counters", ["expires_at"])
    op.create_table(
        "devices",
        sa.Column("account", sa.LargeBinary, primary_key=True),
        sa.Column("device", sa.LargeBinary, primary_key=True),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
    )
    op.create_index("devices_by_instant", "devices", ["seen_at"])


def fill_search() -> None:
    """Write the values of what is there already, a batch at a time."""
    users = sa.table("users", sa.column("kuid"), sa.column("content", JSON))
    fill_from(
        "users", sa.select(users.c.kuid, users.c.content).order_by(users.c.kuid), users.c.kuid
    )
    for name, member in (("profiles", "policies"), ("roles", "controllers")):
        table = sa.table(name, sa.column("id"), sa.column("content", JSON), sa.column(member, JSON))
        rows = op.get_bind().execute(sa.select(table)).all()
        write(name, [(row[0], {member: row[2], **row[1]}) for row in rows])


def fill_from(collection: str, query: Any, key: Any) -> None:
    last = ""
    while rows := op.get_bind().execute(query.where(key > last).limit(BATCH)).all():
        write(collection, [(row[0], row[1]) for row in rows])
        last = rows[-1][0]


def write(collection: str, documents: list[tuple[str, Any]]) -> None:
    table = sa.table("search_values", *map(sa.column, (
        "collection", "id", "path", "text", "number", "words"
    )))  # fmt: skip
    values = [
        {
            "collection": collection,
            "id": id,
            "path": path,
            "text": text,
            "number": number,
            "words": words,
        }
        for id, content in documents
        for path, text, number, words in unlike(content)
    ]
    if values:
        op.get_bind().execute(sa.insert(table), values)


def unlike(content: Any) -> list[Value]:
    found: dict[tuple[str, str], Value] = {}
    for value in flat("", content):
        if value[2] is not None or value[:2] not in found:
            found[value[:2]] = value
    return [value for value in found.values() if len(value[0].encode()) <= LONGEST_PATH][:MOST]


def flat(path: str, value: Any) -> Iterator[Value]:
    match value:
        case dict():
            for key, inner in value.items():
                yield from flat(f"{path}.{key}" if path else key, inner)
        case list():
            for inner in value:
                yield from flat(path, inner)
        case bool():
            yield path, "true" if value else "false", None, None
        case int() | float():
            whole = isinstance(value, int) or value.is_integer()
            text = str(int(value)) if whole else repr(value)
            number = float(value) if abs(value) < FARTHEST else None
            yield path, shortened(text), number, None
        case str():
            yield path, shortened(value), None, words_of(value)


def words_of(text: str) -> str | None:
    words = WORD.findall(unicodedata.normalize("NFKC", text[:WORDY]).casefold())
    return None if words == [text] else f" {' '.join(words)} "


def shortened(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return text[:BEGINNING] + hashlib.sha256(text.encode()).hexdigest()


def downgrade() -> None:
    for table in (
        "devices",
        "login_counters",
        "places",
        "mappings",
        "scrolls",
        "search_values",
        "api_keys",
    ):
        op.drop_table(table)
    with op.batch_alter_table("tokens") as table:
        table.drop_column("began_at")
        table.drop_column("session")
