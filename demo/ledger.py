"""What happened to whom: every request counted, every order accounted for."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

WINDOW = 400
"""How many of the last answers of an arm the live view's latency is taken from."""


@dataclass(slots=True)
class ArmFigures:
    """What one arm answered; ``rescued`` of it in place of the other. Latencies are in seconds."""

    requests: int = 0
    failed: int = 0
    rescued: int = 0
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))

    def percentile(self, share: float) -> float | None:
        """A latency of the last answers, in seconds; None where there are none."""
        ordered = sorted(self.recent)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """An order that the shop has acknowledged."""

    key: str
    id: str
    customer: str
    total: Decimal
    units: dict[str, int]


class Ledger:
    """Written by the traffic, read by the view and by the reckoning; safe to share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.arms: dict[tuple[str, str], ArmFigures] = {}
        self.requests = 0
        self.failures: list[str] = []
        self.mistakes: list[str] = []
        self.orders: dict[str, PlacedOrder] = {}
        self.unanswered: set[str] = set()
        self.prices: dict[str, Decimal] = {}
        self.received: list[str] = []
        self.slowest_write = 0.0

    def answered(
        self,
        capability: str,
        arm: str,
        seconds: float,
        *,
        rescued: bool = False,
        writes: bool = False,
        failure: str | None = None,
    ) -> None:
        """One request has ended; ``failure`` says how, where it did not end well."""
        with self._lock:
            self.requests += 1
            if writes:
                self.slowest_write = max(self.slowest_write, seconds)
            figures = self.arms.setdefault((capability, arm), ArmFigures())
            figures.requests += 1
            figures.rescued += rescued
            figures.recent.append(seconds)
            if failure is not None:
                figures.failed += 1
                self.failures.append(failure)

    def answers(self, capability: str, arm: str) -> int:
        """How many requests of a capability this arm has answered."""
        with self._lock:
            figures = self.arms.get((capability, arm))
            return figures.requests if figures else 0

    @property
    def rescued(self) -> int:
        """How many requests the monolith answered because the service had failed to."""
        with self._lock:
            return sum(figures.rescued for figures in self.arms.values())

    def wrong(self, what: str) -> None:
        """An answer came, and it was not the right one."""
        with self._lock:
            self.mistakes.append(what)

    def placed(self, order: PlacedOrder) -> None:
        """The shop says that it has taken this order. A second, different answer is a mistake."""
        with self._lock:
            first = self.orders.setdefault(order.key, order)
            if first.id != order.id:
                self.mistakes.append(f"key {order.key} was answered with {first.id} and {order.id}")
            self.unanswered.discard(order.key)

    def placing(self, key: str) -> None:
        """An order is on its way; without an answer nobody may say what became of it."""
        with self._lock:
            self.unanswered.add(key)

    def repriced(self, sku: str, price: Decimal) -> None:
        """The shop says that it sells this at another price from now on."""
        with self._lock:
            self.prices[sku] = price

    def took(self, note: str) -> None:
        """The shop says that it has received a delivery; each has a note of its own."""
        with self._lock:
            self.received.append(note)

    def turned_down(self, key: str) -> None:
        """The shop has refused an order, as it may (nothing left in stock)."""
        with self._lock:
            self.unanswered.discard(key)


@dataclass(frozen=True, slots=True)
class FoundOrder:
    """An order as the shop's own books have it afterwards."""

    id: str
    key: str
    state: str
    total: Decimal
    units: dict[str, int]


@dataclass(frozen=True, slots=True)
class Kept:
    """What the books say of the staff's work. ``unbalanced``: stock that is no sum of movements."""

    prices: dict[str, Decimal] = field(default_factory=dict)
    received: list[str] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Reckoning:
    """Acknowledged orders against the shop's books."""

    lost: list[str]
    twice: list[str]
    differing: list[str]


def reckon(ledger: Ledger, found: Iterable[FoundOrder], kept: Kept | None = None) -> Reckoning:
    """Hold what was acknowledged against the books.

    Every acknowledged order must be in the books once, confirmed, as it was shown, and paid out.

    An order in the books that was acknowledged to nobody counts as done twice, unless its request
    ended without an answer. More goods gone than were ordered is an order done twice as well.
    """
    books = {order.id: order for order in found}
    confirmed = Counter(order.key for order in books.values() if order.state == "confirmed")
    reckoning = Reckoning(lost=[], twice=[], differing=[])
    for key, count in confirmed.items():
        if count > 1 or (key not in ledger.orders and key not in ledger.unanswered):
            reckoning.twice.append(key)
    for shown in ledger.orders.values():
        entry = books.get(shown.id)
        if entry is None or entry.state != "confirmed":
            reckoning.lost.append(shown.key)
            continue
        if entry.total != shown.total:
            reckoning.differing.append(f"{shown.key}: {shown.total} was shown, not {entry.total}")
        for sku in shown.units.keys() | entry.units.keys():
            ordered, gone = shown.units.get(sku, 0), entry.units.get(sku, 0)
            if gone < ordered:
                reckoning.lost.append(f"{shown.key}: {ordered - gone} of {sku} were not taken")
            elif gone > ordered:
                reckoning.twice.append(f"{shown.key}: {gone - ordered} of {sku} too many")
    if kept is not None:
        _reckon_staff(ledger, kept, reckoning)
    return reckoning


def _reckon_staff(ledger: Ledger, kept: Kept, reckoning: Reckoning) -> None:
    """The last price that was acknowledged counts, and every delivery, once."""
    for sku, price in ledger.prices.items():
        if kept.prices.get(sku) != price:
            reckoning.lost.append(
                f"{sku}: repriced to {price}, and it costs {kept.prices.get(sku)}"
            )
    books = Counter(kept.received)
    reckoning.lost.extend(f"delivery {note}" for note in ledger.received if not books[note])
    reckoning.twice.extend(f"delivery {note}" for note in ledger.received if books[note] > 1)
    reckoning.differing.extend(kept.unbalanced)
