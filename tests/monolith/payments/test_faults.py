"""Whoever dies or does not answer, and wherever: an order is charged once, and nobody guesses."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.money import Money
from contracts.payments import Declined, Payment, PaymentEnded, PaymentState
from monolith.payments import charging, tasks
from monolith.payments.models import UNSETTLED, Intent
from monolith.payments.providers import Told
from monolith.payments.providers.connect import provider
from monolith.payments.service import PaymentsService
from monolith.payments.states import Standing
from monolith.payments.tasks import settle_payments
from strangler.ports.context import Context, use
from strangler.ports.errors import BadAnswer, OutcomeUnknown, PortError, TimedOut, Unreachable
from tests.monolith.ordering.faults import Died, Faults

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("as_cleo")]
payments = PaymentsService()
Books = Callable[[], dict[str, Any]]
Pass = Callable[[timedelta], None]
TWELVE = Money(Decimal("12.00"), "EUR")
STEPS = [(when, step) for step in ("authorise", "capture") for when in ("before", "after")]


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    """The provider as payments ask it, but for the faults that a test puts here."""
    faults = Faults()
    monkeypatch.setattr(charging, "provider", lambda: faults.on(provider()))
    return faults


def charge(order: UUID, method: str = "card") -> Payment:
    return payments.charge(order, TWELVE, method)


def died(order: UUID) -> None:
    with pytest.raises(Died):
        charge(order)


def balance(books: Books, order: UUID) -> Decimal:
    """What the provider has of this order; it has never taken more than twelve."""
    known = books().get(str(order), {"charged": "0", "refunded": "0"})
    assert Decimal(known["charged"]) in {Decimal(0), TWELVE.amount}
    return Decimal(known["charged"]) - Decimal(known["refunded"])


def check(books: Books, order: UUID) -> None:
    """What we believe is what the provider has."""
    row = Intent.objects.get(pk=order)
    taken = balance(books, order)
    assert taken == (TWELVE.amount if row.state == PaymentState.CAPTURED else 0), row.state


@pytest.mark.parametrize("at", STEPS, ids="-".join)
@pytest.mark.parametrize("error", [Unreachable, TimedOut])
def test_what_has_no_answer_is_carried_on_with_by_the_next_charge(
    faults: Faults, books: Books, at: tuple[str, str], error: type[PortError]
):
    order = uuid4()
    faults.put(at, error("down"), error("still down"))

    authorised = at[1] == "capture"
    said = OutcomeUnknown if authorised and error is Unreachable else error
    for _ in range(2):
        with pytest.raises(said):
            charge(order)
    assert payments.payment(order).state == ("authorised" if authorised else "created")

    assert charge(order).state is PaymentState.CAPTURED
    check(books, order)


@pytest.mark.parametrize("at", STEPS, ids="-".join)
@pytest.mark.parametrize("by", ["charge", "refund"])
def test_who_dies_is_succeeded(faults: Faults, books: Books, at: tuple[str, str], by: str):
    order = uuid4()
    faults.put(at, Died())
    died(order)

    if by == "charge":
        assert charge(order).state is PaymentState.CAPTURED
    else:
        assert payments.refund(order).state in {PaymentState.REFUNDED, PaymentState.VOIDED}
        with pytest.raises(PaymentEnded):
            charge(order)
    assert faults.calls.count("authorise") <= 2
    check(books, order)


@pytest.mark.parametrize("at", STEPS, ids="-".join)
def test_what_was_left_behind_is_found_out_and_nothing_more_is_taken(
    faults: Faults, books: Books, time_passes: Pass, at: tuple[str, str]
):
    order = uuid4()
    faults.put(at, Died())
    died(order)
    taken = balance(books, order)

    assert settle_payments() == 0, "it is left to whoever is at it"
    time_passes(charging.LEASE)
    assert settle_payments() == 1

    assert balance(books, order) == taken
    known = books().get(str(order), {"state": "created"})
    assert payments.payment(order).state == known["state"]
    assert settle_payments() == 0


@pytest.mark.parametrize("at", STEPS, ids="-".join)
def test_what_nobody_asks_for_any_more_is_let_go_unless_it_was_taken(
    faults: Faults, books: Books, time_passes: Pass, at: tuple[str, str]
):
    order = uuid4()
    faults.put(at, Died())
    died(order)
    time_passes(charging.PATIENCE)

    assert settle_payments() == 1

    check(books, order)
    if at == ("after", "capture"):
        assert charge(order).state is PaymentState.CAPTURED
        return
    ended = payments.payment(order)
    assert (ended.state, ended.reason) == (
        PaymentState.VOIDED, "Nobody has completed it in time.",
    )  # fmt: skip
    with pytest.raises(PaymentEnded):
        charge(order)
    assert payments.refund(order) == ended


def test_who_asks_again_has_all_the_time_anew(faults: Faults, time_passes: Pass):
    order = uuid4()
    faults.put(("before", "capture"), Died(), Unreachable("down"))
    died(order)
    time_passes(charging.PATIENCE)
    with pytest.raises(OutcomeUnknown):
        charge(order)
    time_passes(charging.LEASE)

    assert settle_payments() == 1
    assert charge(order).state is PaymentState.CAPTURED


def test_who_asks_while_it_is_being_settled_is_not_let_go(faults: Faults, time_passes: Pass):
    order = uuid4()
    faults.put(("before", "authorise"), Died(), Unreachable("down"))
    died(order)
    time_passes(charging.PATIENCE)

    def ask() -> None:
        with pytest.raises(Unreachable):
            charge(order)

    faults.put(("after", "look_up"), ask)
    assert settle_payments() == 1

    assert payments.payment(order).state is PaymentState.CREATED
    assert charge(order).state is PaymentState.CAPTURED


def test_what_is_declined_meanwhile_is_found_out(faults: Faults, time_passes: Pass):
    order = uuid4()
    faults.put(("after", "authorise"), Died())
    with pytest.raises(Died):
        charge(order, "sandbox-declined")
    time_passes(charging.LEASE)

    settle_payments()

    assert payments.payment(order).state is PaymentState.DECLINED
    with pytest.raises(Declined):
        charge(order, "sandbox-declined")


@pytest.mark.parametrize("at", STEPS, ids="-".join)
def test_a_refund_while_a_charge_is_under_way_leaves_nothing_taken(
    faults: Faults, books: Books, at: tuple[str, str]
):
    order = uuid4()
    faults.put(at, lambda: payments.refund(order))

    with pytest.raises(PaymentEnded):
        charge(order)

    assert balance(books, order) == 0
    check(books, order)
    with pytest.raises(PaymentEnded):
        charge(order)


@pytest.mark.parametrize("at", STEPS, ids="-".join)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_refund_that_dies_while_a_charge_is_under_way_is_finished(
    faults: Faults, books: Books, time_passes: Pass, at: tuple[str, str], when: str
):
    order = uuid4()

    def refund() -> None:
        with pytest.raises(Died):
            payments.refund(order)

    faults.put(at, refund)
    faults.put((when, "refund"), Died())
    with pytest.raises(PaymentEnded):
        charge(order)
    time_passes(charging.LEASE)

    settle_payments()

    assert payments.payment(order).state not in UNSETTLED
    assert balance(books, order) == 0
    check(books, order)


@pytest.mark.parametrize("at", STEPS, ids="-".join)
def test_who_was_given_up_for_dead_takes_nothing_any_more(
    faults: Faults, books: Books, time_passes: Pass, at: tuple[str, str]
):
    """The charge sleeps at the provider's, was let go, and wakes up again."""
    order = uuid4()

    def overtake() -> None:
        time_passes(charging.PATIENCE)
        assert settle_payments() == 1

    faults.put(at, overtake)
    if at == ("after", "capture"):
        assert charge(order).state is PaymentState.CAPTURED
    else:
        with pytest.raises(PaymentEnded):
            charge(order)
    check(books, order)


@pytest.mark.parametrize("at", STEPS, ids="-".join)
def test_two_at_once_agree(faults: Faults, books: Books, at: tuple[str, str]):
    order = uuid4()
    seen: list[Payment] = []
    faults.put(at, lambda: seen.append(charge(order)))

    assert [charge(order)] == seen
    check(books, order)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("error", [Unreachable("down"), TimedOut("late"), Died()])
def test_what_can_not_be_given_back_now_is_given_back_later(
    faults: Faults, books: Books, time_passes: Pass, when: str, error: BaseException
):
    order = uuid4()
    charge(order)
    faults.put((when, "refund"), error)

    with pytest.raises(type(error)):
        payments.refund(order)
    assert payments.payment(order).state is PaymentState.REFUNDING
    with pytest.raises(PaymentEnded):
        charge(order)
    time_passes(charging.LEASE)

    assert settle_payments() == 1
    assert payments.refund(order).state is PaymentState.REFUNDED
    assert balance(books, order) == 0


def test_one_that_can_not_be_settled_does_not_keep_the_others_waiting(
    faults: Faults, time_passes: Pass
):
    orders = [uuid4() for _ in range(3)]
    for order in orders:
        charge(order)
        faults.put(("before", "refund"), Died())
        with pytest.raises(Died):
            payments.refund(order)
    faults.put(("before", "refund"), Unreachable("down"), ZeroDivisionError())
    time_passes(charging.LEASE)

    assert settle_payments() == 3
    states = [payments.payment(order).state for order in orders]
    assert sorted(states) == ["refunded", "refunding", "refunding"]
    assert set(Intent.objects.values_list("attempts", flat=True)) == {0, 1}
    assert settle_payments() == 0
    time_passes(charging.LEASE)
    assert settle_payments() == 2
    assert settle_payments() == 0


def test_what_fails_again_and_again_waits_longer_and_longer(faults: Faults, time_passes: Pass):
    order = uuid4()
    charge(order)
    faults.put(("before", "refund"), *[Unreachable("down")] * 9)
    with pytest.raises(Unreachable):
        payments.refund(order)
    pauses = []
    for _ in range(8):
        time_passes(timedelta(hours=1))
        assert settle_payments() == 1
        row = Intent.objects.get()
        assert row.due_at is not None
        pauses.append(row.due_at - row.updated_at)
    assert sorted(pauses) == pauses
    assert charging.LEASE * 10 < pauses[-1] <= timedelta(hours=9)


def test_each_is_given_to_one_who_settles(time_passes: Pass, faults: Faults):
    for _ in range(3):
        faults.put(("before", "authorise"), Died())
        died(uuid4())
    time_passes(charging.LEASE)

    first, second = charging.claim(limit=2), charging.claim(limit=9)

    assert (len(first), len(second)) == (2, 1)
    assert not set(first) & set(second)
    assert charging.claim(limit=9) == []


def test_while_the_rows_are_the_services_nothing_is_settled(
    monkeypatch: pytest.MonkeyPatch, faults: Faults, time_passes: Pass
):
    faults.put(("before", "authorise"), Died())
    died(uuid4())
    time_passes(charging.LEASE)

    @contextlib.contextmanager
    def away(capability: str) -> Any:
        raise tasks.NotOwner(f"{capability} is the service's")
        yield

    monkeypatch.setattr(tasks, "commanding", away)
    assert settle_payments() == 0
    assert tasks.forget_webhooks() == 0
    assert faults.calls == ["authorise"]


def test_a_provider_that_does_not_go_on_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch):
    order = uuid4()

    class Stubborn:
        version = 0

        def authorise(self, key: UUID, amount: Money, method: str, *, customer: str) -> Told:
            self.version += 1
            return Told(key, "pay_1", Standing.AUTHORISED, self.version, amount)

        def capture(self, key: UUID) -> Told:
            return self.authorise(key, TWELVE, "card", customer="cleo")

    stubborn = Stubborn()
    monkeypatch.setattr(charging, "provider", lambda: stubborn)
    with pytest.raises(BadAnswer, match="authorised"):
        charge(order)
    assert stubborn.version == 2


@pytest.mark.django_db(transaction=True)
def test_the_provider_is_never_asked_within_a_transaction(faults: Faults, time_passes: Pass):
    within: list[bool] = []

    def look() -> None:
        within.append(connection.in_atomic_block)

    for step in ("authorise", "capture", "refund", "look_up"):
        faults.put(("before", step), *[look] * 9)
    charged, left = uuid4(), uuid4()
    charge(charged)
    payments.refund(charged)
    faults.put(("before", "capture"), Died())
    died(left)
    time_passes(charging.PATIENCE)
    settle_payments()

    assert {"authorise", "capture", "refund", "look_up"} == set(faults.calls)
    assert len(within) == 6
    assert not any(within)


ORDERS = [UUID(int=number) for number in range(2)]
TROUBLE = st.sampled_from(
    [(when, step) for step in ("authorise", "capture", "refund", "look_up")
     for when in ("before", "after")]
)  # fmt: skip
ERRORS = st.sampled_from([Died(), TimedOut("late"), Unreachable("down")])
stories = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["charge", "refund"]), st.sampled_from(ORDERS)),
        st.tuples(st.just("settle"), st.sampled_from([charging.LEASE, charging.PATIENCE])),
        st.tuples(st.just("fault"), TROUBLE, ERRORS),
    ),
    max_size=12,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(stories)
def test_whatever_happens_the_provider_has_what_we_believe(
    faults: Faults, books: Books, time_passes: Pass, story: list[tuple[Any, ...]]
):
    """Under keys of their own: the provider does not forget from one story to the next."""
    keys = {order: uuid4() for order in ORDERS}
    refunded = set()
    with transaction.atomic():
        for step, *arguments in story:
            with contextlib.suppress(Died, PortError):
                if step == "fault":
                    faults.put(*arguments)
                elif step == "settle":
                    time_passes(arguments[0])
                    settle_payments()
                elif step == "charge":
                    order = arguments[0]
                    answer = charge(keys[order])
                    assert answer.state is PaymentState.CAPTURED
                    assert order not in refunded
                    check(books, keys[order])
                else:
                    refunded.add(arguments[0])
                    payments.refund(keys[arguments[0]])
        faults.before.clear()
        faults.after.clear()
        time_passes(timedelta(days=1))
        settle_payments()
        settle_payments()
        for order in ORDERS:
            if Intent.objects.filter(pk=keys[order]).exists():
                check(books, keys[order])
                with use(Context(user=None)):
                    payments.refund(keys[order])
                assert balance(books, keys[order]) == 0
        transaction.set_rollback(True)
