"""Create the table of phrases."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "phrases",
        sa.Column("kuid", sa.String, primary_key=True),
        sa.Column("member", sa.String, nullable=False, unique=True),
        sa.Column("hash", sa.String, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("phrases")
