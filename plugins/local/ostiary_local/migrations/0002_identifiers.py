"""Several names for an account; hashes from elsewhere, former passwords, tickets and mail."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _add_identifiers()
    _replace_accounts()
    op.create_table(
        "former_passwords",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("kuid", sa.String, nullable=False, index=True),
        sa.Column("hash", sa.String),
        sa.Column("imported", sa.LargeBinary),
        sa.Column("set_at", sa.BigInteger, nullable=False),
        sa.Column("archived_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "tickets",
        sa.Column("fingerprint", sa.LargeBinary, primary_key=True),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("kuid", sa.String, nullable=False, index=True),
        sa.Column("origin", sa.String, nullable=False),
        sa.Column("bound", sa.String, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("recipient", sa.LargeBinary, index=True),
        sa.Column("kuid", sa.String, index=True),
        sa.Column("typed", sa.LargeBinary),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False, index=True),
        sa.Column("attempts", sa.Integer, nullable=False),
    )


def _add_identifiers() -> None:
    op.create_table(
        "identifiers",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("value", sa.String, nullable=False, unique=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("kuid", sa.String, nullable=False, index=True),
        sa.Column("skeleton", sa.String, index=True),
        sa.Column("verified_at", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    old = sa.table("accounts", *map(sa.column, ("kuid", "username", "name", "created_at")))
    new = sa.table("identifiers", *map(sa.column, ("kuid", "value", "key", "kind", "created_at")))
    every = sa.select(
        old.c.kuid, old.c.username, old.c.name, sa.literal("username"), old.c.created_at
    )
    op.execute(sa.insert(new).from_select(["kuid", "value", "key", "kind", "created_at"], every))


def _replace_accounts() -> None:
    # A table of the same name after it: SQLite cannot drop a column that is unique.
    op.rename_table("accounts", "old_accounts")
    op.create_table(
        "accounts",
        sa.Column("kuid", sa.String, nullable=False),
        sa.Column("hash", sa.String),
        sa.Column("imported", sa.LargeBinary),
        sa.Column("updater", sa.String, nullable=False),
        sa.Column("password_set_at", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("kuid", name="accounts_of_users"),
    )
    kept = ("kuid", "hash", "updater", "password_set_at", "created_at", "updated_at")
    old = sa.table("old_accounts", *map(sa.column, kept))
    new = sa.table("accounts", *map(sa.column, kept))
    op.execute(sa.insert(new).from_select(list(kept), sa.select(*old.c)))
    op.drop_table("old_accounts")
    wrapped = sa.text("hash IS NOT NULL AND imported IS NOT NULL")
    op.create_index(
        "wrapped_accounts", "accounts", ["kuid"], sqlite_where=wrapped, postgresql_where=wrapped
    )
