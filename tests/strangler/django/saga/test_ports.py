"""Checkout as a saga: three capabilities behind their ports, and a row of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Group

from contracts import inventory as stock
from contracts import payments as money
from contracts import pricing
from contracts.money import Money
from strangler.django.saga.store import Tables
from strangler.ports.bind import bind
from strangler.ports.context import Context, User, current, use
from strangler.ports.errors import DeclaredError, PortError, TimedOut
from strangler.ports.guard import CallInTransaction
from strangler.ports.testing import serving
from strangler.saga.declare import Here, Saga, compensable, nothing, pivot
from strangler.saga.machine import State
from strangler.saga.running import Running

prices = bind(pricing.Pricing)
inventory = bind(stock.Inventory)
payments = bind(money.Payments)
CLEO = User("cleo", ("customer",))


@dataclass(frozen=True, slots=True)
class Placing:
    """An order that is being placed."""

    order: UUID
    sku: str
    total: Decimal | None = None


def begin(placing: Placing, here: Here) -> None:
    Group.objects.create(name=f"{placing.order} placing")


def reject(placing: Placing, here: Here) -> None:
    row = Group.objects.get(name__startswith=str(placing.order))
    row.name = f"{placing.order} rejected for {here.cause}"
    row.save()


def quote(placing: Placing, here: Here) -> Placing:
    found = prices.quote([pricing.Line(placing.sku, 1)], "DE", None)
    return replace(placing, total=found.total)


def reserve(placing: Placing, here: Here) -> None:
    inventory.reserve(placing.order, [stock.Item(placing.sku, 1)])


def release(placing: Placing, here: Here) -> None:
    inventory.release(placing.order)


def charge(placing: Placing, here: Here) -> None:
    assert placing.total is not None
    payments.charge(placing.order, Money(placing.total, "EUR"), "card")


def refund(placing: Placing, here: Here) -> None:
    payments.refund(placing.order)


def confirm(placing: Placing, here: Here) -> None:
    row = Group.objects.get(name__startswith=str(placing.order))
    row.name = f"{placing.order} confirmed at {placing.total}"
    row.save()


PLACE = Saga(
    "ordering.place",
    Placing,
    compensable("begin", begin, reject, local=True),
    compensable("quote", quote, nothing, refusals=[DeclaredError]),
    compensable("reserve", reserve, release, refusals=[DeclaredError]),
    compensable("charge", charge, refund, refusals=[DeclaredError]),
    pivot("confirm", confirm, local=True),
    locks=lambda placing: [f"order:{placing.order}"],
)


class Behind:
    """What all three do: note who asks for what, and fail as they are told."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.users: set[User | None] = set()
        self.fails: dict[str, PortError] = {}

    def asked(self, call: str) -> None:
        self.calls.append(call)
        self.users.add(current().user)
        if call in self.fails:
            raise self.fails.pop(call)


AT = datetime(2026, 1, 1, tzinfo=UTC)
NONE = Decimal(0)


@dataclass
class Prices(pricing.Pricing):
    behind: Behind

    def quote(self, lines: Any, country: str, coupon: str | None = None) -> pricing.Quote:
        self.behind.asked("quote")
        one = Decimal("19.90")
        sold = [pricing.QuotedLine(line.sku, line.quantity, one, NONE, one) for line in lines]
        return pricing.Quote(sold, country, "EUR", coupon, one, NONE, NONE, NONE, NONE, one)


@dataclass
class Stock(stock.Inventory):
    behind: Behind

    def availability(self, skus: list[str]) -> list[stock.Availability]:
        raise NotImplementedError

    def reserve(self, order: UUID, items: Any) -> stock.Reservation:
        return self._done("reserve", order, stock.ReservationState.HELD)

    def release(self, order: UUID) -> stock.Reservation:
        return self._done("release", order, stock.ReservationState.RELEASED)

    def commit(self, order: UUID) -> stock.Reservation:
        return self._done("commit", order, stock.ReservationState.COMMITTED)

    def _done(self, call: str, order: UUID, state: Any) -> stock.Reservation:
        self.behind.asked(call)
        return stock.Reservation(order, state, [], AT)


@dataclass
class Bank(money.Payments):
    behind: Behind

    def payment(self, order: UUID) -> money.Payment:
        raise NotImplementedError

    def charge(self, order: UUID, amount: Money, method: str) -> money.Payment:
        return self._done("charge", order, money.PaymentState.CAPTURED)

    def refund(self, order: UUID) -> money.Payment:
        return self._done("refund", order, money.PaymentState.REFUNDED)

    def _done(self, call: str, order: UUID, state: Any) -> money.Payment:
        self.behind.asked(call)
        return money.Payment(order, "cleo", state, None, None, None, AT)


@pytest.fixture
def behind(db: None) -> Iterator[Behind]:
    made = Behind()
    with ExitStack() as stack:
        stack.enter_context(serving(pricing.Pricing, Prices(made)))
        stack.enter_context(serving(stock.Inventory, Stock(made)))
        stack.enter_context(serving(money.Payments, Bank(made)))
        stack.enter_context(use(Context(user=CLEO, cohort=7)))
        yield made


@pytest.fixture
def place(behind: Behind) -> Callable[..., Any]:
    engine = Running(Tables("default"), [PLACE])
    order = uuid4()
    return lambda: engine.start(PLACE, Placing(order, "LAMP"), key=str(order))


def row() -> str:
    return Group.objects.get().name.partition(" ")[2]


def test_an_order_is_placed(behind: Behind, place: Callable[..., Any]):
    assert place().state is State.COMPLETED
    assert row() == "confirmed at 19.90"
    assert behind.calls == ["quote", "reserve", "charge"]


def test_an_order_that_is_declined_is_given_back(behind: Behind, place: Callable[..., Any]):
    behind.fails["charge"] = money.Declined(order=UUID(int=1), reason="no funds")

    seen = place()

    assert (seen.state, seen.cause) == (State.COMPENSATED, "Declined")
    assert row() == "rejected for Declined"
    assert behind.calls == ["quote", "reserve", "charge", "refund", "release"]


def test_what_nobody_knows_is_asked_again_for_the_same_user(
    behind: Behind, place: Callable[..., Any]
):
    behind.fails["reserve"] = TimedOut("nobody knows")
    seen = place()
    assert (seen.state, row()) == (State.RUNNING, "placing")

    with use(Context()):
        engine = Running(Tables("default"), [PLACE], clock=lambda: seen.record.due or 0)
        assert engine.sweep(10) == 1

    assert row() == "confirmed at 19.90"
    assert behind.users == {CLEO}


def test_a_local_step_calls_no_port(behind: Behind):
    saga = Saga("ordering.odd", Placing, pivot("reserve", reserve, local=True))
    engine = Running(Tables("default"), [saga])

    seen = engine.start(saga, Placing(uuid4(), "LAMP"), key="1")

    assert seen.trouble.startswith(CallInTransaction.__name__)
    assert behind.calls == []
