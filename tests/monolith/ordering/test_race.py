"""However many send the same order at once, and whoever dies among them, it is placed once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from random import Random
from uuid import UUID

import pytest
from django.db import connections

from contracts.ordering import Line, OrderRejected, OrderState, StillPlacing
from monolith.ordering import models
from monolith.ordering.service import OrderingService
from strangler.django.saga import sweep
from strangler.ports.context import Context, User, use

THREADS = 8
KEYS = ("a", "b", "c", "d", "e")

pytestmark = pytest.mark.postgres


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


def test_concurrent_duplicates_are_one_order(shop_on_postgres: Callable[[], None]):
    """Every thread sends all orders until each has an answer; there are three desks."""
    ordering = OrderingService()
    answers: dict[str, set[UUID | str]] = {key: set() for key in KEYS}
    waited: Counter[str] = Counter()

    def send(number: int) -> None:
        for key in Random(number).sample(KEYS, len(KEYS)):
            while True:
                try:
                    order = ordering.place(key, [Line("DESK", 1), Line("LAMP", 2)], "DE")
                    answers[key].add(order.id)
                except OrderRejected as rejected:
                    answers[key].add(rejected.cause)
                except StillPlacing:
                    waited[key] += 1
                    time.sleep(0.01)
                    continue
                break
            sweep()

    at_once(send)

    assert models.Order.objects.count() == len(KEYS)
    assert all(len(given) == 1 for given in answers.values()), answers
    states = Counter(models.Order.objects.values_list("state", flat=True))
    assert states == {OrderState.CONFIRMED: 3, OrderState.REJECTED: 2}
    assert waited, "nobody was ever in the way of another"
    shop_on_postgres()


def test_concurrent_cancellations_give_back_once(shop_on_postgres: Callable[[], None]):
    ordering = OrderingService()
    with use(Context(user=User("cleo", ("customer",)))):
        order = ordering.place("k", [Line("DESK", 3)], "DE")
    states: list[OrderState] = []

    at_once(lambda _: states.append(ordering.cancel(order.id).state))

    assert states == [OrderState.CANCELLED] * THREADS
    shop_on_postgres()
