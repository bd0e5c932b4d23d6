"""How an order is placed: a saga that quotes, reserves, charges, takes the goods, and confirms.

The order's row is written when it begins and when it ends; in between, all that is known of it is
the saga's data. It is confirmed in the transaction that ends the saga: before that, whatever stands
in its way has everything given back, in reverse.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from contracts import inventory as stock
from contracts import payments as money
from contracts import pricing
from contracts.money import Money
from contracts.ordering import KeyReused, OrderConfirmed, OrderState, SoldLine
from monolith.ordering.models import Order, OrderLine, OrderVersion
from strangler.django.events.publishing import Publisher
from strangler.ports.bind import bind
from strangler.ports.errors import DeclaredError
from strangler.saga.declare import Here, Saga, compensable, nothing, pivot

PATIENCE = timedelta(minutes=10)
"""An order that could not be confirmed for so long, for want of an answer, is rejected."""
ATTEMPTS = 2_000
"""As often it is tried to give something back, a minute apart: others may be away for a day."""
LARGEST = 10_000
"""How many of one SKU can be ordered at once."""
PAYMENT = "card"
"""What is charged where the customer does not say."""
ABANDONED = "Abandoned"
"""The cause of an order that an operator has ended before it was rejected for another one."""
GIVEN_UP = "The shop could not complete it, and sees to what was kept or charged."
UNPAID = (
    money.NotAuthenticated,
    money.InvalidAmount,
    money.Declined,
    money.PaymentEnded,
    money.PaymentDiffers,
)
"""Why an order is not paid for, and will not be."""

prices = bind(pricing.Pricing)
inventory = bind(stock.Inventory)
payments = bind(money.Payments)
events = Publisher(OrderVersion)


@dataclass(frozen=True, slots=True)
class SoldAt:
    """What one line costs."""

    sku: str
    unit_price: Decimal
    discount: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True)
class Price:
    """What an order costs: the quote, as far as orders keep it."""

    currency: str
    subtotal: Decimal
    discount: Decimal
    tax: Decimal
    rounding: Decimal
    total: Decimal
    lines: list[SoldAt]


@dataclass(frozen=True, slots=True)
class Placing:
    """An order that is being placed; ``lines`` says how many of which SKU."""

    order: UUID
    customer: str
    key: str
    lines: dict[str, int]
    country: str
    coupon: str | None
    payment: str | None
    price: Price | None = None


class TooMany(DeclaredError):
    """More of one SKU than can be ordered at once."""

    largest: int


class NotPlacing(RuntimeError):
    """The order's row is not what this saga has left: somebody else has written it."""


def begin(placing: Placing, _here: Here) -> None:
    """Write down what is wanted.

    Raises:
        KeyReused: another order has this key.
    """
    now = timezone.now()
    try:
        with transaction.atomic():
            row = Order.objects.create(
                id=placing.order,
                customer=placing.customer,
                key=placing.key,
                country=placing.country,
                coupon=placing.coupon,
                payment=placing.payment,
                placed_at=now,
            )
    except IntegrityError:
        raise KeyReused(key=placing.key) from None
    OrderLine.objects.bulk_create(
        OrderLine(order=row, position=position, sku=sku, quantity=quantity)
        for position, (sku, quantity) in enumerate(placing.lines.items())
    )


def reject(placing: Placing, here: Here) -> None:
    """Write down why it came to nothing, with the price if it came so far."""
    _write(placing, state=OrderState.REJECTED, cause=here.cause, reason=here.reason)


def leave(placing: Placing, here: Here) -> None:
    """Write down that nobody goes on with it; what was kept or charged, people see to."""
    if Order.objects.filter(pk=placing.order).exists():
        _write(
            placing,
            state=OrderState.REJECTED,
            cause=here.cause or ABANDONED,
            reason=here.reason or GIVEN_UP,
        )


def quote(placing: Placing, _here: Here) -> Placing:
    """Ask what it costs."""
    if max(placing.lines.values()) > LARGEST:
        raise TooMany(largest=LARGEST)
    lines = [pricing.Line(*line) for line in placing.lines.items()]
    found = prices.quote(lines, placing.country, placing.coupon)
    price = Price(
        currency=found.currency,
        subtotal=found.subtotal,
        discount=found.discount,
        tax=found.tax,
        rounding=found.rounding,
        total=found.total,
        lines=[
            SoldAt(line.sku, line.unit_price, line.discount, line.total) for line in found.lines
        ],
    )
    return replace(placing, price=price)


def reserve(placing: Placing, _here: Here) -> None:
    """Have the goods kept."""
    inventory.reserve(placing.order, [stock.Item(*line) for line in placing.lines.items()])


def charge(placing: Placing, _here: Here) -> None:
    """Have the money taken."""
    price = _priced(placing)
    amount = Money(price.total, price.currency)
    payments.charge(placing.order, amount, placing.payment or PAYMENT)


def commit(placing: Placing, here: Here) -> None:
    """Have the goods taken out of stock, and see that they are still paid for.

    They may have gone to others, if they were kept long, and staff may have given the money back.
    """
    inventory.commit(placing.order)
    charge(placing, here)  # again: so it is known, and nothing is taken that was given back


def release(placing: Placing, _here: Here) -> None:
    """Have the goods given back, whether they are kept or were taken."""
    inventory.release(placing.order)


def refund(placing: Placing, _here: Here) -> None:
    """Have the money given back."""
    payments.refund(placing.order)


def confirm(placing: Placing, _here: Here) -> None:
    """It is the customer's: write that down, and say so."""
    price = _priced(placing)
    _write(placing, state=OrderState.CONFIRMED)
    sold = [SoldLine(line.sku, placing.lines[line.sku], line.total) for line in price.lines]
    events.publish(
        OrderConfirmed(
            order=placing.order,
            customer=placing.customer,
            country=placing.country,
            lines=sold,
            currency=price.currency,
            total=price.total,
            confirmed_at=timezone.now(),
        )
    )


def lock(order: UUID) -> str:
    """What is held by whatever is under way with an order: nothing else is begun with it."""
    return f"order:{order}"


CHECKOUT = Saga(
    "ordering.checkout",
    Placing,
    compensable("begin", begin, reject, refusals=[KeyReused], local=True),
    compensable(
        "quote",
        quote,
        nothing,
        refusals=[
            TooMany,
            pricing.NotForSale,
            pricing.UnknownCoupon,
            pricing.CouponNotApplicable,
            pricing.UnknownCountry,
            pricing.MixedCurrencies,
        ],
    ),
    compensable(
        "reserve",
        reserve,
        release,
        refusals=[stock.OutOfStock, stock.ReservationEnded, stock.ReservationDiffers],
    ),
    compensable("charge", charge, refund, refusals=UNPAID),
    compensable(
        "commit",
        commit,
        release,
        refusals=[stock.UnknownReservation, stock.ReservationEnded, *UNPAID],
    ),
    pivot("confirm", confirm, local=True),
    locks=lambda placing: [lock(placing.order)],
    abandoned=leave,
    deadline=PATIENCE,
    attempts=ATTEMPTS,
)


def _priced(placing: Placing) -> Price:
    assert placing.price is not None  # noqa: S101 -- `quote` comes first
    return placing.price


def _write(placing: Placing, **changes: Any) -> None:
    """Write how it has ended, and what it costs."""
    price = placing.price
    if price is not None:
        names = ("currency", "subtotal", "discount", "tax", "rounding", "total")
        changes |= {name: getattr(price, name) for name in names}
        changes["scale"] = -int(price.total.as_tuple().exponent)
        _write_lines(placing, price)
    states = {OrderState.PLACING, changes["state"]}
    ours = Order.objects.filter(pk=placing.order, state__in=states)
    if not ours.update(**changes, updated_at=timezone.now()):
        raise NotPlacing(f"the order {placing.order} is not there, or not being placed any more")


def _write_lines(placing: Placing, price: Price) -> None:
    sold = {line.sku: line for line in price.lines}
    rows = list(OrderLine.objects.filter(order=placing.order))
    for row in rows:
        line = sold[row.sku]
        row.unit_price, row.discount, row.total = line.unit_price, line.discount, line.total
    OrderLine.objects.bulk_update(rows, ["unit_price", "discount", "total"])
