"""Create the tables of the core."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    create_users()
    create_rights()
    create_tokens()
    create_records()


def create_users() -> None:
    op.create_table(
        "users",
        sa.Column("kuid", sa.String, primary_key=True),
        sa.Column("generation", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("content", JSON, nullable=False),
        sa.Column("author", sa.String),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updater", sa.String),
        sa.Column("updated_at", sa.BigInteger),
    )
    op.create_table(
        "user_profiles",
        sa.Column("kuid", sa.String, primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("profile_id", sa.String, nullable=False),
    )
    op.create_index("user_profiles_by_profile", "user_profiles", ["profile_id", "kuid"])
    op.create_table(
        "user_strategies",
        sa.Column("kuid", sa.String, primary_key=True),
        sa.Column("strategy", sa.String, primary_key=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index("user_strategies_by_strategy", "user_strategies", ["strategy", "kuid"])


def create_rights() -> None:
    op.create_table(
        "profiles",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("policies", JSON, nullable=False),
        sa.Column("rate_limit", sa.Integer, nullable=False),
        sa.Column("content", JSON, nullable=False),
        sa.Column("author", sa.String),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updater", sa.String),
        sa.Column("updated_at", sa.BigInteger),
    )
    op.create_table(
        "roles",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("controllers", JSON, nullable=False),
        sa.Column("content", JSON, nullable=False),
        sa.Column("author", sa.String),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updater", sa.String),
        sa.Column("updated_at", sa.BigInteger),
    )


def create_tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("fingerprint", sa.LargeBinary, primary_key=True),
        sa.Column("kuid", sa.String, nullable=False),
        sa.Column("generation", sa.String, nullable=False),
        sa.Column("jti", sa.String, nullable=False),
        sa.Column("key_id", sa.String, nullable=False),
        sa.Column("issued_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("single_use", sa.Boolean, nullable=False),
        sa.Column("strategy", sa.String),
        sa.Column("agent", sa.String),
        sa.Column("address", sa.String),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
        sa.Column("replaced_at", sa.BigInteger),
        sa.Column("successor", sa.LargeBinary),
    )
    op.create_index("tokens_by_user", "tokens", ["kuid"])
    op.create_index("tokens_by_end", "tokens", ["expires_at"])
    op.create_index("tokens_by_successor", "tokens", ["successor"])
    op.create_table(
        "signing_keys",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("retired_at", sa.BigInteger),
    )


def create_records() -> None:
    op.create_table(
        "journal",
        sa.Column("kuid", sa.String, primary_key=True),
        sa.Column("strategy", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("operation", sa.String, nullable=False),
        sa.Column("instance", sa.String, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "instances",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("alive_until", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "changes",
        sa.Column(
            "sequence",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("what", sa.String, nullable=False),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("changes_by_instant", "changes", ["at"])
    op.create_table(
        "installation",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("value", sa.String, nullable=False),
    )
    op.create_table(
        "plugins",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("distribution", sa.String, nullable=False),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("strategies", JSON, nullable=False),
        sa.Column("wraps", sa.Boolean, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    for table in (
        "plugins",
        "installation",
        "changes",
        "instances",
        "journal",
        "signing_keys",
        "tokens",
        "roles",
        "profiles",
        "user_strategies",
        "user_profiles",
        "users",
    ):
        op.drop_table(table)
