"""Make room for logins of several steps, the audit log, older master keys and disabled plugins."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"

JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.add_column("tokens", sa.Column("foreign_session", sa.String))
    op.add_column("plugins", sa.Column("disabled_at", sa.BigInteger))
    create_login_flows()
    create_audit()
    op.create_table(
        "master_keys",
        sa.Column("generation", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )


def create_login_flows() -> None:
    op.create_table(
        "login_flows",
        sa.Column("fingerprint", sa.LargeBinary, primary_key=True),
        sa.Column("strategy", sa.String, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("binding", sa.LargeBinary),
        sa.Column("network", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("login_flows_by_end", "login_flows", ["expires_at"])
    op.create_index("login_flows_by_network", "login_flows", ["network", "expires_at"])


def create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column(
            "sequence",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("author", sa.String),
        sa.Column("about", sa.String),
        sa.Column("strategy", sa.String),
        sa.Column("account", sa.LargeBinary),
        sa.Column("reason", sa.String),
        sa.Column("protocol", sa.String),
        sa.Column("address", sa.String),
        sa.Column("agent", sa.String),
        sa.Column("request", sa.String),
        sa.Column("details", JSON),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_by_instant", "audit", ["at"])
    op.create_index("audit_by_author", "audit", ["author", "sequence"])
    op.create_index("audit_by_subject", "audit", ["about", "sequence"])
    op.create_index("audit_by_account", "audit", ["account", "sequence"])


def downgrade() -> None:
    for table in ("master_keys", "audit", "login_flows"):
        op.drop_table(table)
    with op.batch_alter_table("plugins") as plugins:
        plugins.drop_column("disabled_at")
    with op.batch_alter_table("tokens") as tokens:
        tokens.drop_column("foreign_session")
