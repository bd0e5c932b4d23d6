"""A verification by hashes finds and names every row that differs; and looks at few others."""

from __future__ import annotations

import os
from contextlib import closing
from typing import Any

import psycopg
import pytest

from strangler.ladder import Arm
from strangler.transfer.mapping import TableMap, Target
from strangler.transfer.pairing import pair
from strangler.transfer.postgres.session import PostgresSession
from strangler.transfer.verify import Kind, Verification
from tests.bench.transfer_shop import SHELVES, dumped, shop, twin
from tests.servers import Postgres

pytestmark = pytest.mark.postgres

ITEMS = 1_000_000 if os.environ.get("STRANGLER_CHAOS") else 50_000
COLUMNS = ("id", "sku", "name", "description", "price", "attributes", "active", "shelf_id",
           "created_at", "updated_at")  # fmt: skip
MAPS = (
    TableMap("shop_shelf", Target("shelf", {"id": "id", "name": "name"})),
    TableMap("shop_item", Target("item", {name: name for name in COLUMNS})),
)


def test_one_changed_one_missing_and_one_extra_row_are_named(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
):
    read = 0
    chunk = PostgresSession.chunk

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal read
        rows = chunk(*args, **kwargs)
        read += len(rows)
        return rows

    with shop(postgres, items=ITEMS, installed=False) as one, twin(postgres) as copy:
        dumped(one.monolith, copy)
        with closing(psycopg.connect(copy, autocommit=True)) as app:
            app.execute("ALTER TABLE shop_item RENAME TO item")
            app.execute("ALTER TABLE shop_shelf RENAME TO shelf")
        both = type(one)(one.monolith, copy)
        both.install()
        with (
            closing(both.side(Arm.MONOLITH).session()) as monolith,
            closing(both.side(Arm.SERVICE).session()) as service,
        ):
            pairing = pair(MAPS, monolith, service)

            def verified() -> list[tuple[str, tuple[object, ...], Kind, tuple[str, ...]]]:
                check = Verification(
                    pairing, monolith=monolith, service=service, owner=Arm.MONOLITH
                )
                for _ in check.chunks():
                    pass
                assert check.rows == ITEMS + SHELVES
                found = check.findings(patience=0)
                return sorted((it.table, it.key, it.kind, it.columns) for it in found)

            monkeypatch.setattr(PostgresSession, "chunk", counted)
            assert verified() == []
            assert read == 0
            with closing(psycopg.connect(copy, autocommit=True)) as app:
                app.execute("SET strangler.mover = 'shop'")  # the fence lets the mover pass
                app.execute("UPDATE item SET price = price + 0.01 WHERE id = %s", [ITEMS // 3])
                app.execute("DELETE FROM item WHERE id = %s", [ITEMS // 2])
                app.execute(
                    "INSERT INTO item SELECT id + %s, sku || 'x', name, description, price,"
                    " attributes, active, shelf_id, created_at, updated_at FROM item WHERE id = 1",
                    [ITEMS],
                )
            assert verified() == [
                ("item", (ITEMS // 3,), Kind.CHANGED, ("price",)),
                ("item", (ITEMS // 2,), Kind.MISSING, ()),
                ("item", (ITEMS + 1,), Kind.EXTRA, ()),
            ]
            assert read < 10_000

            # One that breaks off after the first run, and one that goes on from there.
            first = Verification(pairing, monolith=monolith, service=service, owner=Arm.MONOLITH)
            next(done for done in first.chunks() if done.rows > SHELVES)
            assert first.mark is not None
            rest = Verification(
                pairing,
                monolith=monolith,
                service=service,
                owner=Arm.MONOLITH,
                since=first.mark,
            )
            rows = [done.rows for done in rest.chunks()]
            assert SHELVES < first.mark.rows < rows[0]
            assert rows[-1] == ITEMS + SHELVES
            assert len(rest.findings(patience=0)) == 3
