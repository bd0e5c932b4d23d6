"""A program: processes and threads race for the last goods in the database at a URL.

It prints what happened as JSON. ``python race.py URL PROCESSES THREADS``.
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

from sqlalchemy import func, select, update

from contracts.inventory import Item, OutOfStock, ReservationEnded
from extracted.inventory.expiry import Timer, expire_once
from extracted.inventory.migrating import SCHEMA
from extracted.inventory.models import Reason, Reservation, Stock, Warehouse
from extracted.inventory.moments import now
from extracted.inventory.service import InventoryService
from extracted.inventory.stocking import adjust
from strangler.sqlalchemy.database import Database
from tests.extracted.inventory.books import counted, imbalances, on_hand

FIXED = uuid.UUID(int=1)
STOCK = {"A": 40, "B": 60, "C": 25, "LAST": 20}


class Racer:
    """One thread of a process, and what it has seen."""

    def __init__(self, database: Database, seed: int) -> None:
        self.database = database
        self.inventory = InventoryService(database)
        self.random = Random(seed)
        self.seen: Counter[str] = Counter()

    def fight_over_one_order(self) -> None:
        """Everybody delivers the same calls, as retries do."""
        answer = self.inventory.reserve(FIXED, [Item("A", 2), Item("B", 1)])
        self.seen[f"order {sorted(part.quantity for part in answer.allocations)}"] += 1
        self.inventory.commit(FIXED)

    def grab_the_last(self) -> None:
        """More buyers than pieces, each for one piece at a time."""
        for _ in range(4):
            order = uuid.uuid4()
            try:
                self.inventory.reserve(order, [Item("LAST", 1)])
            except OutOfStock:
                self.seen["too late"] += 1
            else:
                self.inventory.commit(order)
                self.seen["got one of the last"] += 1

    def disturb(self) -> None:
        """Let holds lapse and expire while others decide about them."""
        for _ in range(6):
            order = uuid.uuid4()
            try:
                skus = self.random.sample("ABC", 2)
                self.inventory.reserve(order, [Item(sku, 1) for sku in skus])
                if self.random.random() < 0.7:
                    with self.database.transaction() as session:
                        held = update(Reservation).where(Reservation.order_id == order)
                        session.execute(held.values(expires_at=now()))
                if self.random.random() < 0.5:
                    self.seen["expired"] += expire_once(self.database)
                self.random.choice((self.inventory.commit, self.inventory.release))(order)
                self.seen["decided"] += 1
            except (OutOfStock, ReservationEnded) as error:
                self.seen[type(error).__name__] += 1

    def buy_until_nothing_is_left(self) -> None:
        """Orders of one to three SKUs, named in any order: committed, released or refused."""
        refused = 0
        while refused < 3:
            skus = self.random.sample("ABC", self.random.randint(1, 3))
            order = uuid.uuid4()
            try:
                self.inventory.reserve(order, [Item(s, self.random.randint(1, 2)) for s in skus])
            except OutOfStock:
                refused += 1
                self.seen["refused"] += 1
                continue
            if self.random.random() < 0.2:
                self.inventory.release(order)
                self.seen["released"] += 1
            else:
                self.inventory.commit(order)
                self.seen["committed"] += 1

    def run(self) -> None:
        self.fight_over_one_order()
        self.grab_the_last()
        self.disturb()
        self.buy_until_nothing_is_left()


def prepare(database: Database) -> None:
    SCHEMA.migrate(database)
    with database.transaction() as session:
        for code, rank in (("near", 1), ("far", 2)):
            warehouse = Warehouse(code=code, name=code, rank=rank)
            session.add(warehouse)
            session.flush()
            for sku, quantity in STOCK.items():
                half = quantity // 2
                part = half if code == "near" else quantity - half
                adjust(session, sku=sku, warehouse=warehouse, delta=part, reason=Reason.RECEIVED)


def run(url: str, number: int, threads: int, start: float, results: Any) -> None:
    """One process, with a timer of its own, as a replica of the service has."""
    errors: list[str] = []
    with Database(url, connections=threads + 1) as database, Timer(database, every=0.05):
        racers = [Racer(database, number * 100 + index) for index in range(threads)]

        def one(racer: Racer) -> None:
            time.sleep(max(0, start - time.time()))
            try:
                racer.run()
            except Exception as error:  # noqa: BLE001 - whatever it is, the test shall see it
                errors.append(repr(error))

        workers = [threading.Thread(target=one, args=(racer,)) for racer in racers]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    results.put((dict(sum((racer.seen for racer in racers), Counter())), errors))


def audit(database: Database) -> dict[str, Any]:
    expire_once(database)
    with database.reading() as session:
        reserved = session.scalar(select(func.sum(Stock.reserved)))
    return {
        "left": on_hand(database),
        "sold": counted(database, "committed"),
        "reserved": int(reserved or 0),
        "imbalances": imbalances(database),
    }


def main(url: str, processes: int, threads: int) -> None:
    with Database(url) as database:
        prepare(database)
    fork = multiprocessing.get_context("fork")
    results = fork.SimpleQueue()
    start = time.time() + 0.5
    racers = [
        fork.Process(target=run, args=(url, number, threads, start, results))
        for number in range(processes)
    ]
    for racer in racers:
        racer.start()
    seen: Counter[str] = Counter()
    errors: list[str] = []
    for _ in racers:
        counts, failed = results.get()
        seen.update(counts)
        errors += failed
    for racer in racers:
        racer.join()
    with Database(url) as database:
        sys.stdout.write(json.dumps({"seen": seen, "errors": errors, **audit(database)}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
