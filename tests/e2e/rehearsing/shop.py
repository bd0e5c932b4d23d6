"""The shop as it is in the demo, whose catalog and inventory stand in the shadow."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from demo.databases import Databases
from demo.postbox import Postbox
from demo.settings import Settings
from demo.shop import PASSWORD, Shop
from tests.e2e.transfer.hand import Hand

NAMES = ("catalog", "inventory")
PAUSE = 0.12
"""Seconds between two commands, in which the first is delivered."""


@dataclass
class Rehearsed:
    """A shop that is open."""

    shop: Shop
    databases: Databases
    hand: Hand
    client: httpx.Client
    products: list[tuple[str, str]]
    """Their SKUs and currencies."""
    stock: dict[str, Any]
    prices: Iterator[int] = field(default_factory=lambda: itertools.count(3))

    def wrong(self, how: str) -> None:
        """Let another service take the catalog's place, which does something wrong; or nothing."""
        part = self.shop.services["catalog"]
        part.stop()
        part._command[1:3] = ["-m", "tests.e2e.rehearsing.wrong"]
        part.start(WRONG=how)

    def reprice(self, times: int = 6) -> float:
        """Staff change prices; the seconds that the slowest of these took."""
        slowest = 0.0
        for number in range(times):
            sku, currency = self.products[number % len(self.products)]
            price = {"amount": f"{next(self.prices)}.25", "currency": currency}
            began = time.monotonic()
            self.client.put(f"/api/catalog/products/{sku}/price", json=price).raise_for_status()
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(PAUSE)
        return slowest

    def command(self, method: str, path: str, body: dict[str, Any], status: int) -> Any:
        """One command of staff's, which is answered so."""
        answer = self.client.request(method, path, json=body)
        assert answer.status_code == status, answer.text
        time.sleep(PAUSE)
        return answer.json()

    def same(self) -> None:
        """Both sides hold the same rows."""
        for name in NAMES:
            said = self.hand.strangler("transfer", "verify", name)
            assert said.answer["findings"] == [], said

    def gate(self, name: str) -> list[tuple[str, str]]:
        """What the gate says."""
        return [tuple(one) for one in self.hand.call("tests.e2e.rehearsing.making:gate", name)]

    def found(self, name: str) -> dict[str, Any]:
        return self.hand.call("tests.e2e.rehearsing.making:found", name)

    def renew(self, name: str) -> None:
        """Forget what was found."""
        self.hand.insist("renew", name, "--reason", "a test begins")

    def until(self, name: str, holds: Callable[[dict[str, Any]], Any], patience: float = 40) -> Any:
        """Wait until this holds of what is found."""
        end = time.monotonic() + patience
        while not holds(found := self.found(name)):
            assert time.monotonic() < end, found
            time.sleep(0.2)
        return found


def _climbs(hand: Hand, name: str) -> None:
    end = time.monotonic() + 60
    while (said := hand.strangler("advance", name, "--to", "shadow")).code:
        assert time.monotonic() < end, said
        time.sleep(0.3)


@contextmanager
def opened(databases: Databases, folder: Path) -> Iterator[Rehearsed]:
    """Open the shop; everything is stopped at the end of the block."""
    folder.joinpath("log").mkdir(parents=True)
    size = Settings(stay=False, folder=folder, workers=2, products=8, customers=1)
    with ExitStack() as stack:
        shop = Shop(size, databases, stack.enter_context(Postbox()))
        environment = {**os.environ, **shop.env}
        with Hand(environment, shop.log / "prepare.log") as first:  # there are no keys yet
            first.call("tests.e2e.rehearsing.making:prepare", 8, 1)
        hand = stack.enter_context(Hand(environment, shop.log / "hand.log"))
        for part in (shop.monolith, *(shop.services[name] for name in NAMES), shop.mover):
            stack.callback(part.stop)
            part.start()
        for name in NAMES:
            hand.insist("advance", name, "--to", "replicating")
        for name in NAMES:
            _climbs(hand, name)
        with httpx.Client(base_url=shop.url, timeout=30) as client:
            asked = {"username": "staff", "password": PASSWORD}
            answer = client.post("/api/identity/token", json=asked).raise_for_status()
            client.headers["Authorization"] = f"Bearer {answer.json()['access']}"
            found = client.get("/api/catalog/products/").json()["results"]
            products = [(one["sku"], one["price"]["currency"]) for one in found]
            stock = client.get("/api/inventory/stock").json()["results"][0]
            yield Rehearsed(shop, databases, hand, client, products, stock)
