"""How an order is placed: created, quoted, reserved, confirmed.

Each step that writes is a short transaction of its own, and no port is called inside of one. Every
step may be done again: the quote once written is kept, inventory answers a second ``reserve`` or
``commit`` like the first. So whoever dies leaves an order in ``placing``, which the next request
with the same key carries on, or ``finish`` if there is none.

Two may carry on the same order at once, when one was given up for dead too early. Steps are written
under the attempt that made them, so only the younger can write; and goods are given back only after
the order has been rejected or cancelled, by a ``release`` that no later ``reserve`` or ``commit``
of its predecessor can undo.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from contracts import inventory as stock
from contracts import pricing
from contracts.ordering import KeyReused, Line, OrderRejected, OrderState, StillPlacing
from monolith.ordering.models import Order, OrderLine
from strangler.ports.bind import bind
from strangler.ports.errors import DeclaredError, PortError

LEASE = timedelta(seconds=10)
"""For so long an order is left to whoever is placing it: longer than its port calls may take."""
PATIENCE = timedelta(minutes=10)
"""An order that could not be placed for so long, for want of an answer, is rejected."""
LARGEST = 10_000
"""How many of one SKU can be ordered at once."""

prices = bind(pricing.Pricing)
inventory = bind(stock.Inventory)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Placed:
    """A confirmed order; ``now`` says that it was this request which confirmed it."""

    row: Order
    now: bool


class TooMany(DeclaredError):
    """More of one SKU than can be ordered at once."""

    largest: int


class _TakenOver(Exception):
    """Somebody else has gone on with this order: what we know of it is old."""


def place(
    *, customer: str, key: str, lines: Iterable[Line], country: str, coupon: str | None
) -> Placed:
    """Place an order, or carry on with the one that has this key.

    Raises:
        OrderRejected, KeyReused, StillPlacing: see each of them.
        PortError: pricing or inventory can't be reached: the same request may carry on later.
    """
    row, new = _begin(customer, key, _merged(lines), country, coupon)
    return carry_on(row) if new or _take_over(row) else _as_found(row)


def carry_on(row: Order) -> Placed:
    """Do what is left to do for an order whose present attempt is ours; raises like ``place``."""
    try:
        _drive(row)
    except _TakenOver:
        return _as_found(row)
    return Placed(_finished(row), now=True)


def give_back(row: Order) -> None:
    """Have what is kept for a rejected or cancelled order released; ``finish`` tries again."""
    try:
        inventory.release(row.id)
    except PortError as error:
        log.warning("the goods of order %s are not given back yet: %s", row.id, error)
    else:
        row.owing = False
    row.save(update_fields=["owing", "updated_at"])


def finish(row: Order) -> None:
    """Take care of an order that was left behind: place it to its end, or give its goods back."""
    if row.owing:
        give_back(row)
    elif row.state == OrderState.PLACING and _take_over(row):
        try:
            carry_on(row)
        except DeclaredError as error:
            log.info("order %s was left behind: %s", row.id, error)
        except PortError as error:
            log.warning("order %s can't be finished yet: %s", row.id, error)


@transaction.atomic
def _begin(
    customer: str, key: str, wanted: dict[str, int], country: str, coupon: str | None
) -> tuple[Order, bool]:
    now = timezone.now()
    row, new = Order.objects.get_or_create(
        customer=customer,
        key=key,
        defaults={
            "country": country,
            "coupon": coupon,
            "placed_at": now,
            "leased_until": now + LEASE,
        },
    )
    if new:
        OrderLine.objects.bulk_create(
            OrderLine(order=row, position=position, sku=sku, quantity=quantity)
            for position, (sku, quantity) in enumerate(wanted.items())
        )
    elif (row.country, row.coupon, _quantities(row)) != (country, coupon, wanted):
        raise KeyReused(key=key)
    return row, new


def _take_over(row: Order) -> bool:
    """Make the attempt ours, unless somebody is at it."""
    now = timezone.now()
    free = Order.objects.filter(
        pk=row.pk, attempt=row.attempt, state=OrderState.PLACING, leased_until__lte=now
    )
    if not free.update(attempt=F("attempt") + 1, leased_until=now + LEASE, updated_at=now):
        return False
    row.refresh_from_db()
    return True


def _as_found(row: Order) -> Placed:
    """The order as somebody else has left it by now."""
    row.refresh_from_db()
    if row.state == OrderState.PLACING:
        raise StillPlacing(key=row.key)
    return Placed(_finished(row), now=False)


def _drive(row: Order) -> None:
    reserving = False  # nobody reserves for an order whose price has not been written
    quantities = _quantities(row)
    try:
        if not row.priced:
            _write_quote(row, _quote(row, quantities))
        reserving = True
        inventory.reserve(row.id, [stock.Item(*item) for item in quantities.items()])
        inventory.commit(row.id)
    except DeclaredError as error:
        _reject(row, type(error).__name__, str(error), owing=reserving)
    except PortError as error:
        if timezone.now() < row.placed_at + PATIENCE:
            _write(row, leased_until=timezone.now())
            raise
        _reject(row, type(error).__name__, f"It could not be placed in time: {error}", owing=True)
    else:
        _write(row, state=OrderState.CONFIRMED)


def _quote(row: Order, quantities: dict[str, int]) -> pricing.Quote:
    if max(quantities.values()) > LARGEST:
        raise TooMany(largest=LARGEST)
    lines = [pricing.Line(*item) for item in quantities.items()]
    return prices.quote(lines, row.country, row.coupon)


@transaction.atomic
def _write_quote(row: Order, quote: pricing.Quote) -> None:
    _write(
        row,
        currency=quote.currency,
        scale=-int(quote.total.as_tuple().exponent),
        subtotal=quote.subtotal,
        discount=quote.discount,
        tax=quote.tax,
        rounding=quote.rounding,
        total=quote.total,
    )
    for line in quote.lines:
        row.lines.filter(sku=line.sku).update(
            unit_price=line.unit_price, discount=line.discount, total=line.total
        )


def _reject(row: Order, cause: str, reason: str, *, owing: bool) -> None:
    _write(row, state=OrderState.REJECTED, cause=cause, reason=reason, owing=owing)
    if owing:
        give_back(row)


def _write(row: Order, **changes: Any) -> None:
    """Write one step, if the order is still being placed and the attempt still ours."""
    ours = Order.objects.filter(pk=row.pk, attempt=row.attempt, state=OrderState.PLACING)
    if not ours.update(**changes, updated_at=timezone.now()):
        raise _TakenOver
    for name, value in changes.items():
        setattr(row, name, value)


def _finished(row: Order) -> Order:
    if row.state == OrderState.REJECTED:
        raise OrderRejected(order=row.id, cause=row.cause, reason=row.reason)
    return row


def _merged(lines: Iterable[Line]) -> dict[str, int]:
    quantities: dict[str, int] = {}
    for line in lines:
        quantities[line.sku] = quantities.get(line.sku, 0) + line.quantity
    return quantities


def _quantities(row: Order) -> dict[str, int]:
    return dict(row.lines.order_by("position").values_list("sku", "quantity"))


def find_left_behind(*, limit: int) -> list[UUID]:
    """The orders which nobody is placing, or which owe goods, the oldest first."""
    now = timezone.now()
    placing = Order.objects.filter(state=OrderState.PLACING, leased_until__lte=now)
    owing = Order.objects.filter(owing=True, updated_at__lte=now - LEASE)
    found = [
        rows.order_by("updated_at").values_list("pk", flat=True)[:limit]
        for rows in (placing, owing)
    ]
    return [pk for pks in found for pk in pks]
