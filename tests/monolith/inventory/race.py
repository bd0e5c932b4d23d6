"""A program: processes and threads race for the last goods in the database that DATABASE_URL names.

It prints what happened as JSON. ``python race.py PROCESSES THREADS``.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import threading
import time
import uuid
from collections import Counter
from random import Random
from typing import Any

import django
from django.core.management import call_command
from django.db import connections
from django.db.models import Sum
from django.utils import timezone

django.setup()

from contracts.inventory import Item, OutOfStock, ReservationEnded  # noqa: E402 - needs the set-up
from monolith.inventory.models import (  # noqa: E402 - ditto
    Allocation,
    Reason,
    Reservation,
    Stock,
    Warehouse,
)
from monolith.inventory.service import InventoryService  # noqa: E402 - ditto
from monolith.inventory.stocking import adjust  # noqa: E402 - ditto
from monolith.inventory.tasks import expire_reservations  # noqa: E402 - ditto
from tests.monolith.inventory.books import imbalances  # noqa: E402 - ditto

inventory = InventoryService()
FIXED = uuid.UUID(int=1)
STOCK = {"A": 40, "B": 60, "C": 25, "LAST": 20}


def prepare() -> None:
    call_command("migrate", verbosity=0)
    for code, rank in (("near", 1), ("far", 2)):
        warehouse = Warehouse.objects.create(code=code, name=code, rank=rank)
        for sku, quantity in STOCK.items():
            half = quantity // 2
            part = half if code == "near" else quantity - half
            adjust(sku=sku, warehouse=warehouse, delta=part, reason=Reason.RECEIVED)


def buy_until_nothing_is_left(random: Random, seen: Counter[str]) -> None:
    """Orders of one to three SKUs, named in any order: each ends committed, released, refused."""
    refused = 0
    while refused < 3:
        skus = random.sample("ABC", random.randint(1, 3))
        items = [Item(sku, random.randint(1, 2)) for sku in skus]
        order = uuid.uuid4()
        try:
            inventory.reserve(order, items)
        except OutOfStock:
            refused += 1
            seen["refused"] += 1
            continue
        if random.random() < 0.2:
            inventory.release(order)
            seen["released"] += 1
        else:
            inventory.commit(order)
            seen["committed"] += 1


def fight_over_one_order(random: Random, seen: Counter[str]) -> None:
    """Everybody delivers the same three calls, as retries do."""
    answer = inventory.reserve(FIXED, [Item("A", 2), Item("B", 1)])
    seen[f"order {sorted(part.quantity for part in answer.allocations)}"] += 1
    inventory.commit(FIXED)


def grab_the_last(random: Random, seen: Counter[str]) -> None:
    """More buyers than pieces, each for one piece at a time."""
    for _ in range(4):
        order = uuid.uuid4()
        try:
            inventory.reserve(order, [Item("LAST", 1)])
        except OutOfStock:
            seen["too late"] += 1
        else:
            inventory.commit(order)
            seen["got one of the last"] += 1


def disturb(random: Random, seen: Counter[str]) -> None:
    """Let holds lapse and expire while others decide about them."""
    for _ in range(6):
        order = uuid.uuid4()
        try:
            inventory.reserve(order, [Item(sku, 1) for sku in random.sample("ABC", 2)])
            if random.random() < 0.7:
                Reservation.objects.filter(order=order).update(expires_at=timezone.now())
            if random.random() < 0.5:
                seen["expired"] += expire_reservations()
            random.choice((inventory.commit, inventory.release))(order)
            seen["decided"] += 1
        except (OutOfStock, ReservationEnded) as error:
            seen[type(error).__name__] += 1


STORIES = (fight_over_one_order, grab_the_last, disturb, buy_until_nothing_is_left)


def run(number: int, threads: int, start: float, results: Any) -> None:
    counters: list[Counter[str]] = [Counter() for _ in range(threads)]
    errors: list[str] = []

    def one(index: int) -> None:
        random = Random(number * 100 + index)
        time.sleep(max(0, start - time.time()))
        try:
            for story in STORIES:
                story(random, counters[index])
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shall see it
            errors.append(repr(error))
        finally:
            connections.close_all()

    workers = [threading.Thread(target=one, args=(index,)) for index in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    results.put((dict(sum(counters, Counter())), errors))


def audit() -> dict[str, Any]:
    expire_reservations()
    left = dict(Stock.objects.order_by().values_list("sku").annotate(Sum("on_hand")))
    committed = Allocation.objects.filter(reservation__state="committed")
    sold = dict(committed.order_by().values_list("stock__sku").annotate(Sum("quantity")))
    return {
        "left": left,
        "sold": sold,
        "reserved": Stock.objects.aggregate(Sum("reserved"))["reserved__sum"],
        "imbalances": imbalances(),
    }


def main(processes: int, threads: int) -> None:
    prepare()
    connections.close_all()
    fork = multiprocessing.get_context("fork")
    results = fork.SimpleQueue()
    start = time.time() + 0.3
    racers = [
        fork.Process(target=run, args=(number, threads, start, results))
        for number in range(processes)
    ]
    for racer in racers:
        racer.start()
    seen: Counter[str] = Counter()
    errors: list[str] = []
    for _ in racers:
        counted, failed = results.get()
        seen.update(counted)
        errors += failed
    for racer in racers:
        racer.join()
    sys.stdout.write(json.dumps({"seen": seen, "errors": errors, **audit()}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
