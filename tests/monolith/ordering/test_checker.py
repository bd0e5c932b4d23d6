"""The checker of the fault run's checkouts, tried: a broken kit, or a broken shop, is noticed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.db import connection
from msgspec import structs

from contracts import inventory as stock_contract
from contracts.catalog import ProductChanged
from contracts.money import Money
from contracts.ordering import Line, OrderRejected, StillPlacing
from monolith.catalog.service import CatalogService
from monolith.inventory import models as inventory
from monolith.inventory.service import _move
from monolith.ordering import cancelling, checkout, handlers
from monolith.ordering.models import Order, Product
from monolith.ordering.service import OrderingService
from monolith.payments.sandbox.books import Books
from strangler.django.events.consuming import consumer
from strangler.django.saga import sweep
from strangler.events.envelope import Envelope
from strangler.ports.context import use
from strangler.ports.errors import PortError, TimedOut
from strangler.saga import driving
from strangler.saga.declare import Here, Step, nothing
from tests.chaos.events.books import SEEN, problems, stock, versions
from tests.monolith.events import waiting
from tests.monolith.ordering.faults import Died, Faults
from tests.monolith.people import FOR_STAFF

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shop", "as_cleo")]
Pass = Callable[[timedelta], None]
Break = Callable[[pytest.MonkeyPatch], None]
LEASE = timedelta(seconds=checkout.CHECKOUT.lease)
ordering = OrderingService()


class Own:
    """The shop of this process, as the checker reads it."""

    def rows(self, _side: str, query: str) -> Sequence[Sequence[Any]]:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    def charged(self) -> Mapping[str, Decimal]:
        books = Books(settings.PAYMENTS["SANDBOX_BOOKS"], telling=False).shown()
        return {
            key: Decimal(one["charged"]) - Decimal(one["refunded"]) for key, one in books.items()
        }


def ask(key: str, payment: str = "card") -> str | None:
    """Order two lamps, as somebody does who has patience; the order, or None if it is rejected."""
    for _ in range(3):
        try:
            return str(ordering.place(key, [Line("LAMP", 2)], "DE", payment=payment).id)
        except StillPlacing:
            continue
        except OrderRejected:
            return None
    return None


def buy(faults: Faults, time_passes: Pass, *ways: str) -> dict[str, str]:
    """What customers were promised who order in these ways; then everybody comes to an end."""
    orders = {way: WAYS[way](faults, time_passes) for way in ways}
    for _ in range(5):
        time_passes(LEASE)
        sweep()
    return {
        order: "cancelled" if way in REGRETTED else "confirmed"
        for way, order in orders.items()
        if order is not None
    }


def well(_faults: Faults, _time_passes: Pass) -> str | None:
    return ask("well")


def no_answer(faults: Faults, _time_passes: Pass) -> str | None:
    faults.put(("after", "charge"), TimedOut("late"))
    faults.put(("after", "commit"), TimedOut("late"))
    return ask("no answer")


def declined(_faults: Faults, _time_passes: Pass) -> str | None:
    return ask("declined", "sandbox-declined")


def refused(faults: Faults, _time_passes: Pass) -> str | None:
    """When the goods have left the stock."""
    faults.put(("after", "commit"), gone)
    return ask("refused")


def dies(faults: Faults, time_passes: Pass) -> str | None:
    faults.put(("before", "commit"), Died())
    with pytest.raises(Died):
        ask("dies")
    time_passes(LEASE)
    return ask("dies")


def leaves(faults: Faults, _time_passes: Pass) -> str | None:
    """Nobody asks again for an order that is refused."""
    faults.put(("before", "commit"), Died(), gone)
    with pytest.raises(Died):
        ask("leaves")
    return None


def regrets(_faults: Faults, _time_passes: Pass) -> str | None:
    """Before anybody has heard of it."""
    order = ask("regrets")
    ordering.cancel(UUID(order))
    return order


def regrets_late(faults: Faults, time_passes: Pass) -> str | None:
    """It has been packed; and whoever gives the money back dies."""
    order = ask("regrets late")
    deliver()
    faults.put(("before", "refund"), Died())
    with pytest.raises(Died):
        ordering.cancel(UUID(order))
    time_passes(LEASE)
    return order


REGRETTED = ("regrets", "regrets_late")
WAYS = {
    way.__name__: way
    for way in (well, regrets, regrets_late, no_answer, declined, refused, dies, leaves)
}


def gone() -> None:
    raise stock_contract.ReservationEnded(UUID(int=0), stock_contract.ReservationState.EXPIRED)


def deliver() -> None:
    """Shipping and notifications are told."""
    for event in waiting("ordering"):
        for listener in ("shipping", "notifications"):
            consumer(listener).take([event])


def steps(**changes: dict[str, Any]) -> tuple[Step[Any], ...]:
    """The steps of a checkout, some of them changed."""
    return tuple(replace(step, **changes.get(step.name, {})) for step in checkout.CHECKOUT.steps)


def put(patch: pytest.MonkeyPatch, **changes: dict[str, Any]) -> None:
    patch.setattr(checkout.CHECKOUT, "steps", steps(**changes))


def another_key(patch: pytest.MonkeyPatch) -> None:
    """A charge that is asked for again bears another key."""

    def charge(placing: checkout.Placing, here: Here) -> None:
        own = placing if here.attempt == 1 else replace(placing, order=uuid4())
        checkout.charge(own, here)

    put(patch, charge={"action": charge})


def no_refund(patch: pytest.MonkeyPatch) -> None:
    """What was charged is not given back."""
    put(patch, charge={"compensation": nothing})


def no_release(patch: pytest.MonkeyPatch) -> None:
    """What was kept, or taken, is not given back."""
    put(patch, reserve={"compensation": nothing}, commit={"compensation": nothing})


def no_order(patch: pytest.MonkeyPatch) -> None:
    """An order that comes to nothing is not told so."""
    put(patch, begin={"compensation": nothing})


def commit_twice(patch: pytest.MonkeyPatch) -> None:
    """Goods that are asked for again are taken again."""

    def commit(placing: checkout.Placing, here: Here) -> None:
        checkout.commit(placing, here)
        if here.attempt > 1:
            move(placing.order, inventory.Reason.SOLD)

    put(patch, commit={"action": commit})


def release_twice(patch: pytest.MonkeyPatch) -> None:
    """Goods that were given back are given back again."""

    def release(placing: checkout.Placing, here: Here) -> None:
        checkout.release(placing, here)
        move(placing.order, inventory.Reason.RETURNED)

    put(patch, reserve={"compensation": release})


def move(order: UUID, reason: inventory.Reason) -> None:
    sign = -1 if reason is inventory.Reason.SOLD else 1
    for one in inventory.Allocation.objects.filter(reservation=order):
        _move(one, on_hand=sign, reason=reason)


def done_first(patch: pytest.MonkeyPatch) -> None:
    """That a step is done is written before it is."""
    plain = driving.Drive._remote

    def remote(self: Any, step: Step[Any]) -> None:
        if step.name != "commit" or self.record.standing.back:
            plain(self, step)
            return
        record = self.record
        self._write(self._course.done(record, self._clock(), data=record.data))
        self.record, after = record, self.record
        with suppress(PortError):
            self.data = self._act(step)
        self.record = after

    patch.setattr(driving.Drive, "_remote", remote)


def say_nothing(patch: pytest.MonkeyPatch) -> None:
    """Nobody is told of an order that is confirmed."""
    patch.setattr(checkout.events, "publish", lambda _event: None)


def forget_one(patch: pytest.MonkeyPatch) -> None:
    """One of those who listen has not heard of anything."""
    patch.setattr(type(consumer("shipping")), "take", lambda self, events: None)


def tell_nobody(patch: pytest.MonkeyPatch) -> None:
    """What a customer is to be told is not written down."""
    patch.setattr("monolith.notifications.handlers.tell", lambda *_, **__: None)


def promise(patch: pytest.MonkeyPatch) -> None:
    """A customer is told that it is confirmed, and it is rejected."""
    plain = ordering.place

    def place(key: str, *given: Any, **more: Any) -> Any:
        try:
            return plain(key, *given, **more)
        except OrderRejected as rejected:
            return Order.objects.get(pk=rejected.order)

    patch.setattr(ordering, "place", place)


def stick(patch: pytest.MonkeyPatch) -> None:
    """What can't be given back is not tried again."""

    def refund(_placing: checkout.Placing, _here: Here) -> None:
        raise TimedOut("for ever")

    put(patch, charge={"compensation": refund})
    patch.setattr(checkout.CHECKOUT, "plan", replace(checkout.CHECKOUT.plan, attempts=2))


def keep_the_money(patch: pytest.MonkeyPatch) -> None:
    """What was paid for an order that is cancelled is not given back."""
    put_off(patch, refund={"action": nothing})


def keep_the_goods(patch: pytest.MonkeyPatch) -> None:
    """What was taken for it is not put back."""
    put_off(patch, release={"action": nothing})


def put_off(patch: pytest.MonkeyPatch, **changes: dict[str, Any]) -> None:
    given = cancelling.CANCEL.steps
    changed = tuple(replace(step, **changes.get(step.name, {})) for step in given)
    patch.setattr(cancelling.CANCEL, "steps", changed)


BROKEN: dict[Break, tuple[str, str]] = {
    another_key: ("no_answer", "is nobody's: "),
    no_refund: ("refused", ", and 23.80 was kept"),
    no_release: ("refused", "is rejected, and its goods are "),
    no_order: ("leaves", "is placing"),
    commit_twice: ("no_answer", "{'LAMP': 4} sold"),
    release_twice: ("refused", "not returned"),
    done_first: ("dies", "is confirmed, and its goods are held"),
    say_nothing: ("well", "is confirmed, and was shipped 0 times"),
    tell_nobody: ("well", "is confirmed, and was told 0 times"),
    forget_one: ("well", "is confirmed, and was shipped 0 times"),
    promise: ("declined", "is rejected, and was promised"),
    keep_the_money: ("regrets", ", and 23.80 was kept"),
    keep_the_goods: ("regrets", "is cancelled, and its goods are committed"),
    stick: ("refused", "sagas are stuck"),
}
"""What is broken, who meets with it, and what has to be said."""


def test_of_a_shop_that_is_whole_it_says_nothing(faults: Faults, time_passes: Pass) -> None:
    source = Own()
    before = stock(source)

    promised = buy(faults, time_passes, *WAYS)
    deliver()

    states = list(Order.objects.order_by("state").values_list("state", flat=True))
    assert states == ["cancelled"] * 2 + ["confirmed"] * 3 + ["rejected"] * 3
    assert len(promised) == 5
    assert problems(source, before, promised=promised) == []


@pytest.mark.parametrize("broken", BROKEN, ids=lambda one: one.__name__)
def test_what_is_broken_is_noticed(
    faults: Faults, time_passes: Pass, monkeypatch: pytest.MonkeyPatch, broken: Break
) -> None:
    source, (way, said) = Own(), BROKEN[broken]
    before = stock(source)
    broken(monkeypatch)

    promised = buy(faults, time_passes, way)
    deliver()

    found = problems(source, before, promised=promised)
    assert any(said in one for one in found), found


def other_ids(patch: pytest.MonkeyPatch) -> list[Envelope]:
    """What is brought again is new to the inbox, and is learnt again however old it is."""

    def learn(event: ProductChanged, *, version: int) -> None:
        Product.objects.filter(pk=event.sku).delete()
        Product.objects.create(sku=event.sku, active=event.active, version=version)

    patch.setattr(handlers, "learn", learn)
    return [structs.replace(one, id=str(uuid4())) for one in waiting("catalog")]


@pytest.mark.parametrize("broken", ["", "twice", "lost", "last first"])
def test_what_is_heard_of_products_is_in_order(
    monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    source, skus = Own(), ["LAMP", "DESK"]
    for statement in SEEN:
        connection.cursor().execute(statement)
    with use(FOR_STAFF):
        for cents in range(3):
            for sku in skus:
                CatalogService().reprice(sku, Money(Decimal(1000 + cents) / 100, "EUR"))
    said = waiting("catalog")
    match broken:
        case "twice":
            said += other_ids(monkeypatch)
        case "lost":
            del said[-3]
        case "last first":
            said = [*said[:-4], *reversed(said[-4:])]
        case _:
            said = [*said, *said]

    for event in said:
        consumer("ordering").take([event])

    seen = source.rows("", "SELECT sku, version FROM seen ORDER BY number")
    assert bool(versions(seen, skus, 4)) is bool(broken), seen
