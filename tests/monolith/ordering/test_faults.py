"""Whatever fails on the way of an order: none is lost, none is there twice, the books balance."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from contracts.inventory import OutOfStock, ReservationEnded, ReservationState
from contracts.ordering import Line, Order, OrderRejected, OrderState, StillPlacing
from contracts.pricing import (
    CouponNotApplicable,
    MixedCurrencies,
    NotForSale,
    UnknownCountry,
    UnknownCoupon,
)
from monolith.inventory import models as inventory
from monolith.ordering import models, placing
from monolith.ordering.service import OrderingService
from monolith.ordering.tasks import finish_stuck_orders
from strangler.ports.errors import (
    BulkheadFull,
    CallRefused,
    CircuitOpen,
    ConnectionLost,
    PortError,
    TimedOut,
    Unreachable,
)
from tests.monolith.ordering.faults import Died, Faults

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shop", "as_cleo")]
Audit = Callable[[], None]
Pass = Callable[[timedelta], None]
ordering = OrderingService()
LINES = [Line("LAMP", 2), Line("DESK", 1)]


def place(key: str = "k", lines: list[Line] = LINES) -> Order:
    return ordering.place(key, lines, "DE")


def died(write: Callable[[], Any]) -> None:
    with pytest.raises(Died):
        write()


AT_A_PORT = [
    (when, step) for when in ("before", "after") for step in ("quote", "reserve", "commit")
]
UNREACHED = (Unreachable, CircuitOpen, BulkheadFull, CallRefused)
UNKNOWN = (TimedOut, ConnectionLost)


@pytest.mark.parametrize("at", AT_A_PORT)
@pytest.mark.parametrize("error", [*UNREACHED, *UNKNOWN])
def test_what_can_not_be_reached_is_carried_on_with_by_the_next_request(
    faults: Faults, audit: Audit, at: tuple[str, str], error: type[PortError]
):
    faults.put(at, error("down"), error("still down"))

    for _ in range(2):
        with pytest.raises(error):
            place()
    row = models.Order.objects.get()
    assert row.state == OrderState.PLACING
    order = place()

    assert (order.id, order.state) == (row.id, OrderState.CONFIRMED)
    assert place() == order
    audit()


@pytest.mark.parametrize("at", AT_A_PORT)
@pytest.mark.parametrize("by", ["request", "task"])
def test_who_dies_at_a_port_is_succeeded(
    faults: Faults, audit: Audit, time_passes: Pass, at: tuple[str, str], by: str
):
    faults.put(at, Died())
    died(place)

    with pytest.raises(StillPlacing):
        place()
    assert finish_stuck_orders() == 0
    time_passes(placing.LEASE)
    if by == "task":
        assert finish_stuck_orders() == 1

    assert place().state is OrderState.CONFIRMED
    assert models.Order.objects.count() == 1
    audit()


@pytest.mark.parametrize("nth", [0, 1])
@pytest.mark.parametrize("when", ["before", "after"])
def test_who_dies_at_a_step_of_ones_own_is_succeeded(
    monkeypatch: pytest.MonkeyPatch, audit: Audit, time_passes: Pass, nth: int, when: str
):
    write, seen = placing._write, []

    def dying(row: models.Order, **changes: Any) -> None:
        seen.append(changes)
        if len(seen) - 1 == nth and when == "before":
            raise Died
        write(row, **changes)
        if len(seen) - 1 == nth:
            raise Died

    monkeypatch.setattr(placing, "_write", dying)
    died(place)
    monkeypatch.undo()
    time_passes(placing.LEASE)
    finish_stuck_orders()

    assert place().state is OrderState.CONFIRMED
    assert models.Order.objects.count() == 1
    audit()


def test_who_dies_right_after_the_order_was_created_is_succeeded(
    monkeypatch: pytest.MonkeyPatch, audit: Audit, time_passes: Pass
):
    def die(row: models.Order) -> None:
        raise Died

    monkeypatch.setattr(placing, "carry_on", die)
    died(place)
    monkeypatch.undo()
    time_passes(placing.LEASE)

    assert finish_stuck_orders() == 1
    assert ordering.order(models.Order.objects.get().id).state is OrderState.CONFIRMED
    audit()


@pytest.mark.parametrize(
    "error",
    [
        NotForSale(skus=["LAMP"]),
        UnknownCoupon(coupon="X"),
        CouponNotApplicable(coupon="X", minimum=Decimal(5), currency="EUR"),
        UnknownCountry(country="XX"),
        MixedCurrencies(currencies=["EUR", "USD"]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_pricing_declares_is_why_the_order_is_rejected(
    faults: Faults, audit: Audit, error: Any
):
    faults.before["quote"] = [error]

    with pytest.raises(OrderRejected) as caught:
        place()
    with pytest.raises(OrderRejected) as again:
        place()

    assert caught.value.cause == type(error).__name__
    assert caught.value.detail() == again.value.detail()
    assert faults.calls == ["quote"], "nothing was reserved, and nothing is tried again"
    audit()


def test_what_is_out_of_stock_is_rejected_and_nothing_is_kept(faults: Faults, audit: Audit):
    with pytest.raises(OrderRejected) as caught:
        place(lines=[Line("LAMP", 2), Line("DESK", 4)])

    assert caught.value.cause == OutOfStock.__name__
    assert "sku='DESK', requested=4, available=3" in caught.value.reason
    shown = ordering.order(caught.value.order)
    assert (shown.state, shown.reason) == (OrderState.REJECTED, caught.value.reason)
    audit()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("error", [Unreachable("down"), TimedOut("late"), Died()])
def test_what_a_rejected_order_kept_is_given_back_later_if_not_now(
    faults: Faults, audit: Audit, time_passes: Pass, when: str, error: BaseException
):
    """The reservation was lost on its way back, and then the stock was gone."""
    faults.after["reserve"] = [TimedOut("late"), OutOfStock("LAMP", 2, 0)]
    getattr(faults, when)["release"] = [error]
    with pytest.raises(TimedOut):
        place()

    with pytest.raises((OrderRejected, Died)):
        place()
    with pytest.raises(OrderRejected):
        place()
    assert models.Order.objects.get().owing
    assert finish_stuck_orders() == 0, "whoever is at it may still be giving back"
    time_passes(placing.LEASE)

    assert finish_stuck_orders() == 1
    audit()


def test_who_loses_patience_gives_everything_back(faults: Faults, audit: Audit, time_passes: Pass):
    faults.before["commit"] = [Unreachable("down")] * 2
    with pytest.raises(Unreachable):
        place()
    time_passes(placing.PATIENCE)

    finish_stuck_orders()

    with pytest.raises(OrderRejected) as caught:
        place()
    assert caught.value.cause == "Unreachable"
    assert inventory.Reservation.objects.get().state == "released"
    audit()


def test_one_order_that_can_not_be_finished_does_not_keep_the_others_waiting(
    faults: Faults, audit: Audit, time_passes: Pass
):
    for key in "ab":
        faults.before["quote"] = [Died()]
        died(lambda key=key: place(key, [Line("LAMP", 1)]))
    faults.before["quote"] = [ZeroDivisionError()]
    time_passes(placing.LEASE)

    assert finish_stuck_orders() == 2
    assert sorted(models.Order.objects.values_list("state", flat=True)) == ["confirmed", "placing"]
    time_passes(placing.LEASE)
    assert finish_stuck_orders() == 1
    assert finish_stuck_orders() == 0
    audit()


@pytest.mark.parametrize("at", AT_A_PORT)
def test_who_is_overtaken_agrees_with_who_confirmed(
    faults: Faults, audit: Audit, time_passes: Pass, at: tuple[str, str]
):
    """The first request sleeps at a port, was given up for dead, and wakes up again."""
    seen: list[Order] = []

    def overtake() -> None:
        time_passes(placing.LEASE)
        seen.append(place())

    faults.put(at, overtake)

    assert [place()] == seen
    assert seen[0].state is OrderState.CONFIRMED
    assert models.Order.objects.count() == 1
    audit()


@pytest.mark.parametrize("at", AT_A_PORT)
def test_who_is_overtaken_takes_nothing_for_an_order_that_was_cancelled(
    faults: Faults, audit: Audit, time_passes: Pass, at: tuple[str, str]
):
    def overtake() -> None:
        time_passes(placing.LEASE)
        ordering.cancel(place().id)

    faults.put(at, overtake)

    assert place().state is OrderState.CANCELLED
    audit()


@pytest.mark.parametrize("at", AT_A_PORT)
@pytest.mark.parametrize(
    ("refused", "refusal"),
    [
        ("reserve", OutOfStock("LAMP", 2, 0)),
        ("commit", ReservationEnded(UUID(int=0), ReservationState.EXPIRED)),
    ],
    ids=["reserve", "commit"],
)
def test_who_is_overtaken_takes_nothing_for_an_order_that_was_rejected(
    faults: Faults,
    audit: Audit,
    time_passes: Pass,
    *,
    at: tuple[str, str],
    refused: str,
    refusal: Exception,
):
    def overtake() -> None:
        time_passes(placing.LEASE)
        faults.put(("before", refused), refusal)
        with pytest.raises(OrderRejected):
            place()

    faults.put(at, overtake)

    with pytest.raises(OrderRejected):
        place()
    audit()
