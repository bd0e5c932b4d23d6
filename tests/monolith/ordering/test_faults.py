"""Whatever fails on the way of an order: none is lost, none is there twice, the books balance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from contracts.inventory import OutOfStock, ReservationEnded, ReservationState, UnknownReservation
from contracts.ordering import KeyReused, Line, Order, OrderRejected, OrderState, StillPlacing
from contracts.payments import Declined, PaymentEnded
from contracts.pricing import (
    CouponNotApplicable,
    MixedCurrencies,
    NotForSale,
    UnknownCountry,
    UnknownCoupon,
)
from monolith.inventory import models as inventory
from monolith.ordering import checkout, models
from monolith.ordering.placing import _known
from monolith.ordering.service import OrderingService
from monolith.payments.charging import refund
from monolith.payments.models import Intent
from monolith.payments.sandbox import magic
from monolith.shipping.models import Shipment
from strangler.django.saga import engine, sweep
from strangler.django.saga.models import Saga, SagaEntry
from strangler.ports.context import User
from strangler.ports.errors import (
    PortError,
    TimedOut,
    Unreachable,
)
from strangler.saga.machine import Event, State
from tests.monolith.ordering.faults import Died, Faults

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shop", "as_cleo")]
Audit = Callable[[], None]
Pass = Callable[[timedelta], None]
ordering = OrderingService()
LINES = [Line("LAMP", 2), Line("DESK", 1)]
LEASE = timedelta(seconds=checkout.CHECKOUT.lease)
SOON = timedelta(seconds=1)


def place(key: str = "k", lines: list[Line] = LINES) -> Order:
    return ordering.place(key, lines, "DE")


def died(write: Callable[[], Any]) -> None:
    with pytest.raises(Died):
        write()


STEPS = ("quote", "reserve", "charge", "commit")
UNDO = ("release", "refund")
AT_A_PORT = [(when, step) for when in ("before", "after") for step in STEPS]


@pytest.mark.parametrize("at", AT_A_PORT)
@pytest.mark.parametrize("error", [Unreachable, TimedOut])
def test_what_can_not_be_reached_is_carried_on_with_by_the_next_request(
    faults: Faults, audit: Audit, at: tuple[str, str], error: type[PortError]
):
    faults.put(at, error("down"), error("still down"))

    for _ in range(2):
        with pytest.raises(StillPlacing):
            place()
    row = models.Order.objects.get()
    assert row.state == OrderState.PLACING
    order = place()

    assert (order.id, order.state) == (row.id, OrderState.CONFIRMED)
    assert place() == order
    audit()


@pytest.mark.parametrize("at", AT_A_PORT)
@pytest.mark.parametrize("by", ["request", "sweeper"])
def test_who_dies_at_a_port_is_succeeded(
    faults: Faults, audit: Audit, time_passes: Pass, at: tuple[str, str], by: str
):
    faults.put(at, Died())
    died(place)

    with pytest.raises(StillPlacing):
        place()
    assert sweep() == 0
    time_passes(LEASE)
    if by == "sweeper":
        assert sweep() == 1

    assert place().state is OrderState.CONFIRMED
    assert models.Order.objects.count() == 1
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
    assert "charge" not in faults.calls
    audit()


def test_what_is_declined_is_rejected_and_nothing_is_kept(faults: Faults, audit: Audit):
    with pytest.raises(OrderRejected) as caught:
        ordering.place("k", LINES, "DE", payment="sandbox-no-funds")

    assert caught.value.cause == Declined.__name__
    assert "There is not enough on the account." in caught.value.reason
    assert inventory.Reservation.objects.get().state == ReservationState.RELEASED
    assert "commit" not in faults.calls
    audit()


def test_who_pays_with_what_is_another_s_gets_nothing(audit: Audit, as_cleo: User):
    with pytest.raises(OrderRejected) as caught:
        ordering.place("k", LINES, "DE", payment=f"{as_cleo.id}0:visa")
    assert caught.value.cause == Declined.__name__
    assert magic.NOT_THEIRS in caught.value.reason

    own = ordering.place("own", LINES, "DE", payment=f"{as_cleo.id}:visa")
    assert own.state is OrderState.CONFIRMED
    audit()


@pytest.mark.parametrize(
    ("fault", "late"),
    [("before", True), *((fault, late) for fault in ("after", "never") for late in (False, True))],
)
def test_a_provider_that_fails_or_does_not_answer_takes_it_once_or_gives_it_back(
    audit: Audit, time_passes: Pass, fault: str, *, late: bool
):
    def ask() -> Order:
        return ordering.place("k", LINES, "DE", payment=f"sandbox-{fault}")

    with pytest.raises(StillPlacing):
        ask()
    time_passes(checkout.PATIENCE if late else SOON)
    sweep()

    if late:
        with pytest.raises(OrderRejected) as caught:
            ask()
        assert caught.value.cause == "DeadlinePassed"
    else:
        assert ask().state is OrderState.CONFIRMED
    audit()


@pytest.mark.parametrize(
    "error",
    [ReservationEnded(UUID(int=0), ReservationState.EXPIRED), UnknownReservation(UUID(int=0))],
    ids=lambda error: type(error).__name__,
)
def test_what_is_paid_for_and_gone_is_paid_back(faults: Faults, audit: Audit, error: Any):
    faults.before["commit"] = [error]

    with pytest.raises(OrderRejected) as caught:
        place()

    assert caught.value.cause == type(error).__name__
    assert faults.calls == ["quote", "reserve", "charge", "commit", "release", "refund", "release"]
    audit()


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_was_paid_back_meanwhile_is_not_sold(faults: Faults, audit: Audit, when: str):
    """Staff give the money back while the goods are being taken out of stock."""

    def paid_back() -> None:
        refund(Intent.objects.get().order, by="stan", own=None)

    faults.put((when, "commit"), paid_back)

    with pytest.raises(OrderRejected) as caught:
        place()

    assert caught.value.cause == PaymentEnded.__name__
    assert ordering.order(caught.value.order).state is OrderState.REJECTED
    audit()


@pytest.mark.parametrize("error", [Unreachable("down"), TimedOut("late")])
def test_nothing_is_sold_while_nobody_says_whether_it_is_paid(
    faults: Faults, audit: Audit, error: PortError
):
    faults.put(("after", "charge"), None, error)

    with pytest.raises(StillPlacing):
        place()

    assert place().state is OrderState.CONFIRMED
    assert faults.calls == ["quote", "reserve", "charge", *["commit", "charge"] * 2]
    audit()


def test_goods_that_went_to_others_while_the_money_was_late_are_paid_back(
    faults: Faults, audit: Audit, time_passes: Pass
):
    """The hold has lapsed, and somebody else has the last desk, when the money is there at last."""
    faults.after["charge"] = [TimedOut("late")]
    with pytest.raises(StillPlacing):
        place("slow", [Line("DESK", 3)])
    inventory.Reservation.objects.update(expires_at="2000-01-01T00:00Z")

    assert place("fast", [Line("DESK", 1)]).state is OrderState.CONFIRMED
    with pytest.raises(OrderRejected) as caught:
        place("slow", [Line("DESK", 3)])

    assert caught.value.cause == ReservationEnded.__name__
    audit()


@pytest.mark.parametrize("at", [(when, undo) for when in ("before", "after") for undo in UNDO])
@pytest.mark.parametrize("error", [Unreachable("down"), TimedOut("late"), Died()])
def test_what_a_rejected_order_kept_is_given_back_later_if_not_now(
    faults: Faults,
    audit: Audit,
    time_passes: Pass,
    at: tuple[str, str],
    error: BaseException,
):
    faults.before["commit"] = [ReservationEnded(UUID(int=0), ReservationState.EXPIRED)]
    faults.put(at, error)

    with pytest.raises(Died if isinstance(error, Died) else OrderRejected):
        place()
    with pytest.raises(OrderRejected) as caught:
        place()
    assert caught.value.cause == ReservationEnded.__name__
    assert sweep() == 0, "whoever is at it may still be giving back"
    time_passes(LEASE)

    assert sweep() == 1
    with pytest.raises(OrderRejected) as again:
        place()
    assert again.value.detail() == caught.value.detail()
    audit()


@pytest.mark.parametrize("at", AT_A_PORT)
def test_who_loses_patience_gives_everything_back(
    faults: Faults, audit: Audit, time_passes: Pass, at: tuple[str, str]
):
    error = Unreachable("down") if at[0] == "before" else TimedOut("late")
    faults.put(at, error, error)
    with pytest.raises(StillPlacing):
        place()
    time_passes(checkout.PATIENCE)

    sweep()

    with pytest.raises(OrderRejected) as caught:
        place()
    assert caught.value.cause == "DeadlinePassed"
    assert caught.value.reason == "It was not done by its deadline."
    row = models.Order.objects.get()
    assert (row.reason, ordering.order(row.id).reason) == (caught.value.reason,) * 2
    said = [entry.detail for entry in SagaEntry.objects.filter(event=Event.DEADLINE)]
    assert said == [f"{type(error).__name__}: {error}"], "what was met with is for operators"
    audit()


def test_one_order_that_can_not_be_finished_does_not_keep_the_others_waiting(
    faults: Faults, audit: Audit, time_passes: Pass
):
    for key in "ab":
        faults.before["quote"] = [Died()]
        died(lambda key=key: place(key, [Line("LAMP", 1)]))
    faults.before["quote"] = [ZeroDivisionError()]
    time_passes(LEASE)

    assert sweep() == 2
    assert sorted(models.Order.objects.values_list("state", flat=True)) == ["confirmed", "placing"]
    time_passes(LEASE)
    assert sweep() == 1
    assert sweep() == 0
    audit()


@pytest.mark.parametrize("at", AT_A_PORT)
def test_who_is_overtaken_agrees_with_who_confirmed(
    faults: Faults, audit: Audit, time_passes: Pass, at: tuple[str, str]
):
    """The first request sleeps at a port, was given up for dead, and wakes up again."""
    seen: list[Order] = []

    def overtake() -> None:
        time_passes(LEASE)
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
        time_passes(LEASE)
        ordering.cancel(place().id)

    faults.put(at, overtake)

    assert place().state is OrderState.CANCELLED
    audit()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("error", [Unreachable("down"), TimedOut("late"), Died()])
def test_a_cancellation_waits_until_shipping_says_whether_it_is_delivered(
    faults: Faults, audit: Audit, time_passes: Pass, when: str, error: BaseException
):
    order = place()
    faults.put((when, "call_off"), error)

    with pytest.raises(Died if isinstance(error, Died) else TimedOut):
        ordering.cancel(order.id)
    assert ordering.order(order.id).state is OrderState.CONFIRMED
    time_passes(LEASE)
    sweep()

    assert ordering.cancel(order.id).state is OrderState.CANCELLED
    assert Shipment.objects.get().state == "cancelled"
    audit()


def test_a_cancellation_that_was_ended_before_it_was_written_can_be_begun_again(
    audit: Audit, monkeypatch: pytest.MonkeyPatch
):
    order = place()

    def breaks(_: object) -> None:
        raise RuntimeError("the outbox is broken")

    with monkeypatch.context() as broken:
        broken.setattr(checkout.events, "publish", breaks)
        with pytest.raises(TimedOut):
            ordering.cancel(order.id)
    (left,) = engine().listed(states=[State.RUNNING], name="ordering.call_off", limit=10)
    engine().abandon(left.id, actor="ann", reason="the outbox was broken")

    assert ordering.cancel(order.id).state is OrderState.CANCELLED
    Saga.objects.filter(pk=left.id).delete()  # an auditor would ask why it was abandoned
    audit()


def abandon() -> None:
    (open_,) = engine().listed(states=[State.RUNNING, State.COMPENSATING], limit=2)
    engine().abandon(open_.id, actor="ann", reason="the bank's database is lost")


@pytest.mark.parametrize("step", ["quote", "charge", "commit"])
def test_an_order_that_an_operator_ends_says_so(faults: Faults, step: str):
    faults.before[step] = [Unreachable("down")]
    with pytest.raises(StillPlacing):
        place()

    abandon()

    row = models.Order.objects.get()
    assert (row.state, row.cause) == (OrderState.REJECTED, "Abandoned")
    shown = ordering.order(row.id)
    assert (shown.state, shown.reason) == (OrderState.REJECTED, checkout.GIVEN_UP)
    assert shown.total == (None if step == "quote" else Decimal("142.68"))
    for _ in range(2):
        with pytest.raises(OrderRejected) as caught:
            place()
        assert caught.value.detail() == {
            "order": row.id, "cause": "Abandoned", "reason": checkout.GIVEN_UP,
        }  # fmt: skip


def test_a_key_is_one_order_however_long_its_saga_is_kept(faults: Faults, audit: Audit):
    placed = place("placed")
    gone = place("gone")
    ordering.cancel(gone.id)
    faults.before["charge"] = [Declined(UUID(int=0), "No.")]
    with pytest.raises(OrderRejected) as told:
        place("rejected")

    assert engine().prune(timedelta(0), limit=100) == Saga.objects.count() + 4 == 4

    faults.calls.clear()
    assert place("placed") == placed
    assert place("gone").state is OrderState.CANCELLED
    with pytest.raises(OrderRejected) as again:
        place("rejected")
    assert again.value.detail() == told.value.detail()
    with pytest.raises(KeyReused):
        place("placed", [Line("LAMP", 9)])
    assert ordering.cancel(gone.id).state is OrderState.CANCELLED
    assert faults.calls == [], "nobody is asked for anything again"
    asked = replace(_known(models.Order.objects.get(key="placed")), order=UUID(int=9))
    seen = engine().start(checkout.CHECKOUT, asked, key="whatever")
    assert (seen.state, seen.cause) == (State.COMPENSATED, "KeyReused")
    audit()


def test_an_order_that_had_turned_before_it_was_ended_keeps_its_reason(faults: Faults):
    faults.before["charge"] = [Declined(UUID(int=0), "No.")]
    faults.before["refund"] = [Unreachable("down")]
    with pytest.raises(OrderRejected) as told:
        place()

    abandon()

    assert models.Order.objects.get().state == OrderState.REJECTED
    with pytest.raises(OrderRejected) as again:
        place()
    assert again.value.detail() == told.value.detail()


def test_an_order_that_was_ended_before_it_was_there_is_rejected_for_good(
    monkeypatch: pytest.MonkeyPatch,
):
    """By its key: however long its saga is kept."""

    def breaks(**_: object) -> None:
        raise RuntimeError("the table is away")

    with monkeypatch.context() as broken:
        broken.setattr(models.Order.objects, "create", breaks)
        with pytest.raises(StillPlacing):
            place()
    abandon()

    for _ in range(2):
        with pytest.raises(OrderRejected) as caught:
            place()
        assert caught.value.cause == "Abandoned"
        Saga.objects.all().delete()
    assert models.Order.objects.get().state == OrderState.REJECTED


REFUSALS = {
    "reserve": OutOfStock("LAMP", 2, 0),
    "charge": Declined(UUID(int=0), "No."),
    "commit": ReservationEnded(UUID(int=0), ReservationState.EXPIRED),
}


@pytest.mark.parametrize(
    ("at", "refused"),
    [
        (at, refused)
        for at in AT_A_PORT
        for refused in REFUSALS
        if STEPS.index(refused) >= STEPS.index(at[1])
    ],
)
def test_who_is_overtaken_takes_nothing_for_an_order_that_was_rejected(
    faults: Faults, audit: Audit, time_passes: Pass, at: tuple[str, str], refused: str
):
    def overtake() -> None:
        time_passes(LEASE)
        faults.put(("before", refused), REFUSALS[refused])
        with pytest.raises(OrderRejected):
            place()

    faults.put(at, overtake)

    with pytest.raises(OrderRejected) as caught:
        place()
    assert caught.value.cause == type(REFUSALS[refused]).__name__
    audit()
