"""Keep what the servers have answered in each minute; list users in the order they were created."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
oldest = "0004"

COUNTED = ("requests", "refused", "failed", "sign_ins", "sign_ins_refused")
TIMED = tuple(f"{what}_{place}" for what in ("request", "login") for place in range(21))


def upgrade() -> None:
    op.create_table(
        "minutes",
        sa.Column("minute", sa.BigInteger, primary_key=True),
        *(
            sa.Column(name, sa.Integer, nullable=False, server_default=sa.text("0"))
            for name in (*COUNTED, *TIMED)
        ),
    )
    op.create_index("users_by_creation", "users", ["created_at", "kuid"])


def downgrade() -> None:
    op.drop_index("users_by_creation", "users")
    op.drop_table("minutes")
