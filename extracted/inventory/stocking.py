"""What staff do beside orders: receive, count, write off, and run the warehouses."""

from __future__ import annotations

from sqlalchemy.orm import Session

from extracted.inventory.claiming import claim
from extracted.inventory.models import Movement, Reason, Stock, Warehouse
from extracted.inventory.moments import now
from strangler.ports.errors import DeclaredError

BY_HAND = (Reason.RECEIVED, Reason.COUNTED, Reason.DAMAGED, Reason.LOST)
"""The reasons a person may give; the others are what orders do."""


class NotOnHand(DeclaredError, status=409):
    """Fewer are on hand, and not kept for orders, than shall be taken away."""

    sku: str
    available: int


def adjust(
    session: Session,
    *,
    sku: str,
    warehouse: Warehouse,
    delta: int,
    reason: Reason,
    note: str = "",
    actor: str = "",
) -> Movement:
    """Put ``delta`` pieces into stock, or take them out of it, and write down why and who.

    Raises:
        NotOnHand: it would take what is kept for orders, or more than there is.
    """
    key = {"sku": sku, "warehouse_id": warehouse.id}
    stock, _ = claim(session, Stock, key, {"on_hand": 0, "reserved": 0})
    if stock.available + delta < 0:
        raise NotOnHand(sku=sku, available=stock.available)
    stock.on_hand += delta
    movement = Movement(
        stock_id=stock.id,
        delta=delta,
        reason=reason.value,
        note=note,
        actor=actor,
        moved_at=now(),
    )
    session.add(movement)
    session.flush()
    return movement
