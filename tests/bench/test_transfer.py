"""What the transfer bench's figures are made of. Nothing here is timed."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.bench.transfer_backfill import count, moved
from tests.bench.transfer_freeze import Asked, beside
from tests.bench.transfer_shop import ITEMS, SHELVES, dumped, shop, twin
from tests.servers import Postgres


def test_a_freeze_is_held_against_just_as_long_before_it():
    asked = [Asked(8.9, 9.0), Asked(9.0, 0.001), Asked(9.5, 0.003), Asked(10.0, 0.004),
             Asked(10.9, 0.006), Asked(11.0, 9.0)]  # fmt: skip
    (pair,) = beside(asked, [(10.0, 11.0)])
    assert pair == pytest.approx((5.0, 2.0))


def test_a_freeze_in_which_nobody_asked_says_nothing():
    with pytest.raises(RuntimeError, match="nobody asked"):
        beside([Asked(5.0, 0.1)], [(10.0, 11.0)])


@pytest.mark.postgres
def test_all_of_it_is_moved_and_all_of_it_dumped(postgres: Postgres, tmp_path: Path):
    with shop(postgres, items=3000) as one, twin(postgres) as copy:
        said = moved(one, 3000, tmp_path)
        assert said.rate > 0
        assert said.megabytes > 1
        assert (count(one.service, "item"), count(one.service, "shelf")) == (3000, SHELVES)
        dumped(one.monolith, copy)
        assert (count(copy, "shop_item"), count(copy, "shop_shelf")) == (3000, SHELVES)
        with psycopg.connect(one.monolith) as app:
            app.execute(ITEMS, [3001, 3010])
            assert app.execute("SELECT count(*) FROM strangler_journal").fetchone() == (10,)


@pytest.mark.postgres
def test_less_than_all_is_no_measurement(postgres: Postgres, tmp_path: Path):
    with (
        shop(postgres, items=2000) as one,
        pytest.raises(RuntimeError, match="2000 items of 2001 have arrived"),
    ):
        moved(one, 2001, tmp_path)
