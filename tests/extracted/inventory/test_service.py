"""Reserve, commit, release, expire: what each does to the stock, in every state it may meet."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

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
from extracted.inventory import models
from extracted.inventory.expiry import expire, expire_once
from extracted.inventory.moments import now
from extracted.inventory.service import HOLD, InventoryService
from extracted.inventory.stocking import NotOnHand, adjust
from strangler.sqlalchemy.database import Database
from tests.extracted.inventory import books

Put = Callable[..., None]
Lapse = Callable[[UUID], None]


class Scene:
    """The service, and what can be seen of its rows."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.inventory = InventoryService(database)

    def available(self, *skus: str) -> list[int]:
        return [answer.available for answer in self.inventory.availability(list(skus))]

    def on_hand(self, sku: str) -> int:
        return books.on_hand(self.database).get(sku, 0)

    def imbalances(self) -> list[str]:
        return books.imbalances(self.database)

    def movements(self, order: UUID) -> list[models.Movement]:
        with self.database.reading() as session:
            return list(session.scalars(select(models.Movement).filter_by(order_id=order)))

    def states(self) -> dict[UUID, str]:
        with self.database.reading() as session:
            rows = select(models.Reservation.order_id, models.Reservation.state)
            return dict(session.execute(rows).all())

    def adjust(self, delta: int, *, actor: str = "") -> None:
        with self.database.transaction() as session:
            near = session.scalars(select(models.Warehouse).filter_by(code="near")).one()
            adjust(
                session, sku="A", warehouse=near, delta=delta, reason=models.Reason.LOST,
                actor=actor,
            )  # fmt: skip


@pytest.fixture
def scene(database: Database) -> Scene:
    return Scene(database)


def test_goods_are_taken_from_the_first_warehouse_first(scene: Scene, stock: Put):
    stock("A", near=3, far=5)
    stock("B", far=1)

    reservation = scene.inventory.reserve(uuid4(), [Item("B", 1), Item("A", 4)])

    assert reservation.state is ReservationState.HELD
    assert reservation.allocations == [
        Allocation("A", "near", 3),
        Allocation("A", "far", 1),
        Allocation("B", "far", 1),
    ]
    assert timedelta(0) < reservation.expires_at - now() <= HOLD
    assert scene.available("A", "B", "C") == [4, 0, 0]
    assert scene.imbalances() == []


def test_availability_is_answered_in_the_order_asked(scene: Scene, stock: Put):
    stock("A", near=3)

    assert scene.inventory.availability(["Z", "A", "Z"]) == [
        Availability("Z", 0),
        Availability("A", 3),
        Availability("Z", 0),
    ]


def test_all_or_nothing(scene: Scene, stock: Put):
    stock("A", near=3)
    stock("B", near=1)
    order = uuid4()

    with pytest.raises(OutOfStock) as caught:
        scene.inventory.reserve(order, [Item("A", 1), Item("B", 2)])

    assert caught.value.detail() == {"sku": "B", "requested": 2, "available": 1}
    assert scene.available("A", "B") == [3, 1]
    assert scene.states() == {}


def test_items_of_one_sku_are_added_up(scene: Scene, stock: Put):
    stock("A", near=3)

    with pytest.raises(OutOfStock):
        scene.inventory.reserve(uuid4(), [Item("A", 2), Item("A", 2)])
    assert scene.inventory.reserve(uuid4(), [Item("A", 1), Item("A", 2)]).allocations == [
        Allocation("A", "near", 3)
    ]


def test_the_same_order_gets_the_same_answer(scene: Scene, stock: Put):
    stock("A", near=5)
    stock("B", near=5)
    order = uuid4()
    first = scene.inventory.reserve(order, [Item("A", 2), Item("B", 1)])

    assert scene.inventory.reserve(order, [Item("B", 1), Item("A", 1), Item("A", 1)]) == first
    assert scene.available("A") == [3]
    with pytest.raises(ReservationDiffers):
        scene.inventory.reserve(order, [Item("A", 3), Item("B", 1)])
    with pytest.raises(ReservationDiffers):
        scene.inventory.reserve(order, [Item("A", 2)])


def test_commit_takes_the_goods_out_of_stock_once(scene: Scene, stock: Put):
    stock("A", near=5)
    order = uuid4()
    scene.inventory.reserve(order, [Item("A", 2)])

    assert scene.inventory.commit(order).state is ReservationState.COMMITTED
    assert scene.inventory.commit(order).state is ReservationState.COMMITTED

    assert (scene.on_hand("A"), *scene.available("A")) == (3, 3)
    (sold,) = scene.movements(order)
    assert (sold.delta, sold.reason) == (-2, models.Reason.SOLD)
    assert scene.inventory.reserve(order, [Item("A", 2)]).state is ReservationState.COMMITTED
    assert scene.imbalances() == []


def test_release_gives_a_hold_back_once(scene: Scene, stock: Put):
    stock("A", near=5)
    order = uuid4()
    scene.inventory.reserve(order, [Item("A", 2)])

    assert scene.inventory.release(order).state is ReservationState.RELEASED
    assert scene.inventory.release(order).state is ReservationState.RELEASED

    assert (scene.on_hand("A"), *scene.available("A")) == (5, 5)
    assert scene.movements(order) == []
    assert scene.imbalances() == []


def test_release_puts_committed_goods_back_once(scene: Scene, stock: Put):
    stock("A", near=3, far=5)
    order = uuid4()
    scene.inventory.reserve(order, [Item("A", 4)])
    scene.inventory.commit(order)

    scene.inventory.release(order)
    scene.inventory.release(order)

    assert (scene.on_hand("A"), *scene.available("A")) == (8, 8)
    assert scene.imbalances() == []


def test_release_is_the_end_even_when_it_comes_first(scene: Scene, stock: Put):
    stock("A", near=5)
    order = uuid4()

    assert scene.inventory.release(order).allocations == []

    with pytest.raises(ReservationEnded) as caught:
        scene.inventory.reserve(order, [Item("A", 2)])
    assert caught.value.state is ReservationState.RELEASED
    with pytest.raises(ReservationEnded):
        scene.inventory.commit(order)
    assert scene.available("A") == [5]


def test_commit_needs_a_reservation(scene: Scene):
    with pytest.raises(UnknownReservation):
        scene.inventory.commit(uuid4())


def test_lapsed_holds_make_room_before_anybody_is_refused(scene: Scene, stock: Put, lapse: Lapse):
    stock("A", near=3)
    stock("B", near=3)
    late, in_time, elsewhere = uuid4(), uuid4(), uuid4()
    scene.inventory.reserve(late, [Item("A", 2)])
    scene.inventory.reserve(in_time, [Item("A", 1)])
    scene.inventory.reserve(elsewhere, [Item("B", 3)])
    lapse(late)
    lapse(elsewhere)

    assert scene.available("A", "B") == [2, 3]
    scene.inventory.reserve(uuid4(), [Item("A", 2)])

    states = scene.states()
    assert (states[late], states[in_time], states[elsewhere]) == ("expired", "held", "held")
    with pytest.raises(OutOfStock):
        scene.inventory.reserve(uuid4(), [Item("A", 1)])
    assert scene.imbalances() == []


def test_what_has_expired_may_be_reserved_again_but_not_committed(
    scene: Scene, stock: Put, lapse: Lapse
):
    stock("A", near=3)
    order = uuid4()
    scene.inventory.reserve(order, [Item("A", 2)])
    lapse(order)
    expire_once(scene.database)

    with pytest.raises(ReservationEnded) as caught:
        scene.inventory.commit(order)
    assert caught.value.state is ReservationState.EXPIRED
    with pytest.raises(ReservationDiffers):
        scene.inventory.reserve(order, [Item("A", 1)])
    again = scene.inventory.reserve(order, [Item("A", 2)])
    assert again.state is ReservationState.HELD
    assert again.expires_at > now()
    assert scene.inventory.commit(order).state is ReservationState.COMMITTED
    assert scene.imbalances() == []


def test_a_lapsed_hold_that_nobody_needed_is_still_good(scene: Scene, stock: Put, lapse: Lapse):
    stock("A", near=3)
    committed, renewed = uuid4(), uuid4()
    for order in (committed, renewed):
        scene.inventory.reserve(order, [Item("A", 1)])
        lapse(order)

    assert scene.inventory.commit(committed).state is ReservationState.COMMITTED
    assert scene.inventory.reserve(renewed, [Item("A", 1)]).expires_at > now()
    assert expire_once(scene.database) == 0
    assert scene.imbalances() == []


def test_a_released_hold_does_not_expire_and_an_expired_one_may_be_released(
    scene: Scene, stock: Put, lapse: Lapse
):
    stock("A", near=3)
    released, expired = uuid4(), uuid4()
    scene.inventory.reserve(released, [Item("A", 1)])
    scene.inventory.release(released)
    scene.inventory.reserve(expired, [Item("A", 1)])
    lapse(released)
    lapse(expired)

    assert expire_once(scene.database) == 1
    assert expire_once(scene.database) == 0

    assert scene.inventory.release(expired).state is ReservationState.RELEASED
    assert scene.available("A") == [3]
    assert scene.imbalances() == []


def test_expiry_works_in_batches(scene: Scene, stock: Put, lapse: Lapse):
    stock("A", near=9)
    orders = [uuid4() for _ in range(5)]
    for order in orders:
        scene.inventory.reserve(order, [Item("A", 1)])
        lapse(order)

    assert expire(scene.database, limit=3) == 3
    assert expire(scene.database, limit=3) == 2
    assert expire(scene.database, limit=3) == 0


def test_the_database_itself_refuses_a_stock_that_can_not_be(scene: Scene, stock: Put):
    stock("A", near=3)

    for impossible in ({"on_hand": -1}, {"reserved": -1}, {"reserved": 4}):
        with pytest.raises(IntegrityError), scene.database.transaction() as session:
            session.execute(update(models.Stock).values(**impossible))


def test_an_adjustment_leaves_what_is_kept_for_orders(scene: Scene, stock: Put):
    stock("A", near=3)
    scene.inventory.reserve(uuid4(), [Item("A", 2)])

    with pytest.raises(NotOnHand) as caught:
        scene.adjust(-2)
    assert caught.value.detail() == {"sku": "A", "available": 1}
    scene.adjust(-1, actor="stan")
    assert (scene.on_hand("A"), *scene.available("A")) == (2, 0)
    assert scene.imbalances() == []


def test_the_checker_sees_books_that_do_not_balance(scene: Scene, stock: Put):
    stock("A", near=3)
    with scene.database.transaction() as session:
        session.execute(update(models.Stock).values(on_hand=4, reserved=1))

    assert scene.imbalances() == [
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
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(steps, max_size=12))
def test_whatever_happens_the_books_balance_and_nothing_is_sold_twice(
    scene: Scene, stock: Put, lapse: Lapse, story: list[tuple[Any, ...]]
):
    with scene.database.transaction() as session:
        for table in (models.Movement, models.Allocation, models.Reservation, models.Stock):
            session.execute(delete(table))
    stock("A", near=2, far=2)
    stock("B", near=3)
    for step, *arguments in story:
        if step == "expire":
            expire(scene.database)
        elif step == "lapse":
            lapse(*arguments)
        else:
            with contextlib.suppress(*DECLARED):
                getattr(scene.inventory, step)(*arguments)
    assert scene.imbalances() == []
    sold, held = (books.counted(scene.database, state) for state in ("committed", "held"))
    for sku, received in (("A", 4), ("B", 3)):
        assert scene.on_hand(sku) == received - sold.get(sku, 0)
        assert sold.get(sku, 0) + held.get(sku, 0) <= received
