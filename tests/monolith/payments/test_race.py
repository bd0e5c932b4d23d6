"""However many charge and refund the same orders at once, each order's money moves once."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from random import Random
from uuid import uuid4

import pytest
from django.db import connections

from contracts.money import Money
from contracts.payments import Payment, PaymentEnded, PaymentState
from monolith.payments import charging
from monolith.payments.models import Intent
from monolith.payments.providers import Provider
from monolith.payments.sandbox.server import SandboxServer
from monolith.payments.service import PaymentsService
from monolith.payments.states import Standing
from monolith.payments.tasks import settle_payments
from strangler.ports.context import Context, User, use
from strangler.ports.errors import PortError
from tests.monolith.ordering.faults import Died

THREADS = 8
TWELVE = Money(Decimal("12.00"), "EUR")
payments = PaymentsService()
pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("on_postgres")]


def at_once(run: Callable[[int], None]) -> None:
    """Run it in many threads; raise the first thing that one of them raised."""
    errors: list[BaseException] = []
    together = threading.Barrier(THREADS)

    def one(number: int) -> None:
        try:
            together.wait()
            with use(Context(user=User("cleo", ("customer",)))):
                run(number)
        except BaseException as error:  # noqa: BLE001 - raised again where the test sees it
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_charges_at_once_charge_once(plan: Callable[..., None], server: SandboxServer):
    orders = [uuid4() for _ in range(4)]
    answers: list[Payment] = []

    def charge(number: int) -> None:
        answers.extend(
            payments.charge(order, TWELVE, "card")
            for order in Random(number).sample(orders, len(orders))
        )

    at_once(charge)

    assert len(answers) == THREADS * len(orders)
    assert len(set(answers)) == len(orders), "everybody got the same payment"
    assert {answer.state for answer in answers} == {PaymentState.CAPTURED}
    books = server.books.shown()
    assert [books[str(order)]["charged"] for order in orders] == ["12.00"] * 4


def test_charges_refunds_and_failures_at_once_leave_what_we_believe(
    plan: Callable[..., None], server: SandboxServer
):
    orders = [uuid4() for _ in range(6)]
    plan(rates={"after": 0.1, "lost": 0.1, "before": 0.1})
    seen: Counter[str] = Counter()

    def act(number: int) -> None:
        random = Random(number)
        for _ in range(12):
            order = random.choice(orders)
            try:
                if random.random() < 0.25 and order != orders[0]:
                    payments.refund(order)
                    seen["refunded"] += 1
                else:
                    payments.charge(order, TWELVE, "card")
                    seen["charged"] += 1
            except (PaymentEnded, PortError) as error:
                seen[type(error).__name__] += 1

    at_once(act)
    plan()
    with use(Context(user=User("cleo", ("customer",)))):
        assert payments.charge(orders[0], TWELVE, "card").state is PaymentState.CAPTURED
        for row in Intent.objects.filter(state=PaymentState.REFUNDING):
            payments.refund(row.order)

    assert {"refunded", "charged", "PaymentEnded"} < set(seen), seen
    books = server.books.shown()
    for row in Intent.objects.all():
        known = books.get(str(row.order), {"charged": "0", "refunded": "0"})
        assert known["charged"] in {"0", "12.00"}
        balance = Decimal(known["charged"]) - Decimal(known["refunded"])
        if row.state == PaymentState.CAPTURED:
            assert balance == TWELVE.amount
        elif row.state not in {PaymentState.CREATED, PaymentState.AUTHORISED}:
            assert balance == 0


def test_many_workers_settle_each_once(plan: Callable[..., None], server: SandboxServer):
    orders = [uuid4() for _ in range(8)]
    with use(Context(user=User("cleo", ("customer",)))):
        plan(rates={"before": 1.0})
        for order in orders:
            with contextlib.suppress(PortError):
                payments.charge(order, TWELVE, "card")
    plan()
    Intent.objects.update(asked_at="2020-01-01T00:00Z", due_at="2020-01-01T00:00Z")
    settled: list[int] = []

    at_once(lambda _: settled.append(settle_payments()))

    assert sum(settled) == len(orders)
    assert set(Intent.objects.values_list("state", flat=True)) == {PaymentState.VOIDED}
    books = server.books.shown()
    assert [books[str(order)]["state"] for order in orders] == ["voided"] * 8


def test_what_is_heard_does_not_overwrite_a_refund_that_died(
    plan: Callable[..., None], monkeypatch: pytest.MonkeyPatch
):
    """A charge is about to write what it has heard, when an order is refunded."""
    order = uuid4()
    read, ask = charging.next_state, charging.provider

    def refund() -> None:
        with (
            use(Context(user=User("cleo", ("customer",)))),
            closing(connections["default"]),
            pytest.raises(Died),
        ):
            payments.refund(order)

    refunding = threading.Thread(target=refund)

    def slowly(state: PaymentState, told: Standing) -> PaymentState:
        if refunding.ident is None:
            refunding.start()
            refunding.join(0.5)
        return read(state, told)

    def provider() -> Provider:
        if threading.current_thread() is refunding:
            raise Died
        return ask()

    monkeypatch.setattr(charging, "next_state", slowly)
    monkeypatch.setattr(charging, "provider", provider)
    with use(Context(user=User("cleo", ("customer",)))):
        with contextlib.suppress(PaymentEnded):
            payments.charge(order, TWELVE, "card")
        refunding.join()
        assert payments.payment(order).state is PaymentState.REFUNDING
