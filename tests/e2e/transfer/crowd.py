"""Clients who write through the edge, and look at every answer they get.

What an answer may be, apart from success and declared business errors (409):

- *come again*: 503 with ``X-Strangler-Executed: no``. Nothing has been done, and whoever reads
  ``Retry-After`` sends it again, as the NGINX edge does by itself. Clients here do so too, and are
  counted: only where a process that others wait for was killed may there be any.
- *unknown*: 502 or 504, or a connection that breaks off, of a command that was under way in a
  process that was killed: a command is sent once. It may have been done, or not, and never twice.
  An order, which carries a key, is then sent again by its client.

- *rough*: where the database itself is killed, the monolith's 500 is *unknown* as well: Django says
  no more of a connection that has gone.

Anything else is a failure.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

import httpx

from demo.books import Owners
from demo.ledger import Kept, Ledger, PlacedOrder, reckon
from strangler.ports.headers import EXECUTED
from tests.e2e.transfer.street import Street

PATIENCE = 25.0
"""Seconds for which a client sends again what was not done."""


class Ended(StrEnum):
    """How one request has ended."""

    DONE = "done"
    DECLARED = "declared"
    AGAIN = "come again"
    UNKNOWN = "unknown"
    WRONG = "wrong"


@dataclass
class Notes:
    """What the clients know, in a book of their own."""

    ledger: Ledger = field(default_factory=Ledger)
    keys: set[str] = field(default_factory=set)
    """Those of all orders."""
    perhaps: set[str] = field(default_factory=set)
    """Deliveries that nobody knows of whether they were taken."""
    refused: set[str] = field(default_factory=set)
    """Deliveries that were not taken, as somebody has said."""
    endings: dict[Ended, list[str]] = field(default_factory=lambda: {one: [] for one in Ended})
    slowest: tuple[float, str] = (0.0, "")
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ended(self, how: Ended, what: str, seconds: float, *, write: bool) -> None:
        with self.lock:
            self.endings[how].append(what)
            if write and how in {Ended.DONE, Ended.DECLARED}:
                self.slowest = max(self.slowest, (seconds, what))

    def count(self, how: Ended) -> int:
        return len(self.endings[how])


class Crowd:
    """Clerks who receive goods, buyers who order, and people who look; until told to stop."""

    def __init__(
        self,
        street: Street,
        *,
        clerks: int = 2,
        buyers: int = 2,
        lookers: int = 1,
        pause: float = 0.02,
        rough: bool = False,
    ) -> None:
        self._street = street
        self._pause = pause
        self._rough = rough
        self._stop = threading.Event()
        self.notes = Notes()
        skus = sorted(street.stocks)
        # The first is what everybody wants, and clerks bring it; some are for buyers only.
        self._wanted, self._sold, self._staffed = skus[0], skus[1:6], skus[:1] + skus[6:]
        roles: list[Callable[[httpx.Client, random.Random], None]] = [
            *[self._clerk] * clerks,
            *[self._buyer] * buyers,
            *[self._looker] * lookers,
        ]
        self._threads = [
            threading.Thread(target=self._live, args=(role, number), name=f"client-{number}")
            for number, role in enumerate(roles)
        ]
        self._broken: list[BaseException] = []
        self._last = _Last()

    @contextmanager
    def out(self) -> Iterator[Notes]:
        """They do what they do for the block."""
        for thread in self._threads:
            thread.start()
        try:
            yield self.notes
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()
        assert not self._broken, self._broken

    def _live(self, role: Callable[[httpx.Client, random.Random], None], number: int) -> None:
        dice = random.Random(number)
        street = self._street
        headers = street.staff
        if role == self._buyer:
            headers = street.customers[number % len(street.customers)]
        try:
            with street.client(headers) as client:
                while not self._stop.is_set():
                    role(client, dice)
                    time.sleep(self._pause)
        except BaseException as error:
            self._broken.append(error)
            raise

    def _clerk(self, client: httpx.Client, dice: random.Random) -> None:
        """Goods arrive, each with a note of its own; sent again only if it was not done."""
        sku = dice.choice(self._staffed)
        note = uuid.uuid4().hex
        delivery = {
            "sku": sku, "warehouse": self._street.stocks[sku][0], "delta": 1,
            "reason": "received", "note": note,
        }  # fmt: skip
        until = time.monotonic() + PATIENCE
        while True:
            how, answer = self._ask(client, "POST", "/api/inventory/movements", json=delivery)
            if how is not Ended.AGAIN or time.monotonic() > until:
                break
            time.sleep(0.2)
        if how is Ended.DONE:
            self.notes.ledger.took(note)
            self._expect("delivery", answer["note"], note)
            self._read_back(client, sku, note)
        else:
            with self.notes.lock:
                (self.notes.perhaps if how is Ended.UNKNOWN else self.notes.refused).add(note)

    def _read_back(self, client: httpx.Client, sku: str, note: str) -> None:
        """Whoever has written sees it."""
        how, seen = self._ask(client, "GET", f"/api/inventory/movements?sku={sku}")
        if how is Ended.DONE and note not in {one["note"] for one in seen["results"]}:
            self.notes.ledger.wrong(
                f"a delivery of {sku} was not there to be read: {note}, {self._last.by}"
            )

    def _buyer(self, client: httpx.Client, dice: random.Random) -> None:
        key = uuid.uuid4().hex
        skus = [self._wanted] if dice.random() < 0.5 else dice.sample(self._sold, 2)
        lines = [{"sku": sku, "quantity": 1} for sku in skus]
        order = {"lines": lines, "country": "DE", "coupon": None}
        with self.notes.lock:
            self.notes.keys.add(key)
        self.notes.ledger.placing(key)
        for _ in range(2 if dice.random() < 0.2 else 1):
            self._place(client, key, order)

    def _place(self, client: httpx.Client, key: str, order: dict[str, Any]) -> None:
        until = time.monotonic() + PATIENCE
        while True:
            how, answer = self._ask(client, "POST", "/api/ordering/orders", json=order, key=key)
            if how not in {Ended.AGAIN, Ended.UNKNOWN} or time.monotonic() > until:
                break
            time.sleep(0.3)
        if how is Ended.DECLARED:
            self.notes.ledger.turned_down(key)
        elif how is Ended.DONE:
            units = {line["sku"]: line["quantity"] for line in answer["lines"]}
            self.notes.ledger.placed(
                PlacedOrder(key, answer["id"], "", Decimal(answer["total"]), units)
            )

    def _looker(self, client: httpx.Client, dice: random.Random) -> None:
        skus = dice.sample(sorted(self._street.stocks), 2)
        path = f"/api/inventory/availability?sku={skus[0]}&sku={skus[1]}"
        how, answer = self._ask(client, "GET", path)
        if how is Ended.DONE:
            self._expect("skus", [one["sku"] for one in answer], skus)
            if any(one["available"] < 0 for one in answer):
                self.notes.ledger.wrong(f"less than nothing is available: {answer}")

    def _ask(
        self, client: httpx.Client, method: str, path: str, *, json: Any = None, key: str = ""
    ) -> tuple[Ended, Any]:
        began = time.monotonic()
        headers = {"Idempotency-Key": key} if key else {}
        said = f"{method} {path}"
        try:
            answer = client.request(method, path, json=json, headers=headers)
        except httpx.HTTPError as error:
            how, said, body = Ended.UNKNOWN, f"{said}: {error!r}", None
        else:
            self._last.by = f"{self._last.by[-60:]} {method} by {_by(answer)}"
            how, body = _ended(answer, keyed=bool(key), rough=self._rough)
            if how is not Ended.DONE:
                said = f"{said}: {answer.status_code} {answer.text[:200]}"
        self.notes.ended(how, said, time.monotonic() - began, write=method == "POST")
        return how, body

    def _expect(self, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            self.notes.ledger.wrong(f"{what}: {found} instead of {wanted}")


class _Last(threading.local):
    """What this thread's client was last answered by."""

    by = ""


def _by(answer: httpx.Response) -> str:
    names = ("X-Strangler-Arm", "X-Strangler-Reason", "X-Strangler-Revision", "Set-Cookie")
    return ", ".join(answer.headers.get(name, "-")[:40] for name in names)


def _ended(answer: httpx.Response, *, keyed: bool, rough: bool) -> tuple[Ended, Any]:
    if answer.is_success:
        return Ended.DONE, answer.json()
    if answer.status_code == 409:
        body = answer.json()
        if keyed and body["error"] == "StillPlacing":
            return Ended.AGAIN, body  # our own first request, which somebody has broken off
        sold_out = body.get("detail", {}).get("cause") == "OutOfStock"
        return (Ended.DECLARED if sold_out else Ended.WRONG), body
    if answer.status_code == 503 and (keyed or answer.headers.get(EXECUTED) == "no"):
        return Ended.AGAIN, None
    if answer.status_code in {502, 504} or (rough and answer.status_code == 500):
        return Ended.UNKNOWN, None
    return Ended.WRONG, None


def check(street: Street, notes: Notes, *, owner: str) -> None:
    """Hold what was acknowledged against the books of whoever owns: each once, and no more."""
    owners = Owners("monolith", owner, "monolith")
    kept = street.books.kept(owners)
    kept = Kept({}, kept.received, kept.unbalanced)
    orders = [order for order in street.books.orders(owners) if order.key in notes.keys]
    found = reckon(notes.ledger, orders, kept)
    assert not notes.ledger.mistakes, notes.ledger.mistakes[:5]
    assert (found.lost, found.twice, found.differing) == ([], [], [])
    ours = {*notes.ledger.received, *notes.perhaps, *notes.refused}
    written = [note for note in kept.received if note in ours]
    assert len(written) == len(set(written))
    acknowledged = set(notes.ledger.received)
    assert set(written) - acknowledged <= notes.perhaps
    assert not set(written) & notes.refused
    assert notes.count(Ended.WRONG) == 0, notes.endings[Ended.WRONG][:5]
