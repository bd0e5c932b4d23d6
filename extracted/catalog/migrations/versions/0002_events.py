"""What catalog says: versions of its products, and the kit's outbox."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def event(table: str) -> list[sa.Column[Any] | sa.UniqueConstraint]:
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("aggregatetype", sa.Text(), nullable=False),
        sa.Column("aggregateid", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("schema", sa.Integer(), nullable=False),
        sa.Column("capability", sa.Text(), nullable=False),
        sa.Column("partition", sa.SmallInteger(), nullable=False),
        sa.Column("trace", sa.Text()),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("id", name=f"{table}_id"),
        sa.UniqueConstraint("aggregatetype", "aggregateid", "version", name=f"{table}_once"),
    ]


def upgrade() -> None:
    op.create_table(
        "productversion",
        sa.Column("aggregate", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("aggregate", name="productversion_pkey"),
    )
    op.create_table(
        "strangler_outbox",
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(),
            nullable=False,
        ),
        *event("strangler_outbox"),
        sa.PrimaryKeyConstraint("position", name="strangler_outbox_pkey"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "strangler_outbox_parked",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        *event("strangler_outbox_parked"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("parked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dropped", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="strangler_outbox_parked_pkey"),
    )
    op.create_table(
        "strangler_relay",
        sa.Column("partition", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("partition", name="strangler_relay_pkey"),
    )
    op.create_table(
        "strangler_relay_process",
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("holder", name="strangler_relay_process_pkey"),
    )
    op.create_table(
        "strangler_backlog",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("waiting", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="strangler_backlog_pkey"),
    )


def downgrade() -> None:
    for table in (
        "strangler_backlog",
        "strangler_relay_process",
        "strangler_relay",
        "strangler_outbox_parked",
        "strangler_outbox",
        "productversion",
    ):
        op.drop_table(table)
