"""How money is taken and given back, and how what was left behind is settled.

Each step that writes is a short transaction of its own, and the provider is asked outside of all
of them. Every request to it may be made again, under the order's key. So two may charge the same
order at once, and whoever dies leaves an intent which the next ``charge`` or ``refund`` carries on,
or ``settle`` if there is none.

What a refund has ended is written before the provider is asked to give back; and nothing is
captured whose authorisation could not be written. So no charge that was slow takes anything after
it: the provider has captured before it gives back, or is asked to capture no more.
"""

from __future__ import annotations

import logging
import re
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from contracts.money import Money
from contracts.payments import (
    Declined,
    InvalidAmount,
    PaymentDiffers,
    PaymentEnded,
    PaymentState,
    UnknownPayment,
)
from monolith.payments.models import UNSETTLED, Intent
from monolith.payments.providers import Told
from monolith.payments.providers.connect import provider
from monolith.payments.states import Impossible, next_state
from strangler.ports.errors import BadAnswer, NotExecuted, OutcomeUnknown

LEASE = timedelta(seconds=30)
"""For so long what is under way is left to whoever is at it: longer than the provider may take."""
PATIENCE = timedelta(minutes=15)
"""What nobody has wanted charged for so long is let go, unless it has been captured."""
SLOWEST = timedelta(minutes=10)
"""However often settling has failed, it is tried again after so long."""
LIMIT = Decimal(10) ** 18
"""Amounts are below this."""
DIGITS = 4
"""So many digits an amount may have after the point."""

log = logging.getLogger(__name__)


def charge(*, customer: str, order: UUID, amount: Money, method: str) -> Intent:
    """Take this amount, or find that it has been taken.

    Raises:
        InvalidAmount, Declined, PaymentEnded, PaymentDiffers: see each of them.
        PortError: the provider can't be reached, or has not answered: the same charge, or a refund,
            may carry on later.
    """
    row = _begin(customer, order, _checked(order, amount), method)
    while True:
        before = row.state
        match before:
            case PaymentState.CREATED:
                assert row.money is not None  # noqa: S101 -- the database sees to that
                told = provider().authorise(order, row.money, row.method, customer=row.customer)
                row = _known(learn(told))
            case PaymentState.AUTHORISED:
                row = _known(learn(_capture(order)))
            case PaymentState.CAPTURED:
                return row
            case PaymentState.DECLINED:
                raise Declined(order=order, reason=row.reason)
            case _:
                raise PaymentEnded(order=order, state=PaymentState(row.state))
        if row.state == before:
            raise BadAnswer(f"the provider leaves the payment of order {order} {before}")


def refund(order: UUID, *, by: str, own: str | None) -> Intent:
    """Give back what was taken, or see that nothing is taken later.

    Args:
        order: whose money it is; one that was never charged is remembered.
        by: the user who asks, "" for nobody.
        own: the customer whose payments alone may be refunded; None for everybody's.

    Raises:
        UnknownPayment: it is not the customer's own.
        PortError: the provider can't be reached, or has not answered; nothing is taken later all
            the same, and what was taken goes back as soon as it does.
    """
    row = _end(order, by, own)
    if row.state == PaymentState.REFUNDING:
        row = _known(learn(provider().refund(order)))
    return row


def settle(order: UUID) -> None:
    """Find out what has become of a payment that was left behind, and see it to its end.

    It is only written down what was taken. What nobody asks for any more is let go: who was told
    that nothing has happened, or has never asked again, must not pay.

    Raises:
        PortError: the provider can't be reached: it is tried again later.
    """
    row = Intent.objects.get(pk=order)
    if row.state not in UNSETTLED:
        return
    if row.state != PaymentState.REFUNDING:
        told = provider().look_up(order)
        if told is not None:
            row = _known(learn(told))
        row = _let_go(row) if _forsaken(row) else row
    if row.state == PaymentState.REFUNDING:
        learn(provider().refund(order))


def claim(*, limit: int) -> list[UUID]:
    """The payments which somebody has to settle, the longest due first; they are ours for a while.

    However many ask, each is given to one.
    """
    now = timezone.now()
    due = Intent.objects.filter(due_at__lte=now)
    found = due.order_by("due_at").values_list("pk", flat=True)[:limit]
    return [order for order in list(found) if due.filter(pk=order).update(due_at=now + LEASE)]


def put_off(order: UUID) -> None:
    """Settling it has failed: it is tried again later, and each time later than before."""
    row = Intent.objects.get(pk=order)
    pause = min(LEASE * 2 ** min(row.attempts, 10), SLOWEST)
    Intent.objects.filter(pk=order, due_at__isnull=False).update(
        attempts=F("attempts") + 1, due_at=timezone.now() + pause
    )


@transaction.atomic
def learn(told: Told) -> Intent | None:
    """Write down how a payment stands at the provider, unless something newer is known.

    None for one that is none of ours.

    Raises:
        BadAnswer: it can't be so.
    """
    row = Intent.objects.select_for_update().filter(pk=told.key).first()
    if row is None or told.version <= row.version:
        return row
    if told.amount is not None and told.amount != row.money:
        raise BadAnswer(f"the provider says {told.amount} of order {row.pk}, not {row.money}")
    try:
        state = next_state(PaymentState(row.state), told.standing)
    except Impossible as error:
        raise BadAnswer(f"{error}: order {row.pk}") from error
    now = timezone.now()
    row.due_at = None
    if state in UNSETTLED:
        row.due_at = now + LEASE if row.state in UNSETTLED else now
    row.state, row.version = state, told.version
    row.reference = told.reference
    row.reason = told.reason or row.reason
    row.save()
    return row


def _capture(order: UUID) -> Told:
    """Take what was put aside; who can't be asked has put it aside all the same."""
    try:
        return provider().capture(order)
    except NotExecuted as error:
        raise OutcomeUnknown(f"order {order} is authorised, and not captured: {error}") from error


@transaction.atomic
def _begin(customer: str, order: UUID, amount: Money, method: str) -> Intent:
    now = timezone.now()
    row, new = Intent.objects.select_for_update().get_or_create(
        order=order,
        defaults={
            "customer": customer,
            "state": PaymentState.CREATED,
            "amount": amount.amount,
            "scale": -int(amount.amount.as_tuple().exponent),
            "currency": amount.currency,
            "method": method,
            "asked_at": now,
            "due_at": now + LEASE,
        },
    )
    if new:
        return row
    if row.amount is None:
        raise PaymentEnded(order=order, state=PaymentState(row.state))
    known = (row.customer, row.amount, row.currency, row.method)
    if known != (customer, amount.amount, amount.currency, method):
        raise PaymentDiffers(order=order)
    if row.state in {PaymentState.CREATED, PaymentState.AUTHORISED}:
        row.asked_at, row.due_at, row.attempts = now, now + LEASE, 0
        row.save(update_fields=["asked_at", "due_at", "attempts", "updated_at"])
    return row


@transaction.atomic
def _end(order: UUID, by: str, own: str | None) -> Intent:
    now = timezone.now()
    row, new = Intent.objects.select_for_update().get_or_create(
        order=order,
        defaults={
            "customer": own or "",
            "state": PaymentState.VOIDED,
            "refunded_by": by,
            "asked_at": now,
        },
    )
    if own is not None and row.customer not in {"", own}:
        raise UnknownPayment(order=order)
    if not new and row.state in {
        PaymentState.CREATED,
        PaymentState.AUTHORISED,
        PaymentState.CAPTURED,
    }:
        row.refunded_by = by
        _turn_back(row, now)
    return row


@transaction.atomic
def _let_go(row: Intent) -> Intent:
    """Turn back, unless somebody has asked meanwhile, or it has been captured."""
    row = Intent.objects.select_for_update().get(pk=row.pk)
    if _forsaken(row):
        row.reason = "Nobody has completed it in time."
        _turn_back(row, timezone.now())
    return row


def _turn_back(row: Intent, now: datetime) -> None:
    row.state, row.due_at, row.attempts = PaymentState.REFUNDING, now + LEASE, 0
    row.save()


def _forsaken(row: Intent) -> bool:
    return (
        row.state in {PaymentState.CREATED, PaymentState.AUTHORISED}
        and row.asked_at + PATIENCE <= timezone.now()
    )


def _known(row: Intent | None) -> Intent:
    if row is None:
        raise BadAnswer("the provider speaks of another payment than the one it was asked about")
    return row


def _checked(order: UUID, money: Money) -> Money:
    """The amount as it is stored."""
    amount = money.amount
    if not re.fullmatch("[A-Z]{3}", money.currency):
        raise InvalidAmount(order=order, reason=f"{money.currency!r} is no currency")
    if not amount.is_finite() or amount.is_signed() or amount >= LIMIT:
        raise InvalidAmount(order=order, reason=f"an amount is from 0 to below {LIMIT}")
    scale = min(max(-int(amount.as_tuple().exponent), 0), DIGITS)
    stored = amount.quantize(Decimal(1).scaleb(-scale))
    if stored != amount:
        raise InvalidAmount(order=order, reason=f"an amount has {DIGITS} decimals at most")
    return Money(stored, money.currency)
