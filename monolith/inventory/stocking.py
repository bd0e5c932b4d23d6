"""What staff do to the stock, beside orders: receive, count, write off."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F

from monolith.inventory.models import Movement, Reason, Stock, Warehouse
from strangler.ports.errors import DeclaredError

BY_HAND = (Reason.RECEIVED, Reason.COUNTED, Reason.DAMAGED, Reason.LOST)
"""The reasons a person may give; the others are what orders do."""


class NotOnHand(DeclaredError, status=409):
    """Fewer are on hand, and not kept for orders, than shall be taken away."""

    sku: str
    available: int


def storable(text: str) -> bool:
    """Whether anything can be called so: PostgreSQL would not even look for a zero byte."""
    return "\0" not in text


@transaction.atomic
def adjust(
    *, sku: str, warehouse: Warehouse, delta: int, reason: Reason, note: str = "", actor: str = ""
) -> Movement:
    """Put ``delta`` pieces into stock, or take them out of it, and write down why and who.

    Raises:
        NotOnHand: it would take what is kept for orders, or more than there is.
    """
    stock, _ = Stock.objects.select_for_update().get_or_create(sku=sku, warehouse=warehouse)
    if stock.available + delta < 0:
        raise NotOnHand(sku=sku, available=stock.available)
    Stock.objects.filter(pk=stock.pk).update(on_hand=F("on_hand") + delta)
    stock.refresh_from_db()
    return Movement.objects.create(stock=stock, delta=delta, reason=reason, note=note, actor=actor)
