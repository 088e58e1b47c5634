"""Find entries of the audit log by whatever is looked for, in the order of time."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
oldest = "0005"

INDEXES = {
    "audit_of_author": "author",
    "audit_of_subject": "about",
    "audit_of_account": "account",
    "audit_of_event": "event",
    "audit_of_strategy": "strategy",
    "audit_of_address": "address",
}
FORMER = {
    "audit_by_author": "author",
    "audit_by_subject": "about",
    "audit_by_account": "account",
}
"""Indexes in the order of the numbers; what was found by them is found by the new ones."""


def upgrade() -> None:
    for name, column in INDEXES.items():
        op.create_index(name, "audit", [column, "at"], if_not_exists=True)
    for name in FORMER:
        op.drop_index(name, "audit")


def downgrade() -> None:
    for name, column in FORMER.items():
        op.create_index(name, "audit", [column, "sequence"])
    for name in INDEXES:
        op.drop_index(name, "audit")
