"""Find sessions by the name that the plugin gave them that signed the user in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

NAMED = sa.text("foreign_session IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "tokens_by_foreign_session",
        "tokens",
        ["foreign_session"],
        sqlite_where=NAMED,
        postgresql_where=NAMED,
    )


def downgrade() -> None:
    op.drop_index("tokens_by_foreign_session", "tokens")
