"""The shop as it is in the demo, with inventory's service and a mover: small, and quick to open."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from demo.books import Books
from demo.databases import Databases
from demo.postbox import Postbox
from demo.processes import Part, run
from demo.settings import Settings
from demo.shop import PASSWORD, Shop
from strangler.ladder import Stage
from tests.e2e.transfer.hand import Hand, Said

BECAUSE = ("--force", "--reason", "a test of what comes later")
SETTINGS = "tests.e2e.transfer.settings"


@dataclass
class Street:
    """A shop that is open, and whoever moves its inventory.

    Attributes:
        stocks: a warehouse where each SKU lies, and how many pieces of it.
    """

    shop: Shop
    databases: Databases
    hand: Hand
    staff: dict[str, str]
    customers: list[dict[str, str]]
    stocks: dict[str, tuple[str, int]]

    @property
    def url(self) -> str:
        return self.shop.url

    @property
    def books(self) -> Books:
        return self.shop.books

    @property
    def service(self) -> Part:
        return self.shop.services["inventory"]

    @property
    def mover(self) -> Part:
        return self.shop.mover

    @contextmanager
    def client(self, headers: dict[str, str] | None = None) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=self.url, timeout=30, headers=headers) as client:
            yield client

    def climb(self, to: Stage) -> None:
        """Up to this rung, each gate but the first taken on trust."""
        rungs = [Stage.REPLICATING, Stage.SHADOW, Stage.CANARY, Stage.LIVE, Stage.RETIRED]
        at = self.stage()
        start = rungs.index(at) + 1 if at in rungs else 0
        for stage in rungs[start : rungs.index(to) + 1]:
            share = ("--percent", "50") if stage is Stage.CANARY else ()
            trusted = () if stage is Stage.REPLICATING else BECAUSE
            self.hand.insist("advance", "inventory", "--to", str(stage), *share, *trusted)
            if stage is Stage.REPLICATING:
                self.filled()

    def stand(self, on: Stage) -> None:
        """Stand on this rung, wherever the test before has left it."""
        rungs = list(Stage)
        at = self.stage()
        if rungs.index(at) > rungs.index(on):
            share = ("--percent", "50") if on is Stage.CANARY else ()
            self.down("--to", str(on), *share)
        elif at is not on:
            self.climb(on)

    def in_step(self) -> None:
        """Wait until the rows may change owner: that is forced by nobody."""
        self.until(lambda: self.hand.call("tests.e2e.transfer.making:in_step"), patience=90)

    def filled(self) -> None:
        """Wait until every row has been carried once."""
        self.until(lambda: (seen := self.seen())["backfilled"] and not _pending(seen))

    def carried(self) -> None:
        """Wait until what is written now has been carried."""
        until = time.time()
        self.until(
            lambda: (
                (report := self.seen()["report"])
                and report["pending"] == 0
                and time.time() - report["age"] > until
            )
        )

    def seen(self) -> dict[str, Any]:
        """What ``strangler transfer status`` says."""
        said = self.hand.strangler("transfer", "status", "inventory")
        assert "capabilities" in (said.answer or ()), said
        found: dict[str, Any] = said.answer["capabilities"][0]
        return found

    def stage(self) -> Stage:
        """Where inventory stands, whatever has become of the last command."""
        return Stage(self.seen()["stage"])

    def down(self, *arguments: str) -> Said:
        """One command down, which has to succeed."""
        return self.hand.insist("rollback", "inventory", *arguments)

    def change(self, *arguments: str) -> Said:
        """A change of owner; once more where a busy machine has had it undone."""
        for _ in range(3):
            said = self.hand.strangler(*arguments)
            if said.code == 0:
                return said
            time.sleep(1)
        return self.hand.insist(*arguments)

    def differing(self) -> list[dict[str, Any]]:
        """The rows that are not the same on both sides."""
        said = self.hand.strangler("transfer", "verify", "inventory")
        assert said.answer is not None, said
        found: list[dict[str, Any]] = said.answer["findings"]
        return found

    def rows(self, name: str, query: str) -> Sequence[Sequence[Any]]:
        return self.databases.rows(name, query)

    @staticmethod
    def until(holds: Callable[[], object], *, patience: float = 30.0) -> None:
        """Wait until something holds."""
        end = time.monotonic() + patience
        while not holds():
            assert time.monotonic() < end, "it never came to hold"
            time.sleep(0.05)


@contextmanager
def opened(
    databases: Databases,
    folder: Path,
    *,
    workers: int = 4,
    products: int = 16,
    customers: int = 3,
    edge: str = "middleware",
    bus: str = "http",
) -> Iterator[Street]:
    """Open the shop; everything is stopped at the end of the block."""
    folder.joinpath("log").mkdir(parents=True)
    size = Settings(
        stay=False,
        folder=folder,
        workers=workers,
        products=products,
        customers=customers,
        edge=edge,
        bus=bus,
    )
    with ExitStack() as stack:
        shop = Shop(size, databases, stack.enter_context(Postbox()))
        shop.env["DJANGO_SETTINGS_MODULE"] = SETTINGS
        for part in shop.parts:
            part._env["DJANGO_SETTINGS_MODULE"] = SETTINGS
        hand = stack.enter_context(Hand({**os.environ, **shop.env}, shop.log / "hand.log"))
        hand.call("tests.e2e.transfer.making:prepare", products, customers, shop.front.parties)
        if shop.front.preparing:
            run(shop.front.preparing, env=shop.env, log=shop.log / "prepare.log")
        moving = (shop.monolith, shop.services["inventory"], shop.mover)
        for part in (*shop.behind, *moving, *shop.front.parts):
            stack.callback(part.stop)
            part.start()
        with httpx.Client(base_url=shop.url, timeout=30) as client:
            staff = _log_in(client, "staff")
            yield Street(
                shop,
                databases,
                hand,
                staff,
                [_log_in(client, f"customer-{number + 1}") for number in range(customers)],
                _stocks(client, staff),
            )


def _log_in(client: httpx.Client, name: str) -> dict[str, str]:
    asked = {"username": name, "password": PASSWORD}
    answer = client.post("/api/identity/token", json=asked).raise_for_status()
    return {"Authorization": f"Bearer {answer.json()['access']}"}


def _stocks(client: httpx.Client, staff: dict[str, str]) -> dict[str, tuple[str, int]]:
    found: dict[str, tuple[str, int]] = {}
    page: str | None = "/api/inventory/stock"
    while page:
        answer = client.get(page, headers=staff).raise_for_status().json()
        for stock in answer["results"]:
            if stock["on_hand"]:
                found.setdefault(stock["sku"], (stock["warehouse"], stock["on_hand"]))
        page = answer["next"]
    return found


def _pending(seen: dict[str, Any]) -> int:
    report = seen["report"]
    return int(report["pending"]) if report else 1
