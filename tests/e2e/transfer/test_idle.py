"""Somebody has a transaction open that holds a table, and does nothing: on PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from strangler.ladder import Stage
from tests.e2e.transfer.crowd import Crowd, Ended, Notes, check
from tests.e2e.transfer.street import BECAUSE, Street

pytestmark = pytest.mark.postgres
LIVE = ("advance", "inventory", "--to", "live", *BECAUSE)
BUDGET = 5.0


@contextmanager
def forgotten(street: Street) -> Iterator[psycopg.Connection]:
    """A shell in which somebody has begun to write, and gone for a coffee."""
    url = street.shop.env["DATABASE_URL"]
    with psycopg.connect(url, application_name="a forgotten shell") as shell:
        shell.execute(
            "INSERT INTO inventory_warehouse (code, name, rank) VALUES ('coffee', 'x', 1)"
        )
        time.sleep(1.1)
        yield shell
        shell.rollback()


def smooth(notes: Notes) -> None:
    """Clients got what they had asked for, and nobody waited for longer than a freeze may last."""
    assert notes.count(Ended.DONE) == sum(map(len, notes.endings.values())), notes.endings
    assert notes.count(Ended.DONE) > 20
    assert notes.slowest[0] < BUDGET, notes.slowest


def test_a_switch_is_refused_and_names_who_holds_the_table(postgres_street: Street) -> None:
    street = postgres_street
    street.stand(Stage.CANARY)
    before = street.seen()
    crowd = Crowd(street, clerks=2, buyers=0)
    with crowd.out() as notes:
        street.in_step()
        with forgotten(street) as shell:
            said = street.hand.strangler(*LIVE)
            assert said.code == 1
            told = str(said.answer) + said.error
            assert f"a forgotten shell (pid {shell.info.backend_pid})" in told
            assert "inventory_warehouse: idle in transaction" in told
            assert said.seconds < 60
            after = street.seen()
            names = ("stage", "owner", "epoch", "switches")
            assert {name: after[name] for name in names} == {name: before[name] for name in names}
            shell.execute("SELECT 1")  # nobody has ended it
        # The mover carries on, and autovacuum may come in again.
        street.in_step()
        assert street.seen()["wrong"] == []
        off = "SELECT count(*) FROM pg_class WHERE 'autovacuum_enabled=false' = ANY(reloptions)"
        assert [tuple(row) for row in street.rows("monolith", off)] == [(0,)]
        street.change(*LIVE)
    smooth(notes)
    street.carried()
    check(street, notes, owner="service")
    assert street.differing() == []


def test_a_switch_waits_for_who_ends_in_time(postgres_street: Street) -> None:
    street = postgres_street
    street.stand(Stage.CANARY)
    crowd = Crowd(street, clerks=2, buyers=0)
    street.carried()  # what a mover has said of the way back is no evidence of the way there
    with crowd.out() as notes:
        with forgotten(street) as shell:
            street.in_step()
            street.hand.begin(*LIVE)
            time.sleep(4)
            owner = "SELECT owner FROM strangler_owner WHERE capability = 'inventory'"
            assert street.rows("monolith", owner)[0][0] == "monolith"
            shell.rollback()
            said = street.hand.end()
        assert said is not None
        assert said.code == 0, said
    smooth(notes)
    assert street.seen()["switches"][0]["freeze"] < BUDGET
    street.carried()
    check(street, notes, owner="service")
    assert street.differing() == []
