"""The tables as they began."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def numbered() -> sa.Column[int]:
    return sa.Column("id", NUMBER, sa.Identity(), nullable=False)


def refers(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"{table}_{column}_fkey")
    return sa.ForeignKeyConstraint(
        [column], [target], name=name, initially="DEFERRED", deferrable=True
    )


def upgrade() -> None:
    op.create_table(
        "reservation",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("order_id", name=op.f("reservation_pkey")),
    )
    op.create_index(
        op.f("reservation_state_expires_at_idx"), "reservation", ["state", "expires_at"]
    )
    op.create_table(
        "warehouse",
        numbered(),
        sa.Column("code", sa.String(32), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint("rank >= 0", name=op.f("warehouse_rank_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("warehouse_pkey")),
        sa.UniqueConstraint("code", name=op.f("warehouse_code")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "stock",
        numbered(),
        sa.Column("sku", sa.String(64), nullable=False),
        sa.Column("warehouse_id", NUMBER, nullable=False),
        sa.Column("on_hand", sa.Integer(), nullable=False),
        sa.Column("reserved", sa.Integer(), nullable=False),
        sa.CheckConstraint("on_hand >= 0", name=op.f("stock_on_hand_not_negative")),
        sa.CheckConstraint(
            "reserved >= 0 AND reserved <= on_hand", name=op.f("stock_reserved_is_on_hand")
        ),
        refers("stock", "warehouse_id", "warehouse.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("stock_pkey")),
        sa.UniqueConstraint("sku", "warehouse_id", name=op.f("stock_once")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("stock_warehouse_id_idx"), "stock", ["warehouse_id"])
    op.create_table(
        "allocation",
        numbered(),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("stock_id", NUMBER, nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("allocation_positive")),
        refers("allocation", "order_id", "reservation.order_id"),
        refers("allocation", "stock_id", "stock.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("allocation_pkey")),
        sa.UniqueConstraint("order_id", "stock_id", name=op.f("allocation_once")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("allocation_stock_id_idx"), "allocation", ["stock_id"])
    op.create_table(
        "movement",
        numbered(),
        sa.Column("stock_id", NUMBER, nullable=False),
        sa.Column("delta", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("note", sa.String(200), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("moved_at", MOMENT, nullable=False),
        sa.CheckConstraint("delta <> 0", name=op.f("movement_moves")),
        refers("movement", "stock_id", "stock.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("movement_pkey")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("movement_order_id_idx"), "movement", ["order_id"])
    op.create_index(op.f("movement_stock_id_idx"), "movement", ["stock_id"])


def downgrade() -> None:
    for table in ("movement", "allocation", "stock", "warehouse", "reservation"):
        op.drop_table(table)
