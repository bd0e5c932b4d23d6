"""Whether the books balance: what is on hand and what is kept, against why."""

from __future__ import annotations

from django.db.models import F, IntegerField, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from contracts.inventory import ReservationState
from monolith.inventory.models import Allocation, Movement, Stock


def imbalances() -> list[str]:
    """One sentence for each stock that is not the sum of its movements and of its holds."""
    moved = Movement.objects.filter(stock=OuterRef("pk")).values("stock")
    held = Allocation.objects.filter(
        stock=OuterRef("pk"), reservation__state=ReservationState.HELD
    ).values("stock")
    rows = (
        Stock.objects.annotate(moved=_total(moved, "delta"), held=_total(held, "quantity"))
        .exclude(on_hand=F("moved"), reserved=F("held"))
        .select_related("warehouse")
    )
    return [
        f"{row.sku} in {row.warehouse}: {row.on_hand} on hand, its movements make {row.moved}; "
        f"{row.reserved} reserved, its holds make {row.held}"
        for row in rows
    ]


def _total(rows: QuerySet, field: str) -> Coalesce:
    total = rows.order_by().annotate(total=Sum(field)).values("total")
    return Coalesce(Subquery(total, output_field=IntegerField()), 0)
