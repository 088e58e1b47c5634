"""Find entries of the audit log by whatever is looked for, in the order of time."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
# Older code finds by the first columns of these what it found by those that are dropped.
oldest = "0004"

beforehand = {
    "audit_of_author": ("audit", ["author", "at"]),
    "audit_of_subject": ("audit", ["about", "at"]),
    "audit_of_account": ("audit", ["account", "at"]),
    "audit_of_event": ("audit", ["event", "at"]),
    "audit_of_strategy": ("audit", ["strategy", "at"]),
    "audit_of_address": ("audit", ["address", "at"]),
}

FORMER = {
    "audit_by_author": "author",
    "audit_by_subject": "about",
    "audit_by_account": "account",
}
"""Those in the order of the numbers, by their columns."""


def upgrade() -> None:
    for name, (table, columns) in beforehand.items():
        op.create_index(name, table, columns, if_not_exists=True)
    for name in FORMER:
        op.drop_index(name, "audit")


def downgrade() -> None:
    for name, column in FORMER.items():
        op.create_index(name, "audit", [column, "sequence"])
    for name, (table, _) in beforehand.items():
        op.drop_index(name, table)
