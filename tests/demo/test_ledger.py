"""The reckoning finds whatever is planted in the books, and is content with good ones."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from demo.ledger import FoundOrder, Kept, Ledger, PlacedOrder, Reckoning, reckon
from demo.report import Carried, Climb, Report

SHOWN = PlacedOrder(key="k1", id="o1", customer="ada", total=Decimal("9.99"), units={"A": 2})
KEPT = FoundOrder(id="o1", key="k1", state="confirmed", total=Decimal("9.99"), units={"A": 2})


@pytest.fixture
def ledger() -> Ledger:
    ledger = Ledger()
    ledger.placing("k1")
    ledger.placed(SHOWN)
    ledger.answered("ordering", "monolith", 0.01)
    return ledger


def report(ledger: Ledger, books: list[FoundOrder], spoiled: str | None = None) -> Report:
    return Report.of(
        ledger,
        reckon(ledger, books),
        climbs=[Climb("pricing", ["monolith"], [])],
        seconds=1.0,
        spoiled=spoiled,
    )


def test_good_books_are_clean(ledger: Ledger):
    assert reckon(ledger, [KEPT]) == Reckoning(lost=[], twice=[], differing=[])
    assert report(ledger, [KEPT]).clean


def test_a_missing_order_is_lost(ledger: Ledger):
    found = report(ledger, [])
    assert found.as_json()["lost"] == 1
    assert not found.clean


def test_an_order_that_was_not_kept_up_is_lost(ledger: Ledger):
    assert reckon(ledger, [replace(KEPT, state="rejected")]).lost == ["k1"]


def test_goods_that_were_not_taken_are_lost(ledger: Ledger):
    assert reckon(ledger, [replace(KEPT, units={"A": 1})]).lost == ["k1: 1 of A were not taken"]


def test_two_orders_of_one_key_are_twice(ledger: Ledger):
    found = report(ledger, [KEPT, replace(KEPT, id="o2")])
    assert found.twice == ["k1"]
    assert not found.clean


def test_an_order_that_nobody_was_told_of_is_twice(ledger: Ledger):
    assert reckon(ledger, [KEPT, replace(KEPT, id="o2", key="k2")]).twice == ["k2"]


def test_an_order_without_an_answer_may_be_in_the_books_or_not(ledger: Ledger):
    ledger.placing("k2")
    assert not reckon(ledger, [KEPT]).lost
    assert not reckon(ledger, [KEPT, replace(KEPT, id="o2", key="k2")]).twice


def test_goods_taken_too_often_are_twice(ledger: Ledger):
    assert reckon(ledger, [replace(KEPT, units={"A": 4})]).twice == ["k1: 2 of A too many"]


def test_another_total_is_wrong(ledger: Ledger):
    found = report(ledger, [replace(KEPT, total=Decimal(10))])
    assert found.as_json()["wrong"] == 1
    assert not found.clean


def test_one_key_answered_with_two_orders_is_wrong(ledger: Ledger):
    ledger.placed(replace(SHOWN, id="o2"))
    assert report(ledger, [KEPT]).as_json()["wrong"] == 1


def test_a_failed_request_counts(ledger: Ledger):
    ledger.answered("pricing", "service", 0.01, failure="500")
    found = report(ledger, [KEPT])
    assert found.as_json()["failed"] == 1
    assert found.as_json()["requests_by_arm"] == {"monolith": 1, "service": 1}
    assert not found.clean


def test_a_spoiled_film_is_not_clean(ledger: Ledger):
    assert not report(ledger, [KEPT], spoiled="a gate did not open").clean


def test_without_orders_there_is_nothing_to_judge_by():
    assert not report(Ledger(), []).clean


def test_the_last_price_that_was_acknowledged_counts(ledger: Ledger):
    ledger.repriced("A", Decimal("1.00"))
    ledger.repriced("A", Decimal("2.00"))
    assert not reckon(ledger, [KEPT], Kept(prices={"A": Decimal("2.00")})).lost
    (lost,) = reckon(ledger, [KEPT], Kept(prices={"A": Decimal("1.00")})).lost
    assert "repriced to 2.00" in lost


def test_a_delivery_is_kept_once(ledger: Ledger):
    ledger.took("n1")
    assert reckon(ledger, [KEPT], Kept(received=["n1", "by hand"])).lost == []
    assert reckon(ledger, [KEPT], Kept()).lost == ["delivery n1"]
    assert reckon(ledger, [KEPT], Kept(received=["n1", "n1"])).twice == ["delivery n1"]


def test_a_stock_that_is_no_sum_of_its_movements_is_wrong(ledger: Ledger):
    found = reckon(ledger, [KEPT], Kept(unbalanced=["A: 3 on hand"]))
    assert found.differing == ["A: 3 on hand"]


def test_rows_that_differ_between_both_sides_are_wrong(ledger: Ledger):
    found = Report.of(
        ledger,
        reckon(ledger, [KEPT]),
        climbs=[],
        seconds=1.0,
        spoiled=None,
        transfer=Carried(rows=7, freezes=[("catalog", 0.05)], differing=["missing price A"]),
    )
    assert found.wrong == ["missing price A"]
    assert found.as_json()["transfer"]["freezes"] == [["catalog", 0.05]]
    assert not found.clean
