"""The table of transitions: whoever hears what, in whatever order, knows the same in the end."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from itertools import pairwise, permutations, product
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from contracts.money import Money
from contracts.payments import PaymentState
from monolith.payments.charging import learn
from monolith.payments.models import UNSETTLED, Intent
from monolith.payments.providers import Told, read
from monolith.payments.sandbox import core
from monolith.payments.sandbox.core import Asked, Record
from monolith.payments.states import TRANSITIONS, Impossible, Standing, next_state
from strangler.ports.errors import BadAnswer

STATES = {
    # state: what it becomes when told authorised, captured, declined, refunded, voided
    "created": "authorised captured declined refunded voided",
    "authorised": "authorised captured declined refunded voided",
    "captured": "- captured - refunded -",
    "refunding": "refunding refunding declined refunded voided",
    "refunded": "refunding refunding declined refunded voided",
    "declined": "refunding refunding declined refunded voided",
    "voided": "refunding refunding declined refunded voided",
}
TWELVE = Money(Decimal("12.00"), "EUR")
ASKED = Asked("12.00", "EUR", "card", "cleo")


def test_the_table_is_what_it_is():
    assert set(TRANSITIONS) == set(PaymentState)
    for state, becomes in STATES.items():
        for told, then in zip(Standing, becomes.split(), strict=True):
            if then == "-":
                with pytest.raises(Impossible):
                    next_state(PaymentState(state), told)
            else:
                assert next_state(PaymentState(state), told) == then


def test_money_that_nobody_is_to_have_always_goes_back():
    """Once turned back or ended, a payment is never again on its way to be captured."""
    taking = {PaymentState.CREATED, PaymentState.AUTHORISED, PaymentState.CAPTURED}
    for state, told in product(set(PaymentState) - taking, Standing):
        assert next_state(state, told) not in taking


def intent(state: PaymentState, order: UUID) -> Intent:
    now = timezone.now()
    return Intent.objects.create(
        order=order, customer="cleo", state=state, amount=TWELVE.amount, scale=2,
        currency=TWELVE.currency, method="card", asked_at=now,
        due_at=now if state in UNSETTLED else None,
    )  # fmt: skip


def lives(key: str) -> list[list[Record]]:
    """What can become of a payment at the sandbox, change by change."""
    new = core.authorise(None, key, ASKED)
    declined = core.authorise(None, key, Asked("12.00", "EUR", "sandbox-declined", "cleo"))
    expired = core.authorise(None, key, Asked("12.00", "EUR", "sandbox-expires", "cleo"))
    captured = core.capture(new)
    return [
        [new, captured, core.refund(captured, key)],
        [new, core.refund(new, key)],
        [new, captured],
        [declined],
        [expired, core.capture(expired)],
        [core.refund(None, key)],
    ]


def test_at_the_sandbox_every_change_is_a_version():
    for life in lives(str(uuid4())):
        assert all(after.version == before.version + 1 for before, after in pairwise(life))
        for act in (core.capture, partial(core.refund, key="x")):
            ended = life[-1]
            if ended.state in {"refunded", "voided", "declined"}:
                assert act(ended) == ended


@pytest.mark.django_db
@pytest.mark.parametrize("start", [PaymentState.CREATED, PaymentState.REFUNDING])
@pytest.mark.parametrize("number", range(6))
def test_in_whatever_order_it_is_told_the_end_is_the_same(start: PaymentState, number: int):
    """Each order of the events, each of them twice."""
    ends = set()
    length = len(lives("x")[number])
    for order in permutations(range(length)):
        key = uuid4()
        life = [read(record.shown()) for record in lives(str(key))[number]]
        row = intent(start, key)
        for index in order:
            learn(life[index])
            learn(life[index])
        row.refresh_from_db()
        ends.add((row.state, row.version))
        assert (row.due_at is None) == (row.state not in UNSETTLED)
    assert len(ends) == 1, ends


@pytest.mark.django_db
def test_nobody_guesses_what_can_not_be():
    key = uuid4()
    row = intent(PaymentState.CAPTURED, key)

    for standing, amount, text in (
        (Standing.DECLINED, TWELVE, "declined of a payment that is captured"),
        (Standing.CAPTURED, Money(Decimal(13), "EUR"), "not Money"),
        (Standing.CAPTURED, Money(Decimal(12), "USD"), "not Money"),
    ):
        with pytest.raises(BadAnswer, match=text):
            learn(Told(key, "pay_1", standing, 9, amount))
    row.refresh_from_db()
    assert (row.state, row.version) == ("captured", 0)
    assert learn(Told(uuid4(), "pay_1", Standing.CAPTURED, 9, TWELVE)) is None


@pytest.mark.django_db
def test_what_turns_up_after_the_end_is_settled_soon():
    key = uuid4()
    intent(PaymentState.VOIDED, key)

    row = learn(Told(key, "pay_1", Standing.AUTHORISED, 1, TWELVE))

    assert row is not None
    assert row.state == PaymentState.REFUNDING
    assert row.due_at is not None
    assert row.due_at <= timezone.now()


@pytest.mark.parametrize(
    "change",
    [
        {"key": "x"},
        {"state": "created"},
        {"version": 0},
        {"version": True},
        {"version": "1"},
        {"amount": "x"},
        {"amount": 1.5},
        {"id": None, "key": None},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_a_bad_answer(change: dict[str, object]):
    said = core.authorise(None, str(uuid4()), ASKED).shown()

    assert read(said).standing is Standing.AUTHORISED
    with pytest.raises(BadAnswer):
        read({**said, **change})
    for nothing in (None, [], "x", {}):
        with pytest.raises(BadAnswer):
            read(nothing)
