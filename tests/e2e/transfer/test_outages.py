"""What clients see, and what may be done, while a part of it all is gone; on PostgreSQL."""

from __future__ import annotations

import os
import re
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx
import psycopg
import pytest
from psycopg import sql

from strangler.ladder import Stage
from tests.chaos.servers import Durable
from tests.e2e.transfer.street import BECAUSE, Street

pytestmark = pytest.mark.postgres
STOCK = "/api/inventory/availability?sku="
MOVEMENTS = "/api/inventory/movements"


def deliver(client: httpx.Client, street: Street) -> tuple[str, str, httpx.Response]:
    """A delivery: its SKU, its note, and what was answered."""
    sku, (warehouse, _) = min(street.stocks.items())
    note = uuid.uuid4().hex
    delivery = {"sku": sku, "warehouse": warehouse, "delta": 1, "reason": "received", "note": note}
    return sku, note, client.post(MOVEMENTS, json=delivery)


def notes(client: httpx.Client, sku: str) -> tuple[str, set[str]]:
    """Which arm has answered, and the notes of the SKU's movements."""
    answer = client.get(f"{MOVEMENTS}?sku={sku}").raise_for_status()
    return answer.headers["X-Strangler-Arm"], {one["note"] for one in answer.json()["results"]}


@contextmanager
def stopped(street: Street) -> Iterator[None]:
    """The mover is stopped, as if its machine were."""
    assert street.mover._process is not None
    group = street.mover._process.pid
    os.killpg(group, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(group, signal.SIGCONT)


@contextmanager
def away(server: Durable, name: str) -> Iterator[None]:
    """A database that nobody gets at."""

    def allow(allowed: str) -> None:
        with psycopg.connect(server.url(), autocommit=True) as admin:
            named = sql.Identifier(name), sql.SQL(allowed)
            admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(*named))
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )

    allow("false")
    try:
        yield
    finally:
        allow("true")


def test_who_has_written_reads_it_however_far_behind_the_service_is(
    postgres_street: Street,
) -> None:
    street = postgres_street
    street.stand(Stage.CANARY)
    street.carried()
    with stopped(street), street.client(street.staff) as writer:
        sku, note, answer = deliver(writer, street)
        assert answer.status_code == 201
        for _ in range(3):
            assert notes(writer, sku) == ("monolith", notes(writer, sku)[1])
            assert note in notes(writer, sku)[1]
        # Others may see what was before: half of those who keep cookies are the service's.
        for _ in range(40):
            with street.client(street.staff) as other:
                notes(other, sku)
                arm, seen = notes(other, sku)
                if arm == "service":
                    assert note not in seen
                    break
        else:
            pytest.fail("nobody was the service's")
        with street.client(street.staff) as nobody:  # who keeps no cookies stays with the owner
            arm, seen = notes(nobody, sku)
            assert (arm, note in seen) == ("monolith", True)
    street.carried()
    with street.client(street.staff) as reader:
        street.until(lambda: note in notes(reader, sku)[1])
    assert street.differing() == []


def test_a_dead_service_is_stood_in_for_while_the_rows_are_fresh(postgres_street: Street) -> None:
    street = postgres_street
    street.stand(Stage.LIVE)
    street.in_step()
    sku = min(street.stocks)
    with street.client(street.staff) as client:
        assert client.get(STOCK + sku).headers["X-Strangler-Arm"] == "service"
        street.service.kill()
        answer = client.get(STOCK + sku)
        assert answer.status_code == 200
        assert answer.headers["X-Strangler-Reason"] == "fallback"
        _, note, answer = deliver(client, street)
        assert (answer.status_code, answer.headers["X-Strangler-Executed"]) == (503, "no")
        street.mover.kill()
        _silent_for_an_hour(street)
        street.until(lambda: client.get(STOCK + sku).status_code == 503)
        street.mover.start()
        street.until(lambda: client.get(STOCK + sku).status_code == 200)
        street.service.start()
        street.until(lambda: client.get(STOCK + sku).headers["X-Strangler-Arm"] == "service")
        assert note not in notes(client, sku)[1]


def _silent_for_an_hour(street: Street) -> None:
    """Nobody says any more how fresh the rows are."""
    with psycopg.connect(street.shop.env["DATABASE_URL"]) as books:
        books.execute("UPDATE strangler_transfer SET reported = reported - interval '1 hour'")


def test_back_without_the_service_s_database(postgres_street: Street, server: Durable) -> None:
    street = postgres_street
    street.stand(Stage.LIVE)
    street.in_step()
    with street.client(street.staff) as client:
        sku, first, answer = deliver(client, street)
        assert answer.status_code == 201
        street.carried()
        street.mover.kill()
        _, lost, answer = deliver(client, street)
        assert answer.status_code == 201
        with away(server, "inventory"):
            said = street.hand.strangler("rollback", "inventory", "--to", "shadow")
            assert said.code == 1
            assert "keys are at risk" in str(said.answer), said
            assert "0 keys had not come back" in str(said.answer), said
            said = street.hand.strangler("rollback", "inventory", "--accept-loss")
            assert said.code != 0
            assert street.stage() is Stage.LIVE
            street.down("--to", "shadow", "--accept-loss", "--reason", "its disk is gone")
            _, second, answer = deliver(client, street)
            assert answer.status_code == 201
            assert answer.headers["X-Strangler-Arm"] == "monolith"
        street.mover.start()
        street.filled()
        # It is back, and fenced: whoever still writes there is denied.
        url = street.shop.env["INVENTORY_DATABASE_URL"]
        with psycopg.connect(url) as shop, pytest.raises(psycopg.Error, match="fence"):
            shop.execute("UPDATE stock SET on_hand = on_hand + 1")
        seen = notes(client, sku)[1]
        assert {first, second} <= seen
        assert lost not in seen
    books = street.rows("monolith", "SELECT note FROM inventory_movement")
    assert [note for (note,) in books].count(first) == 1
    assert [note for (note,) in books].count(second) == 1
    street.carried()
    assert street.differing() == []


def test_off_the_ladder_without_the_service_s_database(
    postgres_street: Street, server: Durable
) -> None:
    """What has not come back is counted, whoever stands in its way; and recorded, once lost."""
    street = postgres_street
    street.stand(Stage.LIVE)
    street.in_step()
    street.mover.kill()
    with street.client(street.staff) as client, _held_up(server) as lock:
        _, lost, answer = deliver(client, street)
        assert answer.status_code == 201
        held = lock()
        assert held >= 2  # the movement, and its stock
        street.mover.start()
        street.until(lambda: (street.seen()["report"] or {"pending": 0})["pending"] >= held)
        with away(server, "inventory"):
            said = street.hand.strangler("rollback", "inventory", "--to", "monolith")
            assert said.code == 1
            counted = re.search(r"keys are at risk: (\d+) keys had not come back", str(said.answer))
            assert counted is not None, said
            assert int(counted[1]) >= held
            assert street.stage() is Stage.LIVE
            said = street.hand.strangler("rollback", "inventory", "--to", "monolith", *LOSE)
            assert said.code != 0, "nobody has said why"
            assert street.stage() is Stage.LIVE
            street.down("--to", "monolith", *LOSE, "--reason", "its disk is gone")
            assert street.stage() is Stage.MONOLITH
            _, kept, answer = deliver(client, street)
            assert (answer.status_code, answer.headers["X-Strangler-Arm"]) == (201, "monolith")
    query = "SELECT forced, reason, evidence FROM strangler_change ORDER BY revision DESC LIMIT 1"
    ((forced, reason, evidence),) = street.rows("monolith", query)
    assert (forced, reason) == (True, "its disk is gone")
    assert f"{counted[1]} keys had not come back" in str(evidence)
    street.stand(Stage.REPLICATING)
    street.carried()
    assert street.differing() == []
    written = {note for (note,) in street.rows("inventory", "SELECT note FROM movement")}
    assert kept in written
    assert lost not in written


LOSE = ("--accept-loss",)


@contextmanager
def _held_up(server: Durable) -> Iterator[Callable[[], int]]:
    """Gives what claims every dirty key of the service's journal, as a mover that hangs does."""
    with psycopg.connect(server.url("inventory")) as other:

        def lock() -> int:
            return len(other.execute("SELECT 1 FROM strangler_journal FOR UPDATE").fetchall())

        yield lock
        with suppress(psycopg.Error):  # its connection is gone by then
            other.rollback()


def test_retired(postgres_street: Street) -> None:
    street = postgres_street
    street.stand(Stage.LIVE)
    street.in_step()
    street.hand.insist("advance", "inventory", "--to", "retired", *BECAUSE)
    there = "SELECT tablename FROM pg_tables WHERE tablename LIKE '%%inventory_stock'"
    assert list(street.rows("monolith", there)) == [("retired_inventory_stock",)]
    with street.client(street.staff) as client:
        sku, note, answer = deliver(client, street)
        assert (answer.status_code, answer.headers["X-Strangler-Arm"]) == (201, "service")
        assert notes(client, sku) == ("service", {note} | notes(client, sku)[1])
    wanted = {"lines": [{"sku": sku, "quantity": 1}], "country": "DE", "coupon": None}
    with street.client(street.customers[0]) as client:
        headers = {"Idempotency-Key": note}
        answers: list[httpx.Response] = []

        def placed() -> bool:
            # Now and then whoever takes the money is away for longer than a client waits.
            answers.append(client.post("/api/ordering/orders", json=wanted, headers=headers))
            return "StillPlacing" not in answers[-1].text

        street.until(placed, patience=90)
        assert answers[-1].status_code in {200, 201}, answers[-1].text
    said = street.hand.strangler("rollback", "inventory")
    assert said.code == 1, said
    assert street.stage() is Stage.RETIRED
