"""Create the tables of identities, invitations and of what was spent."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "identities",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("strategy", sa.String, nullable=False),
        sa.Column("issuer", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("kuid", sa.String, nullable=False),
        sa.Column("attributes", sa.String, nullable=False),
        sa.Column("tokens", sa.LargeBinary),
        sa.Column("tokens_expire_at", sa.BigInteger),
        sa.Column("tokens_claimed_until", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("strategy", "issuer", "subject"),
    )
    op.create_index("ix_identities_kuid", "identities", ["kuid"])
    op.create_table(
        "invitations",
        sa.Column("fingerprint", sa.LargeBinary, primary_key=True),
        sa.Column("strategy", sa.String),
        sa.Column("email", sa.String),
        sa.Column("content", sa.String, nullable=False),
        sa.Column("author", sa.String, nullable=False),
        sa.Column("author_generation", sa.String, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_invitations_expires_at", "invitations", ["expires_at"])
    op.create_table(
        "spent",
        sa.Column("fingerprint", sa.LargeBinary, primary_key=True),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_spent_expires_at", "spent", ["expires_at"])


def downgrade() -> None:
    op.drop_table("spent")
    op.drop_table("invitations")
    op.drop_table("identities")
