"""Catalog changes owner and comes back while it speaks: what is heard of each product is in order.

What ordering has learnt is written down by a trigger on its copy, in the order in which it did.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from demo.processes import run
from strangler.ladder import Stage
from tests.chaos.events.books import SEEN, versions
from tests.chaos.events.shop import behind, idle, open_shop, sellable
from tests.e2e.transfer.hand import Said
from tests.e2e.transfer.street import BECAUSE, Street

pytestmark = pytest.mark.long
LIVE = ("advance", "catalog", "--to", "live", *BECAUSE)
BACK = ("rollback", "catalog", "--to", "canary", "--percent", "50")
OUTBOX = "SELECT count(*) FROM strangler_outbox WHERE capability = 'catalog'"


def run_sql(street: Street, *statements: str) -> None:
    path = street.databases.env()["DATABASE_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def reprice(street: Street, skus: list[str], cents: int) -> None:
    """Each of them costs something else, and this is said."""
    with street.client(street.staff) as client:
        for sku in skus:
            price = {"amount": f"{cents / 100:.2f}", "currency": "EUR"}
            path = f"/api/catalog/products/{sku}/price"
            client.put(path, json=price).raise_for_status()


def told(street: Street, side: str) -> int:
    """How many events of catalog's this side has still to publish."""
    return int(street.rows(side, OUTBOX)[0][0])


def insist(street: Street, move: tuple[str, ...]) -> None:
    until = time.monotonic() + 120
    said: Said | None = None
    while said is None or said.code:
        assert time.monotonic() < until, said
        said = street.hand.strangler(*move)
        time.sleep(0.2)


def climb(street: Street) -> None:
    for stage in (Stage.REPLICATING, Stage.SHADOW, Stage.CANARY):
        share = ("--percent", "50") if stage is Stage.CANARY else ()
        trusted = () if stage is Stage.REPLICATING else BECAUSE
        insist(street, ("advance", "catalog", "--to", str(stage), *share, *trusted))
        if stage is Stage.REPLICATING:
            street.until(lambda: _filled(street), patience=90)


def _filled(street: Street) -> bool:
    seen = street.hand.strangler("transfer", "status", "catalog").answer["capabilities"][0]
    return bool(seen["backfilled"] and seen["report"] and not seen["report"]["pending"])


def test_switches_of_who_speaks(tmp_path: Path) -> None:
    with open_shop(tmp_path / "shop", customers=1) as street:
        shop, relay = street.shop, behind(street, "relay")
        run(["-m", "extracted.catalog", "migrate"], env=shop.env, log=shop.log / "prepare.log")
        service = shop.services["catalog"]
        try:
            service.start()
            relay.kill()
            relay.start()  # it knows of both databases now
            run_sql(street, *SEEN)
            skus = sellable(street)[:8]
            reprice(street, skus, 1000)
            climb(street)
            for number, (old, new, move) in enumerate(
                [("monolith", "catalog", LIVE), ("catalog", "monolith", BACK)]
            ):
                street.until(lambda old=old: told(street, old) == 0, patience=90)  # type: ignore[misc]
                relay.kill()
                for cents in (1100, 1200, 1300):
                    reprice(street, skus, cents + number)
                assert told(street, old) == 3 * len(skus)
                said = street.hand.strangler(*move)
                assert said.code != 0, "the old owner has not been heard out"
                assert told(street, old) == 3 * len(skus)
                relay.start()
                insist(street, move)
                assert told(street, old) == 0
                reprice(street, skus, 1400 + number)
                street.until(
                    lambda new=new: told(street, new) == 0,  # type: ignore[misc]
                    patience=60,
                )
            street.until(lambda: idle(street), patience=60)
            _check(street, skus)
        finally:
            service.stop()


def _check(street: Street, skus: list[str]) -> None:
    seen = street.rows("monolith", "SELECT sku, version FROM seen ORDER BY number")
    assert versions(seen, skus, 9) == []
