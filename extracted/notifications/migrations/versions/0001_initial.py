"""The tables as they began."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
DUE = sa.text("due_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "notification",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("customer", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("data", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", MOMENT),
        sa.Column("token", sa.Uuid()),
        sa.Column("reason", sa.String(300), nullable=False),
        sa.Column("happened_at", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("sent_at", MOMENT),
        sa.CheckConstraint(
            "(state IN ('pending', 'failed') AND due_at IS NOT NULL AND sent_at IS NULL)"
            " OR (state = 'sent' AND due_at IS NULL AND sent_at IS NOT NULL)"
            " OR (state = 'given_up' AND due_at IS NULL AND sent_at IS NULL)",
            name=op.f("notification_open_is_due"),
        ),
        sa.CheckConstraint("attempts >= 0", name=op.f("notification_attempts_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("notification_pkey")),
    )
    op.create_index(op.f("notification_order_id_idx"), "notification", ["order_id"])
    op.create_index("notification_newest_idx", "notification", ["customer", "created_at"])
    op.create_index(
        "notification_due_idx", "notification", ["due_at"], postgresql_where=DUE, sqlite_where=DUE
    )
    op.create_table(
        "preference",
        sa.Column("customer", sa.String(64), nullable=False),
        sa.Column("email", sa.Boolean(), nullable=False),
        sa.Column("webhook", sa.String(500), nullable=False),
        sa.Column("secret", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("customer", name=op.f("preference_pkey")),
    )
    op.create_table(
        "inbox",
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("event", name=op.f("inbox_pkey")),
    )
    op.create_index(op.f("inbox_at_idx"), "inbox", ["at"])
    op.create_table(
        "parked_event",
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.String(255), nullable=False),
        sa.Column("envelope", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due", MOMENT),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("event", name=op.f("parked_event_pkey")),
    )
    op.create_index("parked_event_order", "parked_event", ["key", "version", "event"])
    op.create_index("parked_event_due", "parked_event", ["due"])


def downgrade() -> None:
    for table in ("parked_event", "inbox", "preference", "notification"):
        op.drop_table(table)
