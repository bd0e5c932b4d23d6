"""Whoever places or cancels an order dies, before and after each thing that is written of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from contracts.ordering import Line, Order, OrderRejected, OrderState, StillPlacing
from monolith.ordering import checkout, models
from monolith.ordering.service import OrderingService
from strangler.django.saga import sweep
from strangler.django.saga.store import Tables
from tests.monolith.ordering.faults import Died

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shop", "as_cleo")]
Audit = Callable[[], None]
Pass = Callable[[timedelta], None]
LEASE = timedelta(seconds=checkout.CHECKOUT.lease)
WRITES = ("create", "write", "write_with")
PLACED = 7
"""A saga is created, and each of its steps written."""
CANCELLED = 5
REJECTED = 9
"""Created, three steps, the fourth refused; it and the others undone."""
ordering = OrderingService()


class Mortal:
    """Kills whoever writes of a saga for the nth time, before it is written or after."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self.written = 0

    def arm(self, nth: int, when: str) -> None:
        for name in WRITES:
            self._patch.setattr(Tables, name, self._deadly(getattr(Tables, name), nth, when))

    def _deadly(self, write: Callable[..., Any], nth: int, when: str) -> Callable[..., Any]:
        def deadly(*args: Any) -> Any:
            self.written += 1
            last = self.written == nth
            if last and when == "before":
                raise Died
            found = write(*args)
            if last:
                raise Died
            return found

        return deadly

    def disarm(self) -> None:
        self._patch.undo()


@pytest.fixture
def mortal() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        yield Mortal(patch)


def place(payment: str = "card") -> Order:
    return ordering.place("k", [Line("LAMP", 2), Line("DESK", 1)], "DE", payment=payment)


def test_these_are_all_the_writes(mortal: Mortal, audit: Audit):
    mortal.arm(0, "never")
    order = place()
    assert mortal.written == PLACED
    ordering.cancel(order.id)
    assert mortal.written == PLACED + CANCELLED
    with pytest.raises(OrderRejected):
        ordering.place("other", [Line("LAMP", 2)], "DE", payment="sandbox-declined")
    assert mortal.written == PLACED + CANCELLED + REJECTED
    audit()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("nth", range(1, PLACED + 1))
def test_an_order_is_placed_once(
    mortal: Mortal, audit: Audit, time_passes: Pass, nth: int, when: str
):
    mortal.arm(nth, when)
    with pytest.raises(Died):
        place()
    mortal.disarm()
    if models.Order.objects.filter(state=OrderState.PLACING).exists():
        with pytest.raises(StillPlacing):
            place()
    time_passes(LEASE)
    if nth % 2:  # else the customer's next request carries it on
        sweep()

    assert place().state is OrderState.CONFIRMED
    assert models.Order.objects.count() == 1
    audit()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("nth", range(1, REJECTED + 1))
def test_an_order_is_rejected_and_nothing_is_kept(
    mortal: Mortal, audit: Audit, time_passes: Pass, nth: int, when: str
):
    mortal.arm(nth, when)
    with pytest.raises(Died):
        place("sandbox-declined")
    mortal.disarm()
    time_passes(LEASE)
    sweep()

    with pytest.raises(OrderRejected) as caught:
        place("sandbox-declined")
    assert caught.value.cause == "Declined"
    audit()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("nth", range(1, CANCELLED + 1))
def test_an_order_is_cancelled_once(
    mortal: Mortal, audit: Audit, time_passes: Pass, nth: int, when: str
):
    order = place()
    mortal.arm(nth, when)
    with pytest.raises(Died):
        ordering.cancel(order.id)
    mortal.disarm()
    time_passes(LEASE)
    sweep()

    assert ordering.cancel(order.id).state is OrderState.CANCELLED
    audit()
