"""Two warehouses, and what lies in them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from monolith.inventory import models
from monolith.inventory.stocking import adjust


@pytest.fixture
def warehouses(db: None) -> dict[str, models.Warehouse]:
    """``near`` is asked before ``far``."""
    create = models.Warehouse.objects.create
    return {
        "far": create(code="far", name="Far", rank=20),
        "near": create(code="near", name="Near", rank=10),
    }


@pytest.fixture
def stock(warehouses: dict[str, models.Warehouse]) -> Callable[..., None]:
    """``stock("A", near=3, far=5)``"""

    def put(sku: str, **quantities: int) -> None:
        for code, quantity in quantities.items():
            adjust(
                sku=sku,
                warehouse=warehouses[code],
                delta=quantity,
                reason=models.Reason.RECEIVED,
            )

    return put


@pytest.fixture
def lapse(db: None) -> Callable[[UUID], None]:
    """Let the time of an order's hold run out."""

    def lapse(order: UUID) -> None:
        models.Reservation.objects.filter(order=order).update(
            expires_at=timezone.now() - timedelta(seconds=1)
        )

    return lapse
