"""Make room for logins of several steps, the audit log, older master keys and disabled plugins."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"

KEEPING = {
    "sqlite": (
        (
            "CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit "
            "BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END"
        ),
        (
            "CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit "
            "WHEN EXISTS (SELECT 1 FROM audit WHERE sequence = NEW.sequence) "
            "BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END"
        ),
        (
            "CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit "
            "WHEN OLD.at > (CAST(strftime('%s', 'now') AS INTEGER) - 86400) * 1000 "
            "BEGIN SELECT RAISE(ABORT, 'the audit log is kept for a day at least'); END"
        ),
    ),
    "postgresql": (
        (
            "CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ "
            "BEGIN RAISE EXCEPTION 'the audit log is only added to'; END $$"
        ),
        (
            "CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit "
            "FOR EACH ROW EXECUTE FUNCTION audit_refuse()"
        ),
        (
            "CREATE TRIGGER audit_is_not_emptied BEFORE TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()"
        ),
        (
            "CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit FOR EACH ROW "
            "WHEN (OLD.at > (extract(epoch FROM now()) - 86400) * 1000) "
            "EXECUTE FUNCTION audit_refuse()"
        ),
    ),
}
"""What keeps rows from being changed, or deleted within a day."""

JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.add_column("tokens", sa.Column("foreign_session", sa.String))
    op.add_column("plugins", sa.Column("disabled_at", sa.BigInteger))
    op.add_column("instances", sa.Column("plugins", JSON))
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
    for statement in KEEPING[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    for table in ("master_keys", "audit", "login_flows"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_refuse()")
    with op.batch_alter_table("instances") as instances:
        instances.drop_column("plugins")
    with op.batch_alter_table("plugins") as plugins:
        plugins.drop_column("disabled_at")
    with op.batch_alter_table("tokens") as tokens:
        tokens.drop_column("foreign_session")
