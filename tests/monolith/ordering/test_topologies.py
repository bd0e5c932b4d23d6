"""The order path with every port local, through the codec, and over real HTTP; commands twice."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest

from contracts.inventory import Inventory, Item, OutOfStock, ReservationState
from contracts.ordering import (
    KeyReused,
    Line,
    NotAuthenticated,
    NotCancellable,
    Ordering,
    OrderRejected,
    OrderState,
    UnknownOrder,
)
from contracts.pricing import Line as Priced
from contracts.pricing import NotForSale, Pricing, UnknownCoupon
from strangler.ports.bind import bind
from strangler.ports.context import Context, use

pytestmark = [
    pytest.mark.topologies,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("shop", "as_cleo"),
]
Audit = Callable[[], None]
ordering = bind(Ordering)
inventory = bind(Inventory)
pricing = bind(Pricing)


@pytest.mark.max_port_calls(7)
def test_an_order_takes_a_call_for_each_step(audit: Audit):
    """place → quote → products, reserve, charge, commit, and charge again: is it still paid?"""
    order = ordering.place("k", [Line("LAMP", 2), Line("DESK", 1)], "DE", "WELCOME10")

    assert order.state is OrderState.CONFIRMED
    audit()


def test_an_order_comes_and_goes(audit: Audit):
    order = ordering.place("k", [Line("LAMP", 2)], "DE")

    assert ordering.order(order.id) == order
    assert ordering.cancel(order.id).state is OrderState.CANCELLED
    with pytest.raises(KeyReused):
        ordering.place("k", [Line("LAMP", 3)], "DE")
    with pytest.raises(UnknownOrder):
        ordering.order(uuid4())
    with use(Context(user=None)), pytest.raises(NotAuthenticated):
        ordering.place("k", [Line("LAMP", 1)], "DE")
    audit()


def test_a_rejection_says_the_same_everywhere(audit: Audit):
    with pytest.raises(OrderRejected) as caught:
        ordering.place("k", [Line("DESK", 4)], "DE")

    assert caught.value.cause == "OutOfStock"
    with pytest.raises(NotCancellable) as refused:
        ordering.cancel(caught.value.order)
    assert refused.value.state is OrderState.REJECTED
    audit()


def test_stock_is_kept_and_given_back(audit: Audit):
    order = uuid4()

    held = inventory.reserve(order, [Item("DESK", 2)])
    assert held.state is ReservationState.HELD
    assert [answer.available for answer in inventory.availability(["DESK", "X"])] == [1, 0]
    with pytest.raises(OutOfStock) as caught:
        inventory.reserve(uuid4(), [Item("DESK", 2)])
    assert caught.value.detail() == {"sku": "DESK", "requested": 2, "available": 1}
    assert inventory.commit(order).state is ReservationState.COMMITTED
    assert inventory.release(order).state is ReservationState.RELEASED


def test_prices_are_exact():
    quote = pricing.quote([Priced("LAMP", 10)], "DE", "welcome10")

    assert (str(quote.total), quote.coupon) == ("101.75", "WELCOME10")
    with pytest.raises(UnknownCoupon):
        pricing.quote([Priced("LAMP", 1)], "DE", "NOPE")
    with pytest.raises(NotForSale) as caught:
        pricing.quote([Priced("NOPE", 1), Priced("LAMP", 1)], "DE")
    assert caught.value.skus == ["NOPE"]
