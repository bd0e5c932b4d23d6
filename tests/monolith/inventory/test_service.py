"""Reserve, commit, release, expire: what each does to the stock, in every state it may meet."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.inventory import (
    Allocation,
    Availability,
    Item,
    OutOfStock,
    ReservationDiffers,
    ReservationEnded,
    ReservationState,
    UnknownReservation,
)
from monolith.inventory import models
from monolith.inventory.service import HOLD, InventoryService, expire
from monolith.inventory.stocking import NotOnHand, adjust
from monolith.inventory.tasks import expire_reservations
from tests.monolith.inventory.books import imbalances

Put = Callable[..., None]
Lapse = Callable[[UUID], None]
Warehouses = dict[str, models.Warehouse]
pytestmark = pytest.mark.django_db
inventory = InventoryService()


def available(*skus: str) -> list[int]:
    return [answer.available for answer in inventory.availability(list(skus))]


def on_hand(sku: str) -> int:
    return sum(models.Stock.objects.filter(sku=sku).values_list("on_hand", flat=True))


def test_goods_are_taken_from_the_first_warehouse_first(stock: Put):
    stock("A", near=3, far=5)
    stock("B", far=1)

    reservation = inventory.reserve(uuid4(), [Item("B", 1), Item("A", 4)])

    assert reservation.state is ReservationState.HELD
    assert reservation.allocations == [
        Allocation("A", "near", 3),
        Allocation("A", "far", 1),
        Allocation("B", "far", 1),
    ]
    assert timedelta(0) < reservation.expires_at - timezone.now() <= HOLD
    assert available("A", "B", "C") == [4, 0, 0]
    assert imbalances() == []


def test_availability_is_answered_in_the_order_asked(stock: Put):
    stock("A", near=3)

    assert inventory.availability(["Z", "A", "Z"]) == [
        Availability("Z", 0),
        Availability("A", 3),
        Availability("Z", 0),
    ]


def test_all_or_nothing(stock: Put):
    stock("A", near=3)
    stock("B", near=1)
    order = uuid4()

    with pytest.raises(OutOfStock) as caught:
        inventory.reserve(order, [Item("A", 1), Item("B", 2)])

    assert caught.value.detail() == {"sku": "B", "requested": 2, "available": 1}
    assert available("A", "B") == [3, 1]
    assert not models.Reservation.objects.exists()


def test_items_of_one_sku_are_added_up(stock: Put):
    stock("A", near=3)

    with pytest.raises(OutOfStock):
        inventory.reserve(uuid4(), [Item("A", 2), Item("A", 2)])
    assert inventory.reserve(uuid4(), [Item("A", 1), Item("A", 2)]).allocations == [
        Allocation("A", "near", 3)
    ]


def test_the_same_order_gets_the_same_answer(stock: Put):
    stock("A", near=5)
    stock("B", near=5)
    order = uuid4()
    first = inventory.reserve(order, [Item("A", 2), Item("B", 1)])

    assert inventory.reserve(order, [Item("B", 1), Item("A", 1), Item("A", 1)]) == first
    assert available("A") == [3]
    with pytest.raises(ReservationDiffers):
        inventory.reserve(order, [Item("A", 3), Item("B", 1)])
    with pytest.raises(ReservationDiffers):
        inventory.reserve(order, [Item("A", 2)])


def test_commit_takes_the_goods_out_of_stock_once(stock: Put):
    stock("A", near=5)
    order = uuid4()
    inventory.reserve(order, [Item("A", 2)])

    assert inventory.commit(order).state is ReservationState.COMMITTED
    assert inventory.commit(order).state is ReservationState.COMMITTED

    assert (on_hand("A"), *available("A")) == (3, 3)
    sold = models.Movement.objects.get(order=order)
    assert (sold.delta, sold.reason) == (-2, models.Reason.SOLD)
    assert inventory.reserve(order, [Item("A", 2)]).state is ReservationState.COMMITTED
    assert imbalances() == []


def test_release_gives_a_hold_back_once(stock: Put):
    stock("A", near=5)
    order = uuid4()
    inventory.reserve(order, [Item("A", 2)])

    assert inventory.release(order).state is ReservationState.RELEASED
    assert inventory.release(order).state is ReservationState.RELEASED

    assert (on_hand("A"), *available("A")) == (5, 5)
    assert models.Movement.objects.filter(order=order).count() == 0
    assert imbalances() == []


def test_release_puts_committed_goods_back_once(stock: Put):
    stock("A", near=3, far=5)
    order = uuid4()
    inventory.reserve(order, [Item("A", 4)])
    inventory.commit(order)

    inventory.release(order)
    inventory.release(order)

    assert (on_hand("A"), *available("A")) == (8, 8)
    assert imbalances() == []


def test_release_is_the_end_even_when_it_comes_first(stock: Put):
    stock("A", near=5)
    order = uuid4()

    assert inventory.release(order).allocations == []

    with pytest.raises(ReservationEnded) as caught:
        inventory.reserve(order, [Item("A", 2)])
    assert caught.value.state is ReservationState.RELEASED
    with pytest.raises(ReservationEnded):
        inventory.commit(order)
    assert available("A") == [5]


def test_commit_needs_a_reservation():
    with pytest.raises(UnknownReservation):
        inventory.commit(uuid4())


def test_lapsed_holds_make_room_before_anybody_is_refused(stock: Put, lapse: Lapse):
    stock("A", near=3)
    stock("B", near=3)
    late, in_time, elsewhere = uuid4(), uuid4(), uuid4()
    inventory.reserve(late, [Item("A", 2)])
    inventory.reserve(in_time, [Item("A", 1)])
    inventory.reserve(elsewhere, [Item("B", 3)])
    lapse(late)
    lapse(elsewhere)

    assert available("A", "B") == [2, 3]
    inventory.reserve(uuid4(), [Item("A", 2)])

    states = dict(models.Reservation.objects.values_list("order", "state"))
    assert (states[late], states[in_time], states[elsewhere]) == ("expired", "held", "held")
    with pytest.raises(OutOfStock):
        inventory.reserve(uuid4(), [Item("A", 1)])
    assert imbalances() == []


def test_what_has_expired_may_be_reserved_again_but_not_committed(stock: Put, lapse: Lapse):
    stock("A", near=3)
    order = uuid4()
    inventory.reserve(order, [Item("A", 2)])
    lapse(order)
    expire_reservations()

    with pytest.raises(ReservationEnded) as caught:
        inventory.commit(order)
    assert caught.value.state is ReservationState.EXPIRED
    with pytest.raises(ReservationDiffers):
        inventory.reserve(order, [Item("A", 1)])
    again = inventory.reserve(order, [Item("A", 2)])
    assert again.state is ReservationState.HELD
    assert again.expires_at > timezone.now()
    assert inventory.commit(order).state is ReservationState.COMMITTED
    assert imbalances() == []


def test_a_lapsed_hold_that_nobody_needed_is_still_good(stock: Put, lapse: Lapse):
    stock("A", near=3)
    committed, renewed = uuid4(), uuid4()
    for order in (committed, renewed):
        inventory.reserve(order, [Item("A", 1)])
        lapse(order)

    assert inventory.commit(committed).state is ReservationState.COMMITTED
    assert inventory.reserve(renewed, [Item("A", 1)]).expires_at > timezone.now()
    assert expire_reservations() == 0
    assert imbalances() == []


def test_a_released_hold_does_not_expire_and_an_expired_one_may_be_released(
    stock: Put, lapse: Lapse
):
    stock("A", near=3)
    released, expired = uuid4(), uuid4()
    inventory.reserve(released, [Item("A", 1)])
    inventory.release(released)
    inventory.reserve(expired, [Item("A", 1)])
    lapse(released)
    lapse(expired)

    assert expire_reservations() == 1
    assert expire_reservations() == 0

    assert inventory.release(expired).state is ReservationState.RELEASED
    assert available("A") == [3]
    assert imbalances() == []


def test_expiry_works_in_batches(stock: Put, lapse: Lapse):
    stock("A", near=9)
    orders = [uuid4() for _ in range(5)]
    for order in orders:
        inventory.reserve(order, [Item("A", 1)])
        lapse(order)

    assert expire(limit=3) == 3
    assert expire(limit=3) == 2
    assert expire(limit=3) == 0


def test_the_database_itself_refuses_a_stock_that_can_not_be(stock: Put):
    stock("A", near=3)
    rows = models.Stock.objects.filter(sku="A")

    for impossible in ({"on_hand": -1}, {"reserved": -1}, {"reserved": 4}):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.update(**impossible)


def test_an_adjustment_leaves_what_is_kept_for_orders(stock: Put, warehouses: Warehouses):
    stock("A", near=3)
    inventory.reserve(uuid4(), [Item("A", 2)])

    with pytest.raises(NotOnHand) as caught:
        adjust(sku="A", warehouse=warehouses["near"], delta=-2, reason=models.Reason.LOST)
    assert caught.value.detail() == {"sku": "A", "available": 1}
    adjust(sku="A", warehouse=warehouses["near"], delta=-1, reason=models.Reason.LOST, actor="stan")
    assert (on_hand("A"), *available("A")) == (2, 0)
    assert imbalances() == []


def test_the_checker_sees_books_that_do_not_balance(stock: Put):
    stock("A", near=3)
    models.Stock.objects.update(on_hand=4, reserved=1)

    assert imbalances() == [
        "A in near: 4 on hand, its movements make 3; 1 reserved, its holds make 0"
    ]


DECLARED = (OutOfStock, UnknownReservation, ReservationEnded, ReservationDiffers)
ORDERS = [UUID(int=number) for number in range(3)]
steps = st.one_of(
    st.tuples(
        st.just("reserve"),
        st.sampled_from(ORDERS),
        st.lists(st.builds(Item, st.sampled_from("AB"), st.integers(1, 3)), min_size=1, max_size=3),
    ),
    st.tuples(st.sampled_from(["commit", "release", "lapse"]), st.sampled_from(ORDERS)),
    st.tuples(st.just("expire")),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(steps, max_size=12))
def test_whatever_happens_the_books_balance_and_nothing_is_sold_twice(
    stock: Put, lapse: Lapse, story: list[tuple[Any, ...]]
):
    with transaction.atomic():
        stock("A", near=2, far=2)
        stock("B", near=3)
        for step, *arguments in story:
            if step == "expire":
                expire()
            elif step == "lapse":
                lapse(*arguments)
            else:
                with contextlib.suppress(*DECLARED):
                    getattr(inventory, step)(*arguments)
            assert imbalances() == []
        committed = models.Allocation.objects.filter(reservation__state="committed")
        for sku, received in (("A", 4), ("B", 3)):
            sold = sum(committed.filter(stock__sku=sku).values_list("quantity", flat=True))
            assert on_hand(sku) == received - sold
            held = models.Allocation.objects.filter(
                reservation__state="held", stock__sku=sku
            ).values_list("quantity", flat=True)
            assert sold + sum(held) <= received
        transaction.set_rollback(True)
