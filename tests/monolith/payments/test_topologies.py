"""The port local, through the codec, and over real HTTP; commands twice."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

import pytest

from contracts.money import Money
from contracts.payments import (
    Declined,
    InvalidAmount,
    NotAuthenticated,
    PaymentDiffers,
    PaymentEnded,
    Payments,
    PaymentState,
    UnknownPayment,
)
from strangler.ports.bind import bind
from strangler.ports.context import Context, use

pytestmark = [
    pytest.mark.topologies,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("as_cleo"),
]
payments = bind(Payments)
TWELVE = Money(Decimal("12.00"), "EUR")


def test_money_comes_and_goes():
    order = uuid4()

    taken = payments.charge(order, TWELVE, "card")
    assert (taken.state, taken.amount) == (PaymentState.CAPTURED, TWELVE)
    assert payments.payment(order) == taken
    with pytest.raises(PaymentDiffers):
        payments.charge(order, TWELVE, "other")
    assert payments.refund(order).state is PaymentState.REFUNDED
    with pytest.raises(PaymentEnded) as caught:
        payments.charge(order, TWELVE, "card")
    assert caught.value.detail() == {"order": order, "state": PaymentState.REFUNDED}


def test_what_is_refused_says_the_same_everywhere():
    order = uuid4()

    with pytest.raises(Declined) as caught:
        payments.charge(order, TWELVE, "sandbox-declined")
    assert caught.value.detail() == {"order": order, "reason": "The card was declined."}
    with pytest.raises(InvalidAmount):
        payments.charge(uuid4(), Money(Decimal(-1), "EUR"), "card")
    with pytest.raises(UnknownPayment):
        payments.payment(uuid4())
    assert payments.refund(uuid4()).state is PaymentState.VOIDED
    with use(Context(user=None)), pytest.raises(NotAuthenticated):
        payments.charge(uuid4(), TWELVE, "card")
