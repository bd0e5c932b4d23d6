"""The shop that the film plays in: what runs, and what is in it."""

from __future__ import annotations

import random
import secrets
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from demo import edge
from demo.backstage import Backstage
from demo.books import Books
from demo.databases import SERVICES, Databases
from demo.postbox import Postbox
from demo.processes import Part, free_port, run
from demo.settings import CLIMBERS, Settings, write_manifest, wrong_rules
from demo.world import Basket, Customer, World
from strangler.ladder import Arm

COUNTRIES = ("DE", "AT", "FR", "GB", "US")
COUPONS = (None, None, None, "WELCOME10")
BASKETS = 40
RARE = 4
"""Products of which there are only a few left, when everybody wants them."""
FEW = 12
"""How many that are."""
STAFFED = 10
"""Products that staff reprice and receive all the time, and nobody buys."""
LEASE = 8
"""Seconds after which what somebody has begun to send who was killed is sent again."""
PASSWORD = "only-in-the-film"  # noqa: S105  # everybody in the film has it


class Shop:
    """The monolith behind its edge, the services beside it, and the mover between them."""

    def __init__(self, settings: Settings, databases: Databases, postbox: Postbox) -> None:
        self.settings = settings
        folder = settings.folder
        ports = {name: free_port() for name in ("monolith", *CLIMBERS)}
        monolith = f"http://127.0.0.1:{ports['monolith']}"
        self.log = folder / "log"
        self.databases = databases
        self.postbox = postbox
        self.books = Books(databases)
        services = {name: f"http://127.0.0.1:{ports[name]}" for name in CLIMBERS}
        manifest = write_manifest(settings, monolith=monolith, services=services)
        self.backstage = Backstage(folder, monolith=monolith, manifest=manifest, bus=settings.bus)
        self.env = {
            **self.backstage.env,
            "ALLOWED_HOSTS": "127.0.0.1",
            "DEBUG": "false",
            "EMAIL_URL": postbox.url(Arm.MONOLITH),
            "HTTPS": "false",
            "IDENTITY_ACCESS_SECONDS": "3600",
            "IDENTITY_KEYS": str(folder / "identity.json"),
            "NOTIFICATIONS_DELIVERY": "0.5",
            "NOTIFICATIONS_EMAIL_URL": postbox.url(Arm.SERVICE),
            "NOTIFICATIONS_LEASE": str(LEASE),
            "SECRET_KEY": secrets.token_urlsafe(48),
            "VAR": str(folder),
            "DJANGO_SETTINGS_MODULE": "monolith.config.settings",
            "IDENTITY_DEMO_PASSWORD": PASSWORD,
            "STRANGLER_EDGE": settings.edge,
            "STRANGLER_MANIFEST": str(manifest),
            "STRANGLER_TABLE": str(folder / "table"),
            "STRANGLER_KEYS": str(folder / "keys"),
            **databases.env(),
        }
        self.front = (
            edge.nginx(folder, self.env) if settings.edge == "nginx" else edge.middleware(monolith)
        )
        self.url = self.front.url
        self.monolith = Part(
            "the monolith",
            [sys.executable, "-m", "gunicorn", "monolith.config.wsgi", "--worker-class", "sync",
             "--workers", str(settings.workers), "--bind", f"127.0.0.1:{ports['monolith']}",
             "--preload", "--timeout", "60", "--no-control-socket", "--forwarder-headers", ""],
            env=self.env,
            log=self.log / "monolith.log",
            ready=f"{monolith}/readyz",
        )  # fmt: skip
        self.services = {
            name: Part(
                f"the {name} service",
                [sys.executable, "-m", f"extracted.{name}", "--port", str(ports[name])],
                env={**self.env, "STRANGLER_TABLE": ""},
                log=self.log / f"{name}.log",
                ready=f"{url}/readyz",
            )
            for name, url in services.items()
        }
        self.mover = Part(
            "the mover",
            [str(Path(sys.executable).with_name("strangler")), "mover"],
            env=self.env,
            log=self.log / "mover.log",
        )

        self.behind = self.backstage.parts(self.env)

    @property
    def parts(self) -> tuple[Part, ...]:
        """Everything that runs."""
        front = self.front.parts
        return (self.monolith, *self.services.values(), self.mover, *self.behind, *front)

    def prepare(self) -> None:
        """Make tables, keys and something to sell.

        Raises:
            NotReady: one of these failed; says how.
        """
        log = self.log / "prepare.log"
        size = self.settings
        commands = [
            "rotate_keys",
            "migrate --verbosity 0",
            f"seed --products {size.products} --customers {size.customers} --orders 0",
            *(f"strangler keys {party}" for party in ("monolith", *CLIMBERS, *self.front.parties)),
            "strangler publish",
        ]
        with ThreadPoolExecutor() as side_by_side:
            steps = [
                side_by_side.submit(run, command, env=self.env, log=log, read=read)
                for command, read in (
                    (["-m", "demo.preparing"], "\n".join(commands)),
                    (["-m", "demo.schemas", *SERVICES], ""),
                )
            ]
        for step in steps:
            step.result()
        if self.front.preparing:
            run(self.front.preparing, env=self.env, log=log)

    def start(self) -> None:
        """Start everything, the pricing service with a mistake in it.

        Raises:
            NotReady: a part did not come up.
        """
        mistaken = self.services["pricing"]
        # What nobody waits for takes no time from what everybody does.
        late = [part for part in self.behind if not part.asked]
        first = [part for part in self.parts if part not in late]
        for part in first:
            part.spawn(**(self.wrong_rules() if part is mistaken else {}))
        for part in first:
            part.wait()
        for part in late:
            part.spawn()

    def wrong_rules(self) -> Mapping[str, str]:
        """The environment of a service with one wrong tax."""
        return {"PRICING_RULES": str(wrong_rules(self.settings)), "STRANGLER_BUILD": "first"}

    def right_rules(self) -> Mapping[str, str]:
        """The environment of a service that prices as the monolith does."""
        return {"PRICING_RULES": "", "STRANGLER_BUILD": "second"}

    def world(self) -> World:
        """Look around: the products, what some baskets cost, and who is logged in.

        The first products are rare from now on, and the next belong to staff.
        """
        with httpx.Client(base_url=self.url, timeout=15) as client:
            products = self._products(client)
            skus = [*products]
            rare, staffed, sold = skus[:RARE], skus[RARE : RARE + STAFFED], skus[RARE + STAFFED :]
            staff = self._log_in(client, "staff")
            stocks = self._stocks(client, staff)
            for sku in rare:
                self._leave_few(client, staff, sku, stocks)
            return World(
                products=products,
                baskets=self._baskets(client, sold),
                customers=self._customers(client),
                staff=staff,
                staffed={sku: _place(stocks, sku) for sku in staffed},
                rare=[self._basket(client, _one(sku)) for sku in rare],
            )

    def _products(self, client: httpx.Client) -> dict[str, dict[str, Any]]:
        products: dict[str, dict[str, Any]] = {}
        page: str | None = "/api/catalog/products/"
        while page:
            answer = client.get(page).raise_for_status().json()
            products.update((product["sku"], product) for product in answer["results"])
            page = answer["next"]
        return products

    def _stocks(self, client: httpx.Client, staff: Customer) -> list[dict[str, Any]]:
        stocks: list[dict[str, Any]] = []
        page: str | None = "/api/inventory/stock"
        while page:
            answer = client.get(page, headers=staff.headers).raise_for_status().json()
            stocks += answer["results"]
            page = answer["next"]
        return stocks

    def _leave_few(
        self, client: httpx.Client, staff: Customer, sku: str, stocks: list[dict[str, Any]]
    ) -> None:
        """All that there is lies in one warehouse, and it is not much."""
        left = FEW
        for stock in stocks:
            if stock["sku"] == sku and stock["on_hand"] != left:
                change = {"sku": sku, "warehouse": stock["warehouse"], "reason": "counted"}
                change["delta"] = left - stock["on_hand"]
                client.post(
                    "/api/inventory/movements", json=change, headers=staff.headers
                ).raise_for_status()
            left = 0 if stock["sku"] == sku else left

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
            baskets.append(self._basket(client, request))
        return baskets

    def _basket(self, client: httpx.Client, request: dict[str, Any]) -> Basket:
        answer = client.post("/api/pricing/quote", json=request).raise_for_status()
        return Basket(request=request, quote=answer.json())

    def _customers(self, client: httpx.Client) -> list[Customer]:
        names = [f"customer-{number}" for number in range(1, self.settings.customers + 1)]
        # A password takes its time to check.
        with ThreadPoolExecutor() as side_by_side:
            return [*side_by_side.map(lambda name: self._log_in(client, name), names)]

    def _log_in(self, client: httpx.Client, name: str) -> Customer:
        answer = client.post(
            "/api/identity/token", json={"username": name, "password": PASSWORD}
        ).raise_for_status()
        return Customer(id=name, token=answer.json()["access"])


def _one(sku: str) -> dict[str, Any]:
    return {"lines": [{"sku": sku, "quantity": 1}], "country": "DE", "coupon": None}


def _place(stocks: list[dict[str, Any]], sku: str) -> str:
    """A warehouse where it lies."""
    return next(str(stock["warehouse"]) for stock in stocks if stock["sku"] == sku)
