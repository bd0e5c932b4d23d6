"""Charging, refunding, and asking, with the sandbox in this process."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from contracts.money import Money
from contracts.payments import (
    Declined,
    InvalidAmount,
    NotAuthenticated,
    PaymentDiffers,
    PaymentEnded,
    PaymentState,
    UnknownPayment,
)
from monolith.payments.models import Intent
from monolith.payments.service import PaymentsService
from strangler.ports.context import Context, User, use
from strangler.ports.errors import BadAnswer, TimedOut
from tests.monolith.people import FOR_STAFF

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("as_cleo")]
payments = PaymentsService()
Read = Callable[[], dict[str, Any]]
TWELVE = Money(Decimal("12.00"), "EUR")
CARL = Context(user=User("carl", ("customer",)))
NOBODY = Context(user=None)


def test_an_order_is_charged_once(books: Read):
    order = uuid4()

    first = payments.charge(order, TWELVE, "card")
    again = payments.charge(order, Money(Decimal(12), "EUR"), "card")

    assert first == again == payments.payment(order)
    assert (first.state, first.customer, first.method) == (PaymentState.CAPTURED, "cleo", "card")
    assert str(first.amount.amount) == "12.00"
    assert books() == {
        str(order): {"state": "captured", "currency": "EUR", "charged": "12.00", "refunded": "0"}
    }
    row = Intent.objects.get()
    assert row.reference.startswith("pay_")
    assert row.due_at is None


@pytest.mark.parametrize(
    ("amount", "currency", "method", "by"),
    [
        ("12.01", "EUR", "card", "cleo"),
        ("12.00", "USD", "card", "cleo"),
        ("12.00", "EUR", "other", "cleo"),
        ("12.00", "EUR", "card", "carl"),
    ],
)
def test_an_order_is_not_charged_otherwise(
    books: Read, amount: str, currency: str, method: str, by: str
):
    order = uuid4()
    payments.charge(order, TWELVE, "card")

    with use(Context(user=User(by, ("customer",)))), pytest.raises(PaymentDiffers):
        payments.charge(order, Money(Decimal(amount), currency), method)
    assert books()[str(order)]["charged"] == "12.00"


@pytest.mark.parametrize(
    "amount", ["-1", "-0", "NaN", "Infinity", "1.00001", "1e18", "1e30"], ids=str
)
def test_what_is_no_amount_is_not_charged(books: Read, amount: str):
    with pytest.raises(InvalidAmount):
        payments.charge(uuid4(), Money(Decimal(amount), "EUR"), "card")
    with pytest.raises(InvalidAmount):
        payments.charge(uuid4(), Money(Decimal(1), "euro"), "card")
    assert not Intent.objects.exists()
    assert books() == {}


@pytest.mark.parametrize("amount", ["0", "0.00", "1E+2", "1.00000", "999999.9999", "1200"])
def test_amounts_come_back_as_they_were_written(amount: str):
    charged = payments.charge(uuid4(), Money(Decimal(amount), "EUR"), "card").amount

    assert charged == payments.payment(Intent.objects.get().order).amount
    assert charged.amount == Decimal(amount)
    assert charged.amount.as_tuple().exponent in {0, -2, -4}


@pytest.mark.parametrize(
    ("method", "amount", "reason"),
    [
        ("sandbox-declined", "12.00", "The card was declined."),
        ("sandbox-no-funds", "12.00", "There is not enough on the account."),
        ("sandbox-expires", "12.00", "The authorisation has expired."),
        ("card", "1000000.01", "The amount is above the limit."),
    ],
)
def test_what_is_declined_stays_declined(books: Read, method: str, amount: str, reason: str):
    order = uuid4()

    for _ in range(2):
        with pytest.raises(Declined) as caught:
            payments.charge(order, Money(Decimal(amount), "EUR"), method)
        assert caught.value.detail() == {"order": order, "reason": reason}
    with pytest.raises(PaymentDiffers):
        payments.charge(order, Money(Decimal(amount), "EUR"), "card-2")

    assert payments.refund(order).state is PaymentState.DECLINED
    assert payments.payment(order).reason == reason
    assert books()[str(order)]["charged"] == "0"


def test_what_was_taken_goes_back_once(books: Read):
    order = uuid4()
    payments.charge(order, TWELVE, "card")

    first, again = payments.refund(order), payments.refund(order)

    assert first == again == payments.payment(order)
    assert first.state is PaymentState.REFUNDED
    assert books()[str(order)] == {
        "state": "refunded", "currency": "EUR", "charged": "12.00", "refunded": "12.00",
    }  # fmt: skip
    with pytest.raises(PaymentEnded) as caught:
        payments.charge(order, TWELVE, "card")
    assert caught.value.state is PaymentState.REFUNDED
    assert Intent.objects.get().refunded_by == "cleo"


def test_a_refund_is_the_end_even_when_it_comes_first(books: Read):
    order = uuid4()

    first, again = payments.refund(order), payments.refund(order)

    assert first == again == payments.payment(order)
    assert (first.state, first.amount, first.customer) == (PaymentState.VOIDED, None, "cleo")
    for context in (Context(user=User("cleo")), CARL):
        with use(context), pytest.raises(PaymentEnded) as caught:
            payments.charge(order, TWELVE, "card")
        assert caught.value.state is PaymentState.VOIDED
    assert books() == {}


def test_payments_are_their_customers_own():
    order, unknown = uuid4(), uuid4()
    mine = payments.charge(order, TWELVE, "card")

    with use(CARL):
        for method in (payments.payment, payments.refund):
            with pytest.raises(UnknownPayment):
                method(order)
        with pytest.raises(UnknownPayment):
            payments.payment(unknown)
    with use(NOBODY):
        with pytest.raises(NotAuthenticated):
            payments.payment(order)
        with pytest.raises(NotAuthenticated):
            payments.charge(unknown, TWELVE, "card")
    with use(FOR_STAFF):
        assert payments.payment(order) == mine
        assert payments.refund(order).state is PaymentState.REFUNDED
    assert Intent.objects.get().refunded_by == "s"


def test_a_job_refunds_for_nobody_and_the_customer_finds_it_so():
    charged, early = uuid4(), uuid4()
    payments.charge(charged, TWELVE, "card")

    with use(NOBODY):
        assert payments.refund(charged).state is PaymentState.REFUNDED
        assert payments.refund(early).customer is None

    assert payments.refund(charged).state is PaymentState.REFUNDED
    assert payments.refund(early).state is PaymentState.VOIDED
    with pytest.raises(PaymentEnded):
        payments.charge(early, TWELVE, "card")


@pytest.mark.parametrize(
    ("method", "error", "known"),
    [
        ("sandbox-before", BadAnswer, False),
        ("sandbox-after", TimedOut, True),
        ("sandbox-late", TimedOut, True),
        ("sandbox-never", TimedOut, True),
    ],
)
def test_a_bad_day_can_be_had_in_this_process_too(
    books: Read, *, method: str, error: type[Exception], known: bool
):
    order = uuid4()

    with pytest.raises(error):
        payments.charge(order, TWELVE, method)

    assert payments.payment(order).state is PaymentState.CREATED
    assert (str(order) in books()) is known
    if known:
        assert payments.charge(order, TWELVE, method).state is PaymentState.CAPTURED
        assert books()[str(order)]["charged"] == "12.00"
    else:
        assert payments.refund(order).state is PaymentState.VOIDED


def test_the_database_itself_refuses_an_intent_that_can_not_be():
    order = uuid4()
    payments.charge(order, TWELVE, "card")
    rows = Intent.objects.filter(pk=order)

    for impossible in ({"amount": None}, {"state": "refunding"}, {"state": "created"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.update(**impossible)
    rows.update(state="refunding", due_at=timezone.now())
