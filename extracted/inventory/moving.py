"""What an allocation does to the stock that it is served from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from extracted.inventory.models import Allocation, Movement, Reason, Stock
from extracted.inventory.moments import now


def stockable(skus: Iterable[str]) -> list[str]:
    """Those that can be looked for: PostgreSQL refuses text with a zero byte in it."""
    return [sku for sku in skus if "\0" not in sku]


def in_lock_order(session: Session, orders: Collection[UUID]) -> Sequence[Allocation]:
    """What is allocated to these orders, by SKU and warehouse: as everybody locks stock."""
    found = (
        select(Allocation)
        .join(Allocation.stock)
        .where(Allocation.order_id.in_(orders))
        .order_by(Stock.sku, Stock.warehouse_id)
    )
    return session.scalars(found).all()


def move(
    session: Session,
    allocation: Allocation,
    *,
    reserved: int = 0,
    on_hand: int = 0,
    reason: Reason | None = None,
) -> None:
    """Keep so many times the allocation's pieces more, and have so many times them more on hand.

    What is on hand changes for a ``reason``, which is written down.
    """
    quantity = allocation.quantity
    session.execute(
        update(Stock)
        .where(Stock.id == allocation.stock_id)
        .values(
            reserved=Stock.reserved + reserved * quantity,
            on_hand=Stock.on_hand + on_hand * quantity,
        )
        .execution_options(synchronize_session=False)
    )
    if reason is not None:
        session.add(
            Movement(
                stock_id=allocation.stock_id,
                delta=on_hand * quantity,
                reason=reason.value,
                order_id=allocation.order_id,
                moved_at=now(),
            )
        )
