"""Customers and staff: they browse, quote, order, reprice, and look at every answer they get."""

from __future__ import annotations

import asyncio
import random
import threading
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from demo.browser import Browser, Unanswered
from demo.ledger import Ledger, PlacedOrder
from demo.world import Basket, Customer, World
from strangler.ladder import COHORTS

OUTSTANDING = 6
"""How many requests may be under way at once; beyond that the customers wait in line.

Fewer than the monolith has workers: behind the middleware edge one of them waits while the service
answers, and the service asks another one for prices.
"""

CROWD = 0.75
"""The share of visitors who come for the capability that the audience looks at."""

RACERS = 0.3
"""The share of visitors who want what is rare, once they all do."""

TIMEOUT = 15.0
"""Seconds a customer waits for an answer. Longer is a failed request."""


PATIENCE = 20.0
"""Seconds for which a customer asks what has become of an order that is still being placed."""

EXPECTED = ("OutOfStock", "Declined")
"""For what an order may be turned down here."""

POOR = 0.1
"""The share of orders that are to be paid from an empty account."""
NO_FUNDS = "sandbox-no-funds"

Visit = Callable[[Browser], Awaitable[None]]


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
        # Buyers are here for the first time; the others bring the cohorts of an earlier visit.
        self._visitors = [Visitor(customer=one) for one in buyers] + [
            Visitor(customer=None, cookies={"strangler_cohort": str(number * COHORTS // visitors)})
            for number in range(len(buyers), visitors)
        ]
        # One of them at a time for each product, so that they know what it costs.
        self._staff = Visitor(customer=world.staff)
        self._idle = list(world.staffed)
        self._attractions: tuple[str, ...] = ()
        self._racing = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._open, name="traffic")

    def start(self) -> None:
        """Open the doors."""
        self._thread.start()

    def draw_to(self, *capabilities: str) -> None:
        """Let most visitors come for these capabilities."""
        self._attractions = capabilities

    def race(self) -> None:
        """Let everybody want the rare products, until all are sold."""
        self._racing.set()

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
        with Browser(self._base, connections=OUTSTANDING, timeout=TIMEOUT) as browser:
            await self._let_in(browser, slots)

    async def _let_in(self, browser: Browser, slots: asyncio.Semaphore) -> None:
        async with asyncio.TaskGroup() as visits:
            due = time.monotonic()
            while not self._stopping.is_set():
                await slots.acquire()
                visit = visits.create_task(self._visit(browser))
                visit.add_done_callback(lambda _visit: slots.release())
                due = max(due + self._interval, time.monotonic() - 1)
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _visit(self, browser: Browser) -> None:
        if self._racing.is_set() and self._random.random() < RACERS:
            await self._order(browser, self._random.choice(self._world.rare))
            return
        if self._attractions and self._random.random() < CROWD:
            crowd = self._crowds[self._random.choice(self._attractions)]
            await self._random.choice(crowd)(browser)
            return
        dice = self._random.random()
        for share, visit in self._visits:
            dice -= share
            if dice < 0:
                await visit(browser)
                return
        await self._browse(browser)

    @property
    def _crowds(self) -> dict[str, list[Visit]]:
        """What they do who come for one capability."""
        staff = self._world.staffed
        return {
            "pricing": [self._quote],
            "ordering": [self._quote, self._buy, self._look_back],
            "catalog": [*[self._browse, self._look] * 4, *([self._reprice] if staff else [])],
            "notifications": [self._buy, *[self._read] * 3],
            "inventory": [*[self._ask_stock] * 8, *([self._receive] if staff else [])],
        }

    @property
    def _visits(self) -> list[tuple[float, Visit]]:
        """What visitors do, and the share of each; the rest browses."""
        staff = [(0.03, self._reprice), (0.03, self._receive)] if self._world.staffed else []
        return [
            (0.08, self._buy),
            (0.04, self._look_back),
            (0.40, self._quote),
            (0.23, self._look),
            (0.10, self._ask_stock),
            *staff,
        ]

    async def _browse(self, browser: Browser) -> None:
        answer = await self._ask(browser, self._anyone(), "GET", "/api/catalog/products/")
        if answer is None:
            return
        if not answer["results"]:
            self._ledger.wrong("the shop shows no products")
        for product in answer["results"]:
            self._see(product, self._world.products.get(product["sku"]))

    async def _look(self, browser: Browser) -> None:
        sku = self._random.choice(list(self._world.products))
        answer = await self._ask(browser, self._anyone(), "GET", f"/api/catalog/products/{sku}/")
        if answer is not None:
            self._see(answer, self._world.products[sku])

    def _see(self, found: dict[str, Any], wanted: dict[str, Any] | None) -> None:
        """A product as everybody sees it; what staff charge for theirs, they check themselves."""
        if wanted is not None and wanted["sku"] in self._world.staffed:
            found, wanted = {**found, "price": None}, {**wanted, "price": None}
        self._expect("product", found, wanted)

    async def _ask_stock(self, browser: Browser) -> None:
        skus = self._random.sample(list(self._world.products), 2)
        answer = await self._ask(
            browser,
            self._anyone(),
            "GET",
            f"/api/inventory/availability?sku={skus[0]}&sku={skus[1]}",
        )
        if answer is not None:
            self._expect("skus", [one["sku"] for one in answer], skus)
            if any(one["available"] < 0 for one in answer):
                self._ledger.wrong(f"less than nothing is available: {answer}")

    async def _reprice(self, browser: Browser) -> None:
        """Change a price, and read it back at once: staff see what they have done."""
        if not self._idle:
            return
        sku = self._idle.pop()
        before = self._world.products[sku]["price"]
        amount = f"{self._random.randint(100, 9999) / 100:.2f}"
        price = {"amount": amount, "currency": before["currency"]}
        path = f"/api/catalog/products/{sku}/"
        answer = await self._ask(browser, self._staff, "PUT", f"{path}price", json=price)
        if answer is not None:
            self._ledger.repriced(sku, Decimal(amount))
            self._expect("new price", answer["price"], price)
            seen = await self._ask(browser, self._staff, "GET", path)
            if seen is not None:
                self._expect("price read back", seen["price"], price)
        self._idle.append(sku)

    async def _receive(self, browser: Browser) -> None:
        """Goods arrive: a command that no key makes idempotent, so it must happen once."""
        sku = self._random.choice(list(self._world.staffed))
        note = uuid.uuid4().hex
        delivery = {
            "sku": sku, "warehouse": self._world.staffed[sku], "delta": 1, "reason": "received",
            "note": note,
        }  # fmt: skip
        answer = await self._ask(
            browser, self._staff, "POST", "/api/inventory/movements", json=delivery
        )
        if answer is not None:
            self._ledger.took(note)
            self._expect("delivery", answer["note"], note)

    async def _buy(self, browser: Browser) -> None:
        await self._order(browser, self._random.choice(self._world.baskets))

    async def _quote(self, browser: Browser) -> None:
        basket = self._random.choice(self._world.baskets)
        answer = await self._ask(
            browser, self._anyone(), "POST", "/api/pricing/quote", json=basket.request
        )
        if answer is not None:
            self._expect("quote", answer, basket.quote)

    async def _order(self, browser: Browser, basket: Basket) -> None:
        visitor = self._buyer()
        key = uuid.uuid4().hex
        self._ledger.placing(key)
        poor = self._random.random() < POOR
        request = {**basket.request, "payment": NO_FUNDS} if poor else basket.request
        # Some customers press the button twice. It must be one order all the same.
        presses = 2 if self._random.random() < 0.2 else 1  # one in five
        for _press in range(presses):
            answer = await self._placed(browser, visitor, request, key)
            if answer is None:
                return
            if "error" in answer:
                if answer["detail"].get("cause") not in EXPECTED:
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

    async def _placed(
        self, browser: Browser, visitor: Visitor, request: dict[str, Any], key: str
    ) -> Any:
        """The shop's answer; as long as it says that it is still at it, it is asked again."""
        until = time.monotonic() + PATIENCE
        while True:
            answer = await self._ask(
                browser,
                visitor,
                "POST",
                "/api/ordering/orders",
                json=request,
                headers={"Idempotency-Key": key},
                allowed={409},
            )
            if answer is None or answer.get("error") != "StillPlacing":
                return answer
            if time.monotonic() > until:
                self._ledger.wrong(f"the order {key} is still being placed")
                return None
            await asyncio.sleep(0.2)

    async def _look_back(self, browser: Browser) -> None:
        visitor = self._buyer()
        if not visitor.orders:
            await self._browse(browser)
            return
        order = self._random.choice(visitor.orders)
        answer = await self._ask(browser, visitor, "GET", f"/api/ordering/orders/{order.id}")
        if answer is not None:
            self._expect("order", Decimal(answer["total"]), order.total)

    async def _read(self, browser: Browser) -> None:
        """What one was told of an order: of that, and nothing a second time."""
        visitor = self._buyer()
        if not visitor.orders:
            await self._browse(browser)
            return
        order = self._random.choice(visitor.orders)
        path = f"/api/notifications/notifications?order={order.id}"
        answer = await self._ask(browser, visitor, "GET", path)
        if answer is None:
            return
        told = [(one["kind"], one["channel"]) for one in answer["results"]]
        self._expect("told", told, [*dict.fromkeys(told)])
        self._expect("order", {one["order"] for one in answer["results"]} - {order.id}, set())

    async def _ask(
        self,
        browser: Browser,
        visitor: Visitor,
        method: str,
        path: str,
        *,
        allowed: frozenset[int] | set[int] = frozenset(),
        headers: dict[str, str] | None = None,
        json: Any = None,
    ) -> Any:
        """The answer's body, or None where the request failed (and has been counted as such)."""
        headers = dict(headers or {})
        if visitor.cookies:
            headers["Cookie"] = "; ".join(f"{name}={v}" for name, v in visitor.cookies.items())
        if visitor.customer is not None:
            headers["Authorization"] = f"Bearer {visitor.customer.token}"
        capability = path.split("/")[2]
        began = time.perf_counter()
        try:
            answer = await browser.ask(method, path, headers=headers, body=json)
        except Unanswered as error:
            failure = f"{method} {path}: {error}"
            seconds = time.perf_counter() - began
            self._ledger.answered(capability, "none", seconds, failure=failure)
            return None
        seconds = time.perf_counter() - began
        arm = answer.headers.get("X-Strangler-Arm", "none")
        for name, value in answer.cookies.items():
            visitor.cookies[name] = value
        if not 200 <= answer.status < 300 and answer.status not in allowed:
            failure = f"{method} {path}: {answer.status} {answer.text[:200]}"
            self._ledger.answered(capability, arm, seconds, failure=failure)
            return None
        try:
            body = answer.json()
        except ValueError:
            failure = f"{method} {path}: no JSON: {answer.text[:200]}"
            self._ledger.answered(capability, arm, seconds, failure=failure)
            return None
        rescued = answer.headers.get("X-Strangler-Reason") == "fallback"
        writes = method != "GET" and capability != "pricing"
        self._ledger.answered(capability, arm, seconds, rescued=rescued, writes=writes)
        return body

    def _expect(self, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            self._ledger.wrong(f"{what}: {found} instead of {wanted}")

    def _anyone(self) -> Visitor:
        return self._random.choice(self._visitors)

    def _buyer(self) -> Visitor:
        return self._visitors[self._random.randrange(len(self._world.customers))]
