"""What it costs a business transaction to say its event: an order with three lines, durably.

The order is placed as a Django shop places it, by its models: an order, and for each line a stock
that is locked and taken from. That is the transaction which the goal is about, and the leanest that
the shop could have: its own checkout asks more (reservations, allocations, a saga's steps). The
server is set as PostgreSQL is by default, so a commit waits for the disk. Each turn is short, and
the two take turns, so that whatever else the machine does meets both.

Beside it the very same statements by psycopg alone, prepared, with no models at all. An application
like that could not be leaner, so any further statement is a good part of it: a row of the outbox
that nobody has numbered, in one INSERT, shows how much of the cost is that there is a row.
"""

from __future__ import annotations

import os
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from strangler.events.outbox import COLUMNS, said
from tests.bench.harness import Goal, Pair, Row, at_most, cpu_seconds, in_turn, row
from tests.bench.transfer_shop import Sane
from tests.strangler.events.sample import StarSeen
from tests.strangler.events.speaking import Speaker

COMMITS = 15
ROUNDS = 100
STOCKS = 1000
NAME = "an order with three lines, and its event"
SILENT = "without the event"
_COLUMNS = ", ".join(f'"{name}"' for name in COLUMNS)
_MARKS = ", ".join(["%s"] * len(COLUMNS))
BARE = f"INSERT INTO bare ({_COLUMNS}) VALUES ({_MARKS})"  # noqa: S608 - ours
BUSINESS = """
CREATE TABLE purchase (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer text NOT NULL,
    total numeric(12, 2) NOT NULL, at timestamptz NOT NULL);
CREATE TABLE line (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    purchase bigint NOT NULL REFERENCES purchase (id), sku text NOT NULL, quantity int NOT NULL);
CREATE TABLE stock (sku text PRIMARY KEY, on_hand int NOT NULL);
INSERT INTO stock SELECT 'SKU-' || n, 1000000 FROM generate_series(0, 999) n;
CREATE TABLE bare (LIKE strangler_outbox INCLUDING ALL);
"""


class Shop(ABC):
    """Places orders on one connection, and says so or not."""

    def __init__(self) -> None:
        self._random = random.Random(7)

    @abstractmethod
    def order(self, *, says: bool) -> None:
        """One of them, committed."""

    @abstractmethod
    def server(self) -> int:
        """The process of the server that serves this connection."""

    def taken(self) -> list[str]:
        """What is in an order, in an order that is everybody's."""
        return [f"SKU-{number}" for number in sorted(self._random.sample(range(STOCKS), 3))]

    def ordered(self, order: Callable[[], None]) -> tuple[float, float]:
        """Milliseconds for one, and of processor time, ours and the server's."""
        server = self.server()
        busy, began = time.process_time() + cpu_seconds(server), time.perf_counter()
        for _ in range(COMMITS):
            order()
        took = time.perf_counter() - began
        busy = time.process_time() + cpu_seconds(server) - busy
        return took / COMMITS * 1e3, busy / COMMITS * 1e3


class Django(Shop):
    """By the shop's own models, in the default database."""

    def __init__(self) -> None:
        from monolith.inventory.models import Stock, Warehouse

        super().__init__()
        self._warehouse = Warehouse.objects.create(code="near", name="Near")
        Stock.objects.bulk_create(
            Stock(sku=f"SKU-{number}", warehouse=self._warehouse, on_hand=1_000_000)
            for number in range(STOCKS)
        )

    def server(self) -> int:
        """The process of the server that serves this connection."""
        from django.db import connection

        connection.ensure_connection()
        return int(connection.connection.info.backend_pid)

    def order(self, *, says: bool) -> None:
        """One of them, committed."""
        from django.db import transaction
        from django.utils import timezone

        from contracts.ordering import OrderConfirmed, OrderState, SoldLine
        from monolith.inventory.models import Stock
        from monolith.ordering import checkout
        from monolith.ordering.models import Order, OrderLine

        price, now, number = Decimal("12.50"), timezone.now(), uuid4()
        with transaction.atomic():
            order = Order.objects.create(
                id=number,
                customer="ada",
                key=str(number),
                state=OrderState.CONFIRMED,
                country="DE",
                currency="EUR",
                total=3 * price,
                placed_at=now,
            )
            skus = self.taken()
            for position, sku in enumerate(skus):
                stocks = Stock.objects.select_for_update()
                stock = stocks.get(sku=sku, warehouse=self._warehouse)
                stock.on_hand -= 1
                stock.save(update_fields=["on_hand"])
                OrderLine.objects.create(
                    order=order,
                    position=position,
                    sku=sku,
                    quantity=1,
                    unit_price=price,
                    total=price,
                )
            if says:
                lines = [SoldLine(sku, 1, price) for sku in skus]
                checkout.events.publish(
                    OrderConfirmed(number, "ada", "DE", lines, "EUR", 3 * price, now)
                )


class Psycopg(Shop):
    """By the driver alone, which prepares what comes again."""

    def __init__(self, speaker: Speaker) -> None:
        super().__init__()
        self._outbox = speaker.outbox(limit=1_000_000)
        self._connection = psycopg.connect(speaker.url)

    def server(self) -> int:
        """The process of the server that serves this connection."""
        return self._connection.info.backend_pid

    def order(self, *, says: bool) -> None:
        """One of them, committed."""
        order = self._order()
        if says:
            event = said(StarSeen(f"order {order}", order, "x" * 100))
            self._outbox.write(lambda sql, values: self._run(sql, values).fetchall(), [event])
        self._connection.commit()

    def noted(self) -> None:
        """One, and a row like the outbox's that nobody has numbered."""
        order = self._order()
        row = said(StarSeen(f"order {order}", order, "x" * 100))
        self._run(BARE, [*row[:3], 1, *row[3:]])
        self._connection.commit()

    def _order(self) -> int:
        (order,) = self._run(
            "INSERT INTO purchase (customer, total, at) VALUES (%s, %s, now()) RETURNING id",
            ["ada", 12],
        ).fetchone() or (0,)
        for sku in self.taken():
            self._run("SELECT on_hand FROM stock WHERE sku = %s FOR UPDATE", [sku])
            self._run("UPDATE stock SET on_hand = on_hand - 1 WHERE sku = %s", [sku])
            self._run("INSERT INTO line (purchase, sku, quantity) VALUES (%s, %s, 1)", [order, sku])
        return order

    def _run(self, sql: str, values: list[Any]) -> psycopg.Cursor[Any]:
        return self._connection.execute(sql, values)

    def close(self) -> None:
        self._connection.close()


def bench(folder: Path) -> Iterator[Row]:
    """By Django, and by psycopg alone, on one server."""
    with ExitStack() as stack:
        server = stack.enter_context(Sane())
        django = _django(server.create(), folder)
        goal = at_most(1.15)
        found = _beside(partial(django.order, says=True), partial(django.order, says=False), django)
        yield _row(f"{NAME}, by Django", found, 0, SILENT, goal)
        yield _row(f"{NAME}, by Django, processor time of both", found, 1, SILENT, goal)
        speaker = Speaker(server.create())
        speaker.run(BUSINESS)
        lean = stack.enter_context(closing(Psycopg(speaker)))
        silent = partial(lean.order, says=False)
        found = _beside(partial(lean.order, says=True), silent, lean)
        yield _row(f"{NAME}, by psycopg alone", found, 0, SILENT)
        found = _beside(lean.noted, silent, lean)
        yield _row("the same with a row that nobody has numbered", found, 0, "without it")


def _django(url: str, folder: Path) -> Django:
    """The shop in this database; a process has one, and can have it once."""
    os.environ |= {
        "ALLOWED_HOSTS": "127.0.0.1",
        "DATABASE_URL": url,
        "DEBUG": "false",
        "DJANGO_SETTINGS_MODULE": "monolith.config.settings",
        "IDENTITY_KEYS": str(folder / "identity.json"),
        "SECRET_KEY": "of-no-use-to-anybody-" * 3,
        "VAR": str(folder),
    }
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    return Django()


Found = list[tuple[tuple[float, float], tuple[float, float]]]


def _beside(ours: Callable[[], None], peer: Callable[[], None], shop: Shop) -> Found:
    return in_turn(partial(shop.ordered, ours), partial(shop.ordered, peer), rounds=ROUNDS)


def _row(name: str, found: Found, which: int, peer: str, goal: Goal | None = None) -> Row:
    pairs = [Pair(ours[which], theirs[which]) for ours, theirs in found]
    return row(name, pairs, peer_name=peer, unit="ms", goal=goal)
