"""Placing an order: who asks first starts the saga, who asks again is told how it stands.

Its key is the customer's and the order's: there is one saga however many start it, and however
early one of them dies.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import uuid4

from django.db import transaction

from contracts.ordering import KeyReused, Line, OrderRejected, OrderState, StillPlacing
from monolith.ordering.checkout import CHECKOUT, Placing, begin, leave
from monolith.ordering.models import Order
from strangler.django.saga import engine
from strangler.saga import errors
from strangler.saga.declare import Here
from strangler.saga.engine import Seen
from strangler.saga.machine import State

WITHIN = 10.0
"""For so many seconds a request goes on with an order; what is left then, the sweeper does."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Placed:
    """A confirmed order; ``now`` says that it was this request which confirmed it."""

    row: Order
    now: bool


def place(
    *,
    customer: str,
    key: str,
    lines: Iterable[Line],
    country: str,
    coupon: str | None,
    payment: str | None,
) -> Placed:
    """Place an order, or go on with the one that has this key.

    Raises:
        OrderRejected, KeyReused, StillPlacing: see each of them.
    """
    asked = Placing(
        order=uuid4(),
        customer=customer,
        key=key,
        lines=_merged(lines),
        country=country,
        coupon=coupon,
        payment=payment,
    )
    row = Order.objects.filter(customer=customer, key=key).first()
    if row is None:
        return _start(asked)
    known = _same(asked, _known(row))
    if row.state == OrderState.PLACING:
        return _start(known)
    return Placed(_finished(row), now=False)


def _start(asked: Placing) -> Placed:
    key = saga_key(asked.customer, asked.key)
    try:
        seen = engine().start(CHECKOUT, asked, key=key, within=WITHIN)
    except errors.KeyReused as reused:
        # Begun a moment ago, and under another id: its row is not there yet.
        given = engine().show(reused.saga).record.given
        known = _same(asked, CHECKOUT.written.decode(given))
        seen = engine().start(CHECKOUT, known, key=key, within=WITHIN)
    return _told(seen)


def saga_key(customer: str, key: str) -> str:
    """What makes a customer's order with this key one saga."""
    return f"{len(customer)}:{customer}/{key}"


def _same(asked: Placing, known: Placing) -> Placing:
    """What is known, if that is what is asked for; in which order the lines come is all the same.

    Raises:
        KeyReused: it is something else.
    """
    for name in ("lines", "country", "coupon", "payment"):
        if getattr(asked, name) != getattr(known, name):
            raise KeyReused(key=asked.key)
    return known


def _told(seen: Seen[Placing]) -> Placed:
    asked = seen.data
    row = Order.objects.filter(pk=asked.order).first()
    if row is not None and row.state != OrderState.PLACING:
        return Placed(_finished(row), now=seen.now)
    if seen.state in {State.COMPENSATED, State.ABANDONED}:
        return Placed(_finished(_settled(seen)), now=False)
    if seen.cause:
        # It has turned, and will be rejected as soon as everything has been given back.
        raise OrderRejected(order=asked.order, cause=seen.cause, reason=seen.reason)
    if seen.trouble:
        log.warning("order %s can't be placed yet: %s", asked.order, seen.trouble)
    raise StillPlacing(key=asked.key)


@transaction.atomic
def _settled(seen: Seen[Placing]) -> Order:
    """The order of a saga that has ended without it: it ended before there was one, or unread.

    From here on its row says so, however long the saga is kept.

    Raises:
        KeyReused: another order has its key.
    """
    here = Here(seen.id, "", 0, seen.cause, seen.reason)
    rows = Order.objects.filter(pk=seen.data.order)
    try:
        if not rows.exists():
            begin(seen.data, here)
    except KeyReused:
        if not rows.exists():  # else somebody else has asked, and was faster
            raise
    leave(seen.data, here)
    return rows.get()


def _finished(row: Order) -> Order:
    if row.state == OrderState.REJECTED:
        raise OrderRejected(order=row.id, cause=row.cause, reason=row.reason)
    return row


def _known(row: Order) -> Placing:
    """What an order was begun with."""
    return Placing(
        order=row.id,
        customer=row.customer,
        key=row.key,
        lines=dict(row.lines.order_by("position").values_list("sku", "quantity")),
        country=row.country,
        coupon=row.coupon,
        payment=row.payment,
    )


def _merged(lines: Iterable[Line]) -> dict[str, int]:
    quantities: dict[str, int] = {}
    for line in lines:
        quantities[line.sku] = quantities.get(line.sku, 0) + line.quantity
    return quantities
