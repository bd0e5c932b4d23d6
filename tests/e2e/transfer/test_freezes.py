"""What a freeze is to those who meet it: a wait, and nothing is done twice or in part."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx

from strangler.ladder import Stage
from tests.e2e.transfer.crowd import Crowd, Ended, check
from tests.e2e.transfer.hand import Hand
from tests.e2e.transfer.street import BECAUSE, Street

LIVE = ("advance", "inventory", "--to", "live", *BECAUSE)


class Later:
    """A request that somebody has sent, whose answer is to come."""

    def __init__(self, ask: Callable[[], httpx.Response]) -> None:
        self._ask = ask
        self._answer: httpx.Response | None = None
        self.seconds = 0.0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        began = time.monotonic()
        self._answer = self._ask()
        self.seconds = time.monotonic() - began

    def answer(self) -> httpx.Response:
        self._thread.join()
        assert self._answer is not None
        return self._answer


def twice(street: Street, code: str, pause: float = 0.0) -> Later:
    """The view that commits twice in one request."""
    path = f"/api/inventory/twice?code={code}&pause={pause}"

    def ask() -> httpx.Response:
        with street.client(street.staff) as client:
            return client.post(path)

    return Later(ask)


def deliver(street: Street, note: str) -> Later:
    sku, (warehouse, _) = next(iter(sorted(street.stocks.items())))
    delivery = {"sku": sku, "warehouse": warehouse, "delta": 1, "reason": "received", "note": note}

    def ask() -> httpx.Response:
        with street.client(street.staff) as client:
            return client.post("/api/inventory/movements", json=delivery)

    return Later(ask)


def order(street: Street, key: str) -> Later:
    sku = sorted(street.stocks)[1]
    wanted = {"lines": [{"sku": sku, "quantity": 1}], "country": "DE", "coupon": None}

    def ask() -> httpx.Response:
        with street.client(street.customers[0]) as client:
            return client.post(
                "/api/ordering/orders", json=wanted, headers={"Idempotency-Key": key}
            )

    return Later(ask)


def test_whoever_is_inside_ends_first_and_whoever_comes_is_carried_once(sqlite: Street) -> None:
    sqlite.stand(Stage.CANARY)
    sqlite.in_step()
    note = uuid.uuid4().hex
    with Hand({**sqlite.hand._env}, sqlite.hand._log) as other:
        other.call("tests.e2e.transfer.jobs:run_timer")  # it has set up Django by now
        inside = twice(sqlite, "in", pause=1.5)
        time.sleep(0.4)
        sqlite.hand.begin(*LIVE)
        _closed(sqlite)
        other.begin_call("tests.e2e.transfer.jobs:run_in_time", "ber", "hurried")
        outside, delivery, bought = twice(sqlite, "out"), deliver(sqlite, note), order(sqlite, note)
        said, job = sqlite.hand.end(), other.end()
    assert said is not None
    assert said.code == 0, said
    assert inside.answer().status_code == 200
    # The service knows no such path: it was asked, and nothing was begun before.
    assert outside.answer().status_code == 404
    assert outside.answer().headers["X-Strangler-Arm"] == "service"
    assert delivery.answer().status_code == 201
    assert bought.answer().status_code == 201
    assert delivery.answer().headers["X-Strangler-Arm"] == "service"
    assert job is not None
    assert job.answer[-1] == "skipped", job
    assert set(job.answer[:-1]) == {"retried"}
    codes = sqlite.rows("inventory", "SELECT code FROM warehouse WHERE code LIKE '%-_'")
    assert sorted(code for (code,) in codes) == ["in-1", "in-2"]
    written = sqlite.rows("inventory", "SELECT note, order_id FROM movement")
    assert [one for one, _ in written].count(note) == 1
    sold = bought.answer().json()["id"]
    assert [str(one or "").replace("-", "") for _, one in written].count(sold.replace("-", "")) == 1
    sqlite.carried()
    assert sqlite.differing() == []


def _closed(street: Street) -> None:
    """Wait until the monolith's door is closed: whoever comes now waits."""
    places = street.shop.settings.folder / "monolith.sqlite3.strangler"
    from strangler.transfer.sqlite.locks import FileLock

    def closed() -> bool:
        gates = sorted(places.glob("inventory.gate.*"), key=lambda path: int(path.suffix[1:]))
        if not gates:
            return False
        with FileLock(gates[-1]) as gate:
            return not gate.try_shared()

    street.until(closed, patience=5)


def test_a_switch_over_its_budget_is_undone_and_says_who_was_inside(sqlite: Street) -> None:
    sqlite.stand(Stage.CANARY)
    epoch = sqlite.seen()["epoch"]
    crowd = Crowd(sqlite, clerks=1, buyers=0)
    with crowd.out() as notes:
        sqlite.in_step()
        inside = twice(sqlite, "slow", pause=4)
        time.sleep(0.3)
        said = sqlite.hand.strangler(*LIVE)
        assert inside.answer().status_code == 200
    assert said.code == 1
    assert "process" in str(said.answer) + said.error, said
    assert (sqlite.stage(), sqlite.seen()["epoch"]) == (Stage.CANARY, epoch)
    # Nobody got anything but an answer, though some waited for it.
    assert notes.count(Ended.DONE) == sum(map(len, notes.endings.values())), notes.endings
    assert 1 < notes.slowest[0] < 4  # the budget is below what callers wait
    sqlite.carried()
    check(sqlite, notes, owner="monolith")


def test_a_dry_run_tells_what_the_freeze_will_be(sqlite: Street) -> None:
    sqlite.stand(Stage.LIVE)
    told = _forecast(sqlite)
    sqlite.stand(Stage.CANARY)
    real = sqlite.seen()["switches"][0]["freeze"]
    assert told["fits"]
    assert abs(told["freeze"] - real) < 1.0, (told, real)


def _forecast(street: Street) -> dict[str, Any]:
    said = street.hand.strangler("transfer", "switch", "inventory", "--dry-run")
    assert said.code == 0, said
    found: dict[str, Any] = said.answer
    return found
