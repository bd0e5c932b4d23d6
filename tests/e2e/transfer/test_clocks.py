"""A service whose server's clock is wrong by an hour: the whole climb, a switch there, one back."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from demo import databases
from demo.databases import Databases
from strangler.ladder import Stage
from tests.chaos.servers import Durable
from tests.e2e.transfer.crowd import Crowd, Ended, check
from tests.e2e.transfer.skewed import Skewed
from tests.e2e.transfer.street import BECAUSE, Street, opened
from tests.servers import running

pytestmark = pytest.mark.postgres
LIVE = ("advance", "inventory", "--to", "live", *BECAUSE)
BACK = ("rollback", "inventory", "--to", "canary", "--percent", "50")


def clock(url: str) -> float:
    """By how many seconds a server's clock is ahead of ours."""
    with psycopg.connect(url) as there:
        row = there.execute("SELECT extract(epoch FROM clock_timestamp())::float").fetchone()
    assert row is not None
    return float(row[0]) - time.time()


@pytest.fixture(params=[3600, -3600], ids=["ahead", "behind"])
def street(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Street]:
    """A shop whose monolith has one server, and whose services have another, with this clock."""
    with running(Durable()) as one, running(Skewed(request.param)) as other:
        here, there = databases._on(one), databases._on(other)
        ours = {"monolith": here._urls["monolith"]}, {"monolith": here._mover["monolith"]}
        both = Databases({**there._urls, **ours[0]}, {**there._mover, **ours[1]})
        assert abs(clock(there._urls["inventory"]) - request.param) < 5
        assert abs(clock(here._urls["monolith"])) < 5
        with opened(both, tmp_path) as made:
            yield made


def test_nobody_s_clock_is_believed(street: Street) -> None:
    street.climb(Stage.CANARY)  # the gate to replicating, the backfill, leases
    street.in_step()  # lag and beats, by the gate's own measure
    report = street.seen()["report"]
    assert report["lag"] < 1, report
    assert report["oldest"] < 60, report
    assert 0 <= report["age"] < 30, report
    _reads_its_writes(street)
    crowd = Crowd(street, clerks=2, buyers=1)
    with crowd.out() as notes:
        street.in_step()
        street.change(*LIVE)
        time.sleep(0.5)
        # While the crowd writes, something is always on its way.
        street.until(lambda: _fresh(street))  # and so it is on the way back
        street.change(*BACK)
        street.mover.kill()  # whoever comes after it takes its lease
        street.mover.start()
        time.sleep(0.5)
    assert notes.count(Ended.UNKNOWN) == notes.count(Ended.AGAIN) == 0, notes.endings
    assert all(one["freeze"] < 5 for one in street.seen()["switches"])
    street.carried()
    check(street, notes, owner="monolith")
    assert street.differing() == []
    assert street.seen()["wrong"] == []
    _reads_its_writes(street)


def _fresh(street: Street) -> bool:
    report = street.seen()["report"]
    return report["lag"] is not None and report["lag"] < 1 and report["oldest"] < 60


def _reads_its_writes(street: Street) -> None:
    """Twenty times, as whoever keeps cookies; and in the end the service has it, too."""
    sku, (warehouse, _) = min(street.stocks.items())
    delivery = {"sku": sku, "warehouse": warehouse, "delta": 1, "reason": "received"}
    for _ in range(20):
        with street.client(street.staff) as client:
            where = f"/api/inventory/movements?sku={sku}"
            client.get(where)
            note = uuid.uuid4().hex
            client.post("/api/inventory/movements", json={**delivery, "note": note})
            seen = client.get(where).raise_for_status().json()["results"]
            assert note in {one["note"] for one in seen}
    street.until(lambda: _served(street, where, note))


def _served(street: Street, where: str, note: str) -> bool:
    with street.client(street.staff) as client:
        client.get(where)
        answer = client.get(where)
        seen = {one["note"] for one in answer.json()["results"]}
        return answer.headers["X-Strangler-Arm"] == "service" and note in seen
