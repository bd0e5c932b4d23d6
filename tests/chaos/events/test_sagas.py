"""Checkouts, while whoever takes part in them is killed; and across a switch of inventory."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from strangler.ladder import Stage
from tests.chaos.events.books import RESERVED, SAGAS, SOLD, problems, stock
from tests.chaos.events.shop import UNENDED, Buyers, Open, behind, idle, open_shop, sellable
from tests.chaos.servers import Durable
from tests.e2e.transfer.street import BECAUSE, Street

pytestmark = pytest.mark.long
EACH = int(os.environ.get("STRANGLER_ORDERS", "40"))
"""Orders of each customer."""
SEED = int(os.environ.get("STRANGLER_SEED", "1"))


def worker_dies(street: Street, pick: random.Random) -> None:
    """One of gunicorn's, in the midst of what it answers."""
    master = street.shop.monolith._process
    assert master is not None
    children = Path(f"/proc/{master.pid}/task/{master.pid}/children").read_text().split()
    with suppress(ProcessLookupError):
        os.kill(int(pick.choice(children)), signal.SIGKILL)


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_checkouts_whoever_dies(
    kind: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server: Durable | None = None
    if kind == "postgres":
        server = request.getfixturevalue("monolith_server")
    pick = random.Random(SEED)
    others = ["worker", "relay", "payment provider"]
    if server:
        others += ["consumer", "broker"]
    with open_shop(tmp_path / "shop", server, customers=4) as street:
        before = stock(Open(street))
        scarce = min(sellable(street), key=lambda sku: before[sku][0])
        killed = 0
        with Buyers(street, each=EACH, scarce=scarce, seed=SEED) as buyers:
            while buyers.busy:
                time.sleep(pick.uniform(0.2, 1.0))
                name = pick.choice(["web", "web", *others])
                if name == "web":
                    worker_dies(street, pick)
                else:
                    part = behind(street, name)
                    part.kill()
                    time.sleep(pick.uniform(0, 0.5))
                    part.start()
                killed += 1
        street.until(lambda: idle(street), patience=240)
        bought = buyers.bought
        found = problems(Open(street), before, promised=bought.promised)
        states = {state: int(count) for state, count in street.rows("monolith", SAGAS)}
        charged = sum(Open(street).charged().values())
        with capsys.disabled():
            print(
                f"\n{kind}: {killed} killed; {len(bought.placed)} placed, "
                f"{len(bought.cancelled)} of them cancelled, "
                f"refused {dict(bought.refused)}, given up {len(bought.gave_up)}; "
                f"sagas {states}; {charged} charged and kept; {len(found)} problems"
            )
    assert found == []
    assert not bought.gave_up, bought.gave_up[:3]
    assert len(bought.placed) + bought.refused.total() == 4 * EACH
    assert bought.refused["Declined"], "nobody was declined"
    assert bought.cancelled, "nobody has cancelled"
    assert bought.refused["OutOfStock"], "everything was there"
    assert killed >= EACH // 4


class Asking:
    """An order that somebody has sent, whoever answers, and when."""

    def __init__(self, street: Street, sku: str, payment: str) -> None:
        self.key = uuid.uuid4().hex
        self._street = street
        wanted = {"lines": [{"sku": sku, "quantity": 1}], "country": "DE", "coupon": None}
        self._wanted = {**wanted, "payment": payment}
        self.answer: httpx.Response | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        headers = {**self._street.customers[0], "Idempotency-Key": self.key}
        until = time.monotonic() + 90
        with self._street.client(headers) as client:
            while time.monotonic() < until:
                with suppress(httpx.TransportError):
                    self.answer = client.post("/api/ordering/orders", json=self._wanted)
                    if self.answer.status_code < 300 or "OrderRejected" in self.answer.text:
                        return
                time.sleep(0.3)

    def state(self) -> str:
        self._thread.join()
        assert self.answer is not None
        if self.answer.status_code < 300:
            return str(self.answer.json()["state"])
        assert "OrderRejected" in self.answer.text, self.answer.text
        return "rejected"


@contextmanager
def held(street: Street) -> Iterator[None]:
    """Nobody takes money meanwhile: whatever is paid waits."""
    process = behind(street, "payment provider")._process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


def kept(street: Street, side: str) -> int:
    states = [state for _, state in street.rows(side, RESERVED[side])]
    return len([state for state in states if state not in {"committed", "released", "expired"}])


def test_switches_with_a_saga_in_flight(tmp_path: Path) -> None:
    """Reserved here, charged or declined, and committed or released there; and the way back."""
    with open_shop(tmp_path / "shop", customers=1) as street:
        before = stock(Open(street))
        street.stand(Stage.CANARY)
        sku = max(sellable(street), key=lambda one: before[one][0])
        live = ("advance", "inventory", "--to", "live", *BECAUSE)
        back = ("rollback", "inventory", "--to", "canary", "--percent", "50")
        for number, (old, new, move) in enumerate(
            [("monolith", "inventory", live), ("inventory", "monolith", back)], start=1
        ):
            street.in_step() if old == "monolith" else street.carried()
            with held(street):
                card, declined = (
                    Asking(street, sku, payment) for payment in ("card", "sandbox-declined")
                )
                street.until(lambda old=old: kept(street, old) == 2, patience=60)  # type: ignore[misc]
                ((unended,),) = street.rows("monolith", UNENDED)
                assert unended == 2, "both are in flight"
                said = street.change(*move)
                assert said.code == 0, said
                assert kept(street, new) == 2, "what is kept has gone along"
                ((unended,),) = street.rows("monolith", UNENDED)
                assert unended == 2, "they are in flight still"
            assert (card.state(), declined.state()) == ("confirmed", "rejected")
            street.until(lambda: idle(street), patience=120)
            assert kept(street, new) == 0
            sold = [(order, delta) for order, _, delta in street.rows(new, SOLD[new])]
            assert len(sold) == number, sold
            assert problems(Open(street), before, new) == []
        street.carried()
        assert street.differing() == []
