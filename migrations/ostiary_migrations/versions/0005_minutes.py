"""Keep what the servers answer in each minute; find users, tokens and keys in the order they were made."""

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
    op.create_index("tokens_by_issue", "tokens", ["issued_at"])
    op.create_index("api_keys_by_issue", "api_keys", ["created_at"])


def downgrade() -> None:
    op.drop_index("api_keys_by_issue", "api_keys")
    op.drop_index("tokens_by_issue", "tokens")
    op.drop_index("users_by_creation", "users")
    op.drop_table("minutes")
