"""The shop with all who work behind the scenes, and whoever buys in it."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import httpx

from demo import databases
from demo.processes import Part
from demo.told import plain
from tests.chaos.servers import Durable
from tests.e2e.transfer.street import Street, opened

PAYMENTS = ("card", "card", "card", "sandbox-declined", "sandbox-no-funds", "sandbox-after")
PATIENCE = 120.0

ACTIVE = "SELECT sku FROM catalog_product WHERE active"
UNENDED = "SELECT count(*) FROM strangler_saga WHERE ended IS NULL"
REGRETS = 0.25
"""The share of orders that their customers cancel."""
UNSAID = "SELECT count(*) FROM strangler_outbox"
UNDELIVERED = "SELECT count(*) FROM strangler_queue"
UNSENT = "SELECT count(*) FROM notifications_notification WHERE state IN ('pending', 'failed')"


@contextmanager
def open_shop(folder: Path, server: Durable | None = None, **size: int) -> Iterator[Street]:
    """A shop on SQLite with the http bus, or on that server with Redis; everybody is at work."""
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        if server is None:
            files = stack.enter_context(databases.opened("sqlite", folder))
        else:
            files = databases._on(server)
        bus = "redis" if server else "http"
        street = stack.enter_context(opened(files, folder, bus=bus, **size))
        for part in street.shop.behind:
            if part._process is None:
                stack.callback(part.stop)
                part.start()
        yield street


def behind(street: Street, name: str) -> Part:
    """Whoever works behind the scenes, by name."""
    return next(part for part in street.shop.behind if part.name == f"the {name}")


@dataclass
class Bought:
    """What customers were told: the order's id, or why there is none, by key."""

    placed: dict[str, str] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    """Orders."""
    refused: Counter[str] = field(default_factory=Counter)
    gave_up: list[str] = field(default_factory=list)

    @property
    def promised(self) -> dict[str, str]:
        """What they were told at last, by order."""
        return {
            order: "cancelled" if order in self.cancelled else "confirmed"
            for order in self.placed.values()
        }


class Buyers:
    """Customers, each a thread: what was not answered is sent again. Some think better of it."""

    def __init__(self, street: Street, *, each: int, scarce: str, seed: int) -> None:
        self.bought = Bought()
        self._street = street
        self._each = each
        self._scarce = scarce
        self._sold = sellable(street)
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._buy, args=(headers, seed + number))
            for number, headers in enumerate(street.customers)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join()

    @property
    def busy(self) -> bool:
        """Is anybody still buying?"""
        return any(thread.is_alive() for thread in self._threads)

    def _buy(self, headers: dict[str, str], seed: int) -> None:
        pick = random.Random(seed)
        with self._street.client(headers) as client:
            for _ in range(self._each):
                key, wanted = uuid.uuid4().hex, self._wish(pick)
                self._order(client, key, wanted)
                if key in self.bought.placed and pick.random() < REGRETS:
                    self._cancel(client, self.bought.placed[key])

    def _wish(self, pick: random.Random) -> dict[str, Any]:
        scarce = pick.random() < 0.3
        sku = self._scarce if scarce else pick.choice(self._sold)
        lines = [{"sku": sku, "quantity": pick.randint(1, 5 if scarce else 2)}]
        return {
            "lines": lines, "country": "DE", "coupon": None, "payment": pick.choice(PAYMENTS),
        }  # fmt: skip

    def _order(self, client: httpx.Client, key: str, wanted: dict[str, Any]) -> None:
        answer = self._insist(
            client, "/api/ordering/orders", {"OrderRejected"}, json=wanted,
            headers={"Idempotency-Key": key},
        )  # fmt: skip
        with self._lock:
            if answer is None:
                return
            if answer.status_code < 300:
                self.bought.placed[key] = plain(answer.json()["id"])
            else:
                self.bought.refused[str(answer.json()["detail"].get("cause"))] += 1

    def _cancel(self, client: httpx.Client, order: str) -> None:
        if self._insist(client, f"/api/ordering/orders/{uuid.UUID(order)}/cancel", set()):
            with self._lock:
                self.bought.cancelled.add(order)

    def _insist(
        self, client: httpx.Client, path: str, refusals: set[str], **request: Any
    ) -> httpx.Response | None:
        """Ask until it is done, or refused for one of these reasons; None if that never comes."""
        until = time.monotonic() + PATIENCE
        said = ""
        while time.monotonic() < until:
            try:
                answer = client.post(path, **request)
            except httpx.TransportError as error:
                said = repr(error)
                time.sleep(0.3)
                continue
            said = f"{answer.status_code} {answer.text[:200]}"
            if answer.status_code < 300 or answer.json().get("error") in refusals:
                return answer
            time.sleep(0.3)
        with self._lock:
            self.bought.gave_up.append(f"{path}: {said}")
        return None


def idle(street: Street) -> bool:
    """Has everything ended that was begun?

    It is looked for in the order in which one leads to the next: what moves on meanwhile is seen
    further down.
    """

    def left(query: str) -> bool:
        return bool(street.rows("monolith", query)[0][0])

    if left(UNENDED) or left(UNSAID):
        return False
    waiting = street.shop.backstage.waiting()
    return not (left(UNDELIVERED) if waiting is None else waiting) and not left(UNSENT)


@dataclass
class Open:
    """A street's books, while it is open."""

    street: Street

    def rows(self, side: str, query: str) -> Sequence[Sequence[Any]]:
        """See ``Source``."""
        return self.street.rows(side, query)

    def charged(self) -> dict[str, Decimal]:
        """See ``Source``."""
        return self.street.shop.backstage.charged()


def sellable(street: Street) -> list[str]:
    """The SKUs that are for sale."""
    active = {sku for (sku,) in street.rows("monolith", ACTIVE)}
    return sorted(active & street.stocks.keys())
