"""Whether the books balance: what is on hand and what is kept, against why."""

from __future__ import annotations

from sqlalchemy import func, select

from extracted.inventory.models import Allocation, Movement, Reservation, Stock, Warehouse
from strangler.sqlalchemy.database import Database


def imbalances(database: Database) -> list[str]:
    """One sentence for each stock that is not the sum of its movements and of its holds."""
    moved = select(func.coalesce(func.sum(Movement.delta), 0)).where(Movement.stock_id == Stock.id)
    held = (
        select(func.coalesce(func.sum(Allocation.quantity), 0))
        .join(Reservation, Reservation.order_id == Allocation.order_id)
        .where(Allocation.stock_id == Stock.id, Reservation.state == "held")
    )
    rows = select(Stock, Warehouse.code, moved.scalar_subquery(), held.scalar_subquery()).join(
        Stock.warehouse
    )
    with database.reading() as session:
        return [
            f"{row.sku} in {code}: {row.on_hand} on hand, its movements make {moves}; "
            f"{row.reserved} reserved, its holds make {holds}"
            for row, code, moves, holds in session.execute(rows)
            if (row.on_hand, row.reserved) != (moves, holds)
        ]


def counted(database: Database, state: str) -> dict[str, int]:
    """How many pieces of each SKU the reservations in this state have."""
    rows = (
        select(Stock.sku, func.sum(Allocation.quantity))
        .join(Allocation.stock)
        .join(Reservation, Reservation.order_id == Allocation.order_id)
        .where(Reservation.state == state)
        .group_by(Stock.sku)
    )
    with database.reading() as session:
        return {sku: int(quantity) for sku, quantity in session.execute(rows)}


def on_hand(database: Database) -> dict[str, int]:
    """How many of each SKU lie in all warehouses."""
    rows = select(Stock.sku, func.sum(Stock.on_hand)).group_by(Stock.sku)
    with database.reading() as session:
        return {sku: int(quantity) for sku, quantity in session.execute(rows)}
