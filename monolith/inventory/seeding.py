"""Fills the warehouses: most SKUs are plenty, some scarce, and a few not to be had."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from random import Random

from django.db import transaction

from monolith.inventory.models import Movement, Reason, Stock, Warehouse

WAREHOUSES = (("ber", "Berlin", 10), ("rtm", "Rotterdam", 20), ("lyo", "Lyon", 30))
BATCH = 1000


def fill(skus: Iterable[str], *, seed: int, advance: Callable[[int], object]) -> None:
    """Stock each SKU in one warehouse or more, a batch a transaction; ``advance`` hears of each.

    A SKU that is stocked already stays as it is. The same seed stocks a SKU in the same way.
    """
    warehouses = [
        Warehouse.objects.get_or_create(code=code, defaults={"name": name, "rank": rank})[0]
        for code, name, rank in WAREHOUSES
    ]
    left = iter(skus)
    while batch := list(islice(left, BATCH)):
        _stock(batch, warehouses, seed)
        advance(len(batch))


@transaction.atomic
def _stock(skus: list[str], warehouses: list[Warehouse], seed: int) -> None:
    there = set(Stock.objects.filter(sku__in=skus).values_list("sku", flat=True))
    stocks = Stock.objects.bulk_create(
        stock for sku in skus if sku not in there for stock in _stocks(sku, warehouses, seed)
    )
    Movement.objects.bulk_create(
        Movement(stock=stock, delta=stock.on_hand, reason=Reason.RECEIVED, actor="seed")
        for stock in stocks
        if stock.on_hand
    )


def _stocks(sku: str, warehouses: list[Warehouse], seed: int) -> list[Stock]:
    random = Random(f"{seed}/inventory/{sku}")  # noqa: S311 -- the same each time is the point
    kind = random.random()
    if kind < 0.02:
        return []
    scarce = kind < 0.08
    somewhere = random.sample(warehouses, 1 if scarce else random.randint(1, len(warehouses)))
    pieces = (1, 5) if scarce else (200, 5000)
    return [Stock(sku=sku, warehouse=each, on_hand=random.randint(*pieces)) for each in somewhere]
