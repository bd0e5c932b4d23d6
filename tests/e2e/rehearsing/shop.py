"""The shop as it is in the demo, whose catalog and inventory stand in the shadow."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from demo.databases import Databases
from demo.settings import Settings
from demo.shop import PASSWORD, Shop
from tests.e2e.transfer.hand import Hand

NAMES = ("catalog", "inventory")


@dataclass
class Rehearsed:
    """A shop that is open."""

    shop: Shop
    databases: Databases
    hand: Hand
    client: httpx.Client

    def wrong(self, name: str, how: str) -> None:
        """Let another service take the place of this one, which does something wrong."""
        part = self.shop.services[name]
        part.stop()
        part._command[1:3] = ["-m", "tests.e2e.rehearsing.wrong", name]
        part.start(WRONG=how)

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
    shop = Shop(Settings(stay=False, folder=folder, workers=2, products=8, customers=1), databases)
    with ExitStack() as stack:
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
            yield Rehearsed(shop, databases, hand, client)


if __name__ == "__main__":
    import tempfile

    from demo import databases as dbs

    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "shop"
        folder.mkdir()
        began = time.monotonic()
        with dbs.opened(sys.argv[1], folder) as files, opened(files, folder) as it:
            print("opened", time.monotonic() - began)
            skus = [one["sku"] for one in it.client.get("/api/catalog/products/").json()["results"]]
            for n in range(12):
                r = it.client.put(
                    f"/api/catalog/products/{skus[n % 5]}/price",
                    json={"amount": f"{n + 3}.25", "currency": "EUR"},
                )
                print(r.status_code, r.text[:80])
                time.sleep(0.15)
            stock = it.client.get("/api/inventory/stock").json()["results"][0]
            for n in range(8):
                r = it.client.post(
                    "/api/inventory/movements",
                    json={
                        "sku": stock["sku"],
                        "warehouse": stock["warehouse"],
                        "reason": "received",
                        "delta": 5,
                        "note": str(n),
                    },
                )
                print(r.status_code)
                time.sleep(0.15)
            it.hand.call("tests.e2e.rehearsing.making:orders", stock["sku"], 9)
            time.sleep(3)
            for name in NAMES:
                print(name, __import__("json").dumps(it.found(name), indent=1))
            for log in sorted((folder / "log").iterdir()):
                print("=====", log.name)
                print("\n".join(log.read_text().splitlines()[-6:]))
