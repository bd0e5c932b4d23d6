"""How a confirmed order is cancelled: a saga that calls the delivery off, and goes on to its end.

Shipping decides, in one place, whether it is cancelled or delivered. Then that is written down and
said, and goods and money are given back.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import count
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from contracts import shipping as parcels
from contracts.ordering import (
    AlreadyDelivered,
    NotCancellable,
    OrderCancelled,
    OrderState,
    UnknownOrder,
)
from monolith.ordering import checkout
from monolith.ordering.models import Order
from strangler.django.saga import engine
from strangler.ports.bind import bind
from strangler.ports.errors import TimedOut
from strangler.saga.declare import Here, Saga, pivot, retriable
from strangler.saga.errors import LockHeld
from strangler.saga.machine import State

WITHIN = 5.0
"""For so many seconds a request goes on with it; what is left then, the sweeper does."""
PATIENCE = 1.0
"""For so many seconds a request waits for another one that has begun it."""
PAUSE = 0.02

shipping = bind(parcels.Shipping)


@dataclass(frozen=True, slots=True)
class Cancelling:
    """A confirmed order that its customer does not want any more."""

    order: UUID
    customer: str


class NotConfirmed(RuntimeError):
    """The order's row is not what it was a moment ago: somebody else has written it."""


def call_off(cancelling: Cancelling, _here: Here) -> None:
    """See that it is not delivered any more."""
    shipping.call_off(cancelling.order)


def cancel(cancelling: Cancelling, _here: Here) -> None:
    """Write it down, and say so."""
    now = timezone.now()
    ours = Order.objects.filter(pk=cancelling.order, state=OrderState.CONFIRMED)
    if not ours.update(state=OrderState.CANCELLED, updated_at=now):
        raise NotConfirmed(f"the order {cancelling.order} is not there, or not confirmed any more")
    checkout.events.publish(
        OrderCancelled(order=cancelling.order, customer=cancelling.customer, cancelled_at=now)
    )


def release(cancelling: Cancelling, _here: Here) -> None:
    """Have the goods given back."""
    checkout.inventory.release(cancelling.order)


def refund(cancelling: Cancelling, _here: Here) -> None:
    """Have the money given back."""
    checkout.payments.refund(cancelling.order)


CANCEL = Saga(
    "ordering.call_off",
    Cancelling,
    pivot("call_off", call_off, refusals=[parcels.AlreadyDelivered]),
    retriable("cancel", cancel, local=True),
    retriable("release", release),
    retriable("refund", refund),
    locks=lambda cancelling: [checkout.lock(cancelling.order)],
)
BEGUN_BEFORE = Saga(
    "ordering.cancel",
    Cancelling,
    pivot("cancel", cancel, local=True),
    retriable("release", release),
    retriable("refund", refund),
    locks=lambda cancelling: [checkout.lock(cancelling.order)],
)
"""Those that were begun when shipping was not asked yet; none is begun any more."""


def cancel_order(order: UUID, *, customer: str) -> Order:
    """Cancel an order of this customer; what can't be given back now is given back later.

    Raises:
        UnknownOrder, NotCancellable, AlreadyDelivered: see each of them.
        TimedOut: it will be cancelled, and is not yet: the same request tells when it is.
    """
    rows = Order.objects.filter(pk=order, customer=customer)
    row = rows.first()
    if row is None:
        raise UnknownOrder(order=order)
    if row.state == OrderState.CONFIRMED:
        try:
            _begin(Cancelling(order, customer))
        except LockHeld:
            raise NotCancellable(order=order, state=OrderState.PLACING) from None
        row = _written(rows)
    if row.state != OrderState.CANCELLED:
        raise NotCancellable(order=order, state=OrderState(row.state))
    return row


def _begin(cancelling: Cancelling) -> None:
    """Begin, or go on; one that had turned before it wrote anything is nothing to go on with."""
    for nth in count():
        key = f"{cancelling.order}/{nth}" if nth else str(cancelling.order)
        seen = engine().start(CANCEL, cancelling, key=key, within=WITHIN)
        if seen.cause == parcels.AlreadyDelivered.__name__:
            raise AlreadyDelivered(order=cancelling.order)
        if seen.state not in {State.COMPENSATED, State.ABANDONED}:
            return


def _written(rows: QuerySet[Order]) -> Order:
    """The order once it is written that it is cancelled: perhaps somebody else is at it.

    Raises:
        TimedOut: see above.
    """
    until = time.monotonic() + PATIENCE
    while (row := rows.get()).state == OrderState.CONFIRMED:
        if time.monotonic() > until:
            raise TimedOut(f"the order {row.id} is being cancelled: ask again shortly")
        time.sleep(PAUSE)
    return row
