"""A seeded warehouse is one whose books balance."""

from __future__ import annotations

import pytest

from monolith.inventory import models, seeding
from tests.monolith.inventory.books import imbalances

pytestmark = pytest.mark.django_db
SKUS = [f"SKU-{number}" for number in range(300)]


def snapshot() -> list[tuple[str, str, int]]:
    rows = models.Stock.objects.order_by("sku", "warehouse__code")
    return list(rows.values_list("sku", "warehouse__code", "on_hand"))


def test_the_same_seed_stocks_the_same(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(seeding, "BATCH", 120)
    done: list[int] = []
    seeding.fill(SKUS[:200], seed=1, advance=done.append)
    first = snapshot()
    seeding.fill(SKUS, seed=1, advance=done.append)

    assert done == [120, 80, 120, 120, 60]
    assert set(first) < set(snapshot()), "what is stocked already stays as it is"
    assert imbalances() == []
    on_hand = models.Stock.objects.values_list("on_hand", flat=True)
    assert min(on_hand) <= 5
    assert max(on_hand) >= 200
    assert models.Stock.objects.values("sku").distinct().count() < len(SKUS)
