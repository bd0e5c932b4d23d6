"""Customers: they browse, ask for quotes and order, and look at every answer they get."""

from __future__ import annotations

import asyncio
import random
import threading
import time
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from demo.ledger import Ledger, PlacedOrder

OUTSTANDING = 6
"""How many requests may be under way at once; beyond that the customers wait in line.

Fewer than the monolith has workers: behind the middleware edge one of them waits while the service
answers, and the service asks another one for prices.
"""

TIMEOUT = 15.0
"""Seconds a customer waits for an answer. Longer is a failed request."""


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody who may order: a user of the shop, with the token they logged in with."""

    id: str
    token: str


@dataclass(frozen=True, slots=True)
class Basket:
    """A basket, and what it costs: the answer which the monolith gave before the climb."""

    request: dict[str, Any]
    quote: dict[str, Any]

    @property
    def units(self) -> dict[str, int]:
        """How many of each SKU."""
        return {line["sku"]: line["quantity"] for line in self.request["lines"]}


@dataclass(frozen=True, slots=True)
class World:
    """What the customers know of the shop before the film begins."""

    products: dict[str, dict[str, Any]]
    baskets: list[Basket]
    customers: list[Customer]


@dataclass(slots=True)
class Visitor:
    """One browser: keeps its cookies, and perhaps is a customer."""

    customer: Customer | None
    cookies: dict[str, str] = field(default_factory=dict)
    orders: list[PlacedOrder] = field(default_factory=list)


class Traffic:
    """Many visitors at a steady rate, in a thread of their own, until they are told to stop."""

    def __init__(
        self, base: str, world: World, ledger: Ledger, *, rate: float, visitors: int, seed: int = 11
    ) -> None:
        self._base = base
        self._world = world
        self._ledger = ledger
        self._interval = 1 / rate
        self._random = random.Random(seed)  # who buys what is no secret
        buyers = world.customers
        self._visitors = [
            Visitor(customer=buyers[number] if number < len(buyers) else None)
            for number in range(visitors)
        ]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._open, name="traffic")

    def start(self) -> None:
        """Open the doors."""
        self._thread.start()

    def stop(self) -> None:
        """Close the doors, and wait until the last visitor has been answered."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _open(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:
            # Whatever a customer can't make sense of ends the traffic: nothing is proved after it.
            self._ledger.wrong(f"the traffic broke off: {error!r}")
            raise

    async def _run(self) -> None:
        slots = asyncio.Semaphore(OUTSTANDING)
        limits = httpx.Limits(max_connections=OUTSTANDING)
        # Every visitor has cookies of their own; the connections are shared.
        nobody = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        async with (
            httpx.AsyncClient(
                base_url=self._base, timeout=TIMEOUT, limits=limits, cookies=nobody
            ) as client,
            asyncio.TaskGroup() as visits,
        ):
            due = time.monotonic()
            while not self._stopping.is_set():
                await slots.acquire()
                visit = visits.create_task(self._visit(client))
                visit.add_done_callback(lambda _visit: slots.release())
                due = max(due + self._interval, time.monotonic() - 1)
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _visit(self, client: httpx.AsyncClient) -> None:
        dice = self._random.random()
        if dice < 0.08:  # the shares of what visitors do; they add up to one
            await self._order(client)
        elif dice < 0.12:
            await self._look_back(client)
        elif dice < 0.62:
            await self._quote(client)
        elif dice < 0.85:
            await self._look(client)
        else:
            await self._browse(client)

    async def _browse(self, client: httpx.AsyncClient) -> None:
        answer = await self._ask(client, self._anyone(), "GET", "/api/catalog/products/")
        if answer is None:
            return
        if not answer["results"]:
            self._ledger.wrong("the shop shows no products")
        for product in answer["results"]:
            self._expect("product", product, self._world.products.get(product["sku"]))

    async def _look(self, client: httpx.AsyncClient) -> None:
        sku = self._random.choice(list(self._world.products))
        answer = await self._ask(client, self._anyone(), "GET", f"/api/catalog/products/{sku}/")
        if answer is not None:
            self._expect("product", answer, self._world.products[sku])

    async def _quote(self, client: httpx.AsyncClient) -> None:
        basket = self._random.choice(self._world.baskets)
        answer = await self._ask(
            client, self._anyone(), "POST", "/api/pricing/quote", json=basket.request
        )
        if answer is not None:
            self._expect("quote", answer, basket.quote)

    async def _order(self, client: httpx.AsyncClient) -> None:
        visitor = self._buyer()
        basket = self._random.choice(self._world.baskets)
        key = uuid.uuid4().hex
        self._ledger.placing(key)
        # Some customers press the button twice. It must be one order all the same.
        presses = 2 if self._random.random() < 0.2 else 1  # one in five
        for _press in range(presses):
            answer = await self._ask(
                client,
                visitor,
                "POST",
                "/api/ordering/orders",
                json=basket.request,
                headers={"Idempotency-Key": key},
                allowed={409},
            )
            if answer is None:
                return
            if "error" in answer:
                if answer["detail"].get("cause") != "OutOfStock":
                    self._ledger.wrong(f"an order was answered with {answer}")
                self._ledger.turned_down(key)
                return
            self._expect("total", Decimal(answer["total"]), Decimal(basket.quote["total"]))
            sold = {line["sku"]: line["quantity"] for line in answer["lines"]}
            self._expect("units", sold, basket.units)
            order = PlacedOrder(
                key=key,
                id=answer["id"],
                customer=visitor.customer.id if visitor.customer else "",
                total=Decimal(answer["total"]),
                units=basket.units,
            )
            self._ledger.placed(order)
        visitor.orders.append(order)

    async def _look_back(self, client: httpx.AsyncClient) -> None:
        visitor = self._buyer()
        if not visitor.orders:
            await self._browse(client)
            return
        order = self._random.choice(visitor.orders)
        answer = await self._ask(client, visitor, "GET", f"/api/ordering/orders/{order.id}")
        if answer is not None:
            self._expect("order", Decimal(answer["total"]), order.total)

    async def _ask(
        self,
        client: httpx.AsyncClient,
        visitor: Visitor,
        method: str,
        path: str,
        *,
        allowed: frozenset[int] | set[int] = frozenset(),
        headers: dict[str, str] | None = None,
        json: Any = None,
    ) -> dict[str, Any] | None:
        """The answer's body, or None where the request failed (and has been counted as such)."""
        headers = dict(headers or {})
        if visitor.cookies:
            headers["Cookie"] = "; ".join(f"{name}={v}" for name, v in visitor.cookies.items())
        if visitor.customer is not None:
            headers["Authorization"] = f"Bearer {visitor.customer.token}"
        capability = path.split("/")[2]
        began = time.perf_counter()
        try:
            answer = await client.request(method, path, headers=headers, json=json)
        except httpx.HTTPError as error:
            failure = f"{method} {path}: {type(error).__name__} {error}"
            seconds = time.perf_counter() - began
            self._ledger.answered(capability, "none", seconds, failure=failure)
            return None
        seconds = time.perf_counter() - began
        arm = answer.headers.get("X-Strangler-Arm", "none")
        for name, value in answer.cookies.items():
            visitor.cookies[name] = value
        if not answer.is_success and answer.status_code not in allowed:
            failure = f"{method} {path}: {answer.status_code} {answer.text[:200]}"
            self._ledger.answered(capability, arm, seconds, failure=failure)
            return None
        try:
            body: dict[str, Any] = answer.json()
        except ValueError:
            failure = f"{method} {path}: no JSON: {answer.text[:200]}"
            self._ledger.answered(capability, arm, seconds, failure=failure)
            return None
        rescued = answer.headers.get("X-Strangler-Reason") == "fallback"
        self._ledger.answered(capability, arm, seconds, rescued=rescued)
        return body

    def _expect(self, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            self._ledger.wrong(f"{what}: {found} instead of {wanted}")

    def _anyone(self) -> Visitor:
        return self._random.choice(self._visitors)

    def _buyer(self) -> Visitor:
        return self._visitors[self._random.randrange(len(self._world.customers))]
