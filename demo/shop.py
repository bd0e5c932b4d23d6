"""The shop that the film plays in: what runs, what is in it, and what its books say afterwards."""

from __future__ import annotations

import itertools
import random
import secrets
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing
from decimal import Decimal
from typing import Any

import httpx

from demo.ledger import FoundOrder
from demo.processes import Part, free_port, run
from demo.settings import Settings, write_manifest, wrong_rules
from demo.traffic import Basket, Customer, World

COUNTRIES = ("DE", "AT", "FR", "GB", "US")
COUPONS = (None, None, None, "WELCOME10")
BASKETS = 40
PASSWORD = "only-in-the-film"  # noqa: S105  # everybody in the film has it
SOLD = """
    SELECT movement."order", stock.sku, -SUM(movement.delta)
    FROM inventory_movement AS movement
    JOIN inventory_stock AS stock ON stock.id = movement.stock_id
    WHERE movement.reason = 'sold' GROUP BY 1, 2
"""


class Shop:
    """The monolith behind its edge, and the service beside it, each on a free port."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        folder = settings.folder
        monolith, service = free_port(), free_port()
        self.url = f"http://127.0.0.1:{monolith}"
        self.log = folder / "log"
        self.database = folder / "monolith.sqlite3"
        manifest = write_manifest(
            settings, monolith=self.url, service=f"http://127.0.0.1:{service}"
        )
        self.env = {
            "ALLOWED_HOSTS": "127.0.0.1",
            "DEBUG": "false",
            "HTTPS": "false",
            "IDENTITY_ACCESS_SECONDS": "3600",
            "IDENTITY_KEYS": str(folder / "identity.json"),
            "SECRET_KEY": secrets.token_urlsafe(48),
            "VAR": str(folder),
            "DATABASE_URL": f"sqlite:///{self.database}",
            "DJANGO_SETTINGS_MODULE": "monolith.config.settings",
            "IDENTITY_DEMO_PASSWORD": PASSWORD,
            "STRANGLER_EDGE": "middleware",
            "STRANGLER_MANIFEST": str(manifest),
            "STRANGLER_TABLE": str(folder / "table"),
            "STRANGLER_KEYS": str(folder / "keys"),
        }
        self.monolith = Part(
            "the monolith",
            [sys.executable, "-m", "gunicorn", "monolith.config.wsgi", "--worker-class", "sync",
             "--workers", str(settings.workers), "--bind", f"127.0.0.1:{monolith}",
             "--preload", "--timeout", "60", "--no-control-socket", "--forwarder-headers", ""],
            env=self.env,
            log=self.log / "monolith.log",
            ready=f"{self.url}/readyz",
        )  # fmt: skip
        self.service = Part(
            "the pricing service",
            [sys.executable, "-m", "extracted.pricing", "--port", str(service)],
            env={**self.env, "STRANGLER_TABLE": ""},
            log=self.log / "pricing.log",
            ready=f"http://127.0.0.1:{service}/readyz",
        )

    def prepare(self) -> None:
        """Make tables, keys and something to sell.

        Raises:
            NotReady: one of these failed; says how.
        """
        log = self.log / "prepare.log"
        size = self.settings
        run(["manage.py", "rotate_keys"], env=self.env, log=log)
        run(["manage.py", "migrate", "--verbosity", "0"], env=self.env, log=log)
        run(
            ["manage.py", "seed", "--products", str(size.products),
             "--customers", str(size.customers), "--orders", "0"],
            env=self.env, log=log,
        )  # fmt: skip
        for party in ("monolith", self.settings.capability):
            run(["manage.py", "strangler", "keys", party], env=self.env, log=log)

    def wrong_rules(self) -> Mapping[str, str]:
        """The environment of a service with one wrong tax."""
        return {"PRICING_RULES": str(wrong_rules(self.settings)), "STRANGLER_BUILD": "first"}

    def right_rules(self) -> Mapping[str, str]:
        """The environment of a service that prices as the monolith does."""
        return {"PRICING_RULES": "", "STRANGLER_BUILD": "second"}

    def world(self) -> World:
        """Look around: the products, what some baskets cost, and customers who are logged in."""
        with httpx.Client(base_url=self.url, timeout=15) as client:
            products = self._products(client)
            return World(
                products=products,
                baskets=self._baskets(client, [*products]),
                customers=self._customers(client),
            )

    def _products(self, client: httpx.Client) -> dict[str, dict[str, Any]]:
        products: dict[str, dict[str, Any]] = {}
        page: str | None = "/api/catalog/products/"
        while page:
            answer = client.get(page).raise_for_status().json()
            products.update((product["sku"], product) for product in answer["results"])
            page = answer["next"]
        return products

    def _baskets(self, client: httpx.Client, skus: list[str]) -> list[Basket]:
        dice = random.Random(7)
        baskets = []
        for number in range(BASKETS):
            lines = [
                {"sku": sku, "quantity": dice.choice((1, 1, 2, 3, 12))}
                for sku in dice.sample(skus, dice.randint(1, 4))
            ]
            request = {
                "lines": lines,
                "country": COUNTRIES[number % len(COUNTRIES)],
                "coupon": dice.choice(COUPONS),
            }
            answer = client.post("/api/pricing/quote", json=request).raise_for_status()
            baskets.append(Basket(request=request, quote=answer.json()))
        return baskets

    def _customers(self, client: httpx.Client) -> list[Customer]:
        customers = []
        for number in itertools.islice(itertools.count(1), self.settings.customers):
            answer = client.post(
                "/api/identity/token",
                json={"username": f"customer-{number}", "password": PASSWORD},
            )
            token = answer.raise_for_status().json()["access"]
            customers.append(Customer(id=f"customer-{number}", token=token))
        return customers

    def orders(self) -> list[FoundOrder]:
        """Every order in the monolith's books, read past its code."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as books:
            orders = books.execute("SELECT id, key, state, total FROM ordering_order").fetchall()
            moves = books.execute(SOLD).fetchall()
        sold: dict[str, dict[str, int]] = {}
        for order, sku, units in moves:
            sold.setdefault(order, {})[sku] = units
        return [
            FoundOrder(
                id=_hyphened(row[0]),
                key=row[1],
                state=row[2],
                total=Decimal(str(row[3] or 0)),
                units=sold.get(row[0], {}),
            )
            for row in orders
        ]


def _hyphened(identifier: str) -> str:
    """Django keeps a UUID without hyphens on SQLite."""
    plain = identifier.replace("-", "")
    return "-".join((plain[:8], plain[8:12], plain[12:16], plain[16:20], plain[20:]))
