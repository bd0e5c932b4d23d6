"""However many send the same shipment at once, it leaves once, and that is said once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from uuid import uuid4

import pytest
from django.db import connections

from contracts.shipping import NotSendable
from monolith.shipping.models import Shipment
from monolith.shipping.sending import call_off, cancelled, hand_over, prepare
from tests.monolith.events import confirmed, waiting

THREADS = 8
ORDERS = 6
pytestmark = pytest.mark.postgres


def at_once(run: Callable[[int, threading.Barrier], None]) -> None:
    """Run it in many threads; raise the first thing that one of them raised."""
    errors: list[BaseException] = []
    together = threading.Barrier(THREADS)

    def one(number: int) -> None:
        try:
            connections["default"].ensure_connection()
            run(number, together)
        except BaseException as error:  # noqa: BLE001 - raised again where the test sees it
            errors.append(error)
            together.abort()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_a_shipment_leaves_once_or_stays(on_postgres: None):
    """Some threads hand over, the others call off; and of some orders nobody had heard before."""
    known = [uuid4() for _ in range(ORDERS)]
    new = [uuid4() for _ in range(ORDERS)]
    lines = confirmed().lines
    for order in known:
        prepare(order, customer="cleo", country="DE", lines=lines)
    numbers: Counter[str] = Counter()

    def run(number: int, together: threading.Barrier) -> None:
        for order in known:
            together.wait()
            if number % 4 == 0:
                call_off(order, customer="cleo", own="cleo")
                continue
            try:
                numbers[f"{order} {hand_over(order).tracking}"] += 1
            except NotSendable:
                numbers[f"{order} stays"] += 1
        for order in new:
            together.wait()
            if number % 4 == 0:
                call_off(order, customer="cleo", own="cleo")
            elif number % 2:
                cancelled(order, customer="cleo")
            else:
                prepare(order, customer="cleo", country="DE", lines=lines)

    at_once(run)

    assert len({said.partition(" ")[0] for said in numbers}) == ORDERS == len(numbers)
    rows = Shipment.objects.in_bulk()
    assert {rows[order].state for order in new} == {"cancelled"}
    assert {rows[order].state for order in known} <= {"cancelled", "returning"}
    gone = {str(order) for order in known if rows[order].state == "returning"}
    assert sorted(event.subject for event in waiting("shipping")) == sorted(gone)
