"""The service has been commanded, and dies before its rows have flowed back: on either edge."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from demo import databases
from strangler.ladder import Stage
from strangler.ports.headers import EXECUTED
from tests.e2e.transfer.street import Street, opened
from tests.e2e.transfer.test_outages import MOVEMENTS, STOCK, deliver

KINDS = [
    ("sqlite", "middleware"),
    ("sqlite", "nginx"),
    pytest.param(("postgres", "middleware"), marks=pytest.mark.postgres),
    pytest.param(("postgres", "nginx"), marks=pytest.mark.postgres),
]


@pytest.fixture(scope="module", params=KINDS, ids="-".join)
def street(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Street]:
    kind, edge = request.param
    folder = tmp_path_factory.mktemp(f"{kind}-{edge}")
    with databases.opened(kind, folder) as made, opened(made, folder, edge=edge) as street:
        yield street


@contextmanager
def no_mover(street: Street) -> Iterator[None]:
    """It is dead, and not only stopped: then it might hold a file of SQLite for ever."""
    street.mover.kill()
    try:
        yield
    finally:
        street.mover.start()


def turned_away(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert (answer.headers["Retry-After"], answer.headers[EXECUTED]) == ("1", "no")


def test_who_has_commanded_it_sees_that_or_is_asked_to_come_again(street: Street) -> None:
    street.stand(Stage.LIVE)
    street.carried()
    street.in_step()
    sku = min(street.stocks)
    where = f"{MOVEMENTS}?sku={sku}"
    with (
        street.client(street.staff) as clerk,
        street.client(street.customers[0]) as buyer,
        street.client(street.staff) as other,
        street.client(street.staff) as stranger,
    ):
        for client in (clerk, buyer, other):
            client.get(STOCK + sku).raise_for_status()  # and has a cookie of ours from now on
        before = buyer.get(STOCK + sku).json()[0]["available"]
        with no_mover(street):
            _, note, answer = deliver(clerk, street)
            assert (answer.status_code, answer.headers["X-Strangler-Arm"]) == (201, "service")
            wanted = {"lines": [{"sku": sku, "quantity": 2}], "country": "DE", "coupon": None}
            key = {"Idempotency-Key": uuid.uuid4().hex}
            answer = buyer.post("/api/ordering/orders", json=wanted, headers=key)
            assert answer.status_code == 201, answer.text  # which has reserved stock by a port
            street.service.kill()
            # Whoever has commanded nothing may see what was there before.
            answer = other.get(where)
            assert (answer.status_code, answer.headers["X-Strangler-Reason"]) == (200, "fallback")
            assert note not in {one["note"] for one in answer.json()["results"]}
            turned_away(clerk.get(where))
            turned_away(buyer.get(STOCK + sku))
            turned_away(stranger.get(where))
        seen = come_again(street, clerk, where)
        assert note in {one["note"] for one in seen["results"]}
        assert come_again(street, buyer, STOCK + sku)[0]["available"] == before - 1
        come_again(street, stranger, where)
        for client in (clerk, buyer):  # nobody asks the mover a second time
            assert client.cookies["strangler_pin"] == "-"
        assert {"strangler_pin", "strangler_cohort"} & {*stranger.cookies}
    street.service.start()
    street.carried()
    assert street.differing() == []


def come_again(street: Street, client: httpx.Client, where: str) -> Any:
    """What is answered once the mover goes on; each answer is looked at by whoever calls this."""
    answers: list[httpx.Response] = []

    def answered() -> bool:
        answers.append(client.get(where))
        return answers[-1].status_code != 503

    street.until(answered, patience=90)
    assert answers[-1].headers["X-Strangler-Reason"] == "fallback"
    return answers[-1].json()
