"""Stock for a believable shop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from random import Random

from django.db import transaction

from monolith.inventory.models import Movement, Reason, Stock, Warehouse

WAREHOUSES = (("ber", "Berlin", 10), ("rtm", "Rotterdam", 20), ("lyo", "Lyon", 30))
BATCH = 1000


def seed(skus: Iterable[str], *, random: Random) -> Iterator[int]:
    """Stock each SKU in one warehouse or more, and yield how many SKUs are done.

    A stock that is there already stays as it is, so it may run again. Some SKUs are scarce, and a
    few are not to be had at all.
    """
    warehouses = [
        Warehouse.objects.get_or_create(code=code, defaults={"name": name, "rank": rank})[0]
        for code, name, rank in WAREHOUSES
    ]
    left = iter(skus)
    done = 0
    while batch := list(islice(left, BATCH)):
        wanted = [
            Stock(sku=sku, warehouse=warehouse, on_hand=_pieces(random))
            for sku in batch
            for warehouse in random.sample(warehouses, random.randint(1, len(warehouses)))
        ]
        _stock(batch, wanted)
        done += len(batch)
        yield done


@transaction.atomic
def _stock(skus: list[str], wanted: list[Stock]) -> None:
    there = set(Stock.objects.filter(sku__in=skus).values_list("sku", flat=True))
    stocks = Stock.objects.bulk_create([stock for stock in wanted if stock.sku not in there])
    Movement.objects.bulk_create(
        Movement(stock=stock, delta=stock.on_hand, reason=Reason.RECEIVED, actor="seed")
        for stock in stocks
        if stock.on_hand
    )


def _pieces(random: Random) -> int:
    kind = random.random()
    if kind < 0.03:
        return 0
    if kind < 0.10:
        return random.randint(1, 5)
    return random.randint(50, 2000)
