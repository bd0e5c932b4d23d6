"""How rows become rows of the other side, and which declarations are refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.transfer.mapping import (
    KeyMap,
    Row,
    Rows,
    TableMap,
    Target,
    Unmappable,
    by_table,
    key_map,
)


def minor_units(row: Row) -> int:
    minor = row["amount"] * 100
    if minor != int(minor):
        raise ValueError(f"{row['amount']} is no whole number of cents")
    return int(minor)


def amount(rows: Rows) -> Decimal:
    return Decimal(rows["price"]["minor"]) / 100


def searched(row: Row) -> list[str]:
    return [word.lower() for word in row["name"].split()]


PRODUCT = TableMap(
    "catalog_product",
    Target("product", {"sku": "sku", "title": "name", "words": searched}),
    Target("price", {"sku": "sku", "minor": minor_units, "currency": "currency"}),
    down={"amount": amount},
    kept={"shelf": "unknown"},
)
CUP: dict[str, Any] = {
    "sku": "CUP-1", "name": "A Cup", "amount": Decimal("4.50"), "currency": "EUR", "shelf": "A7",
}  # fmt: skip

products = st.fixed_dictionaries(
    {
        "sku": st.text(min_size=1),
        "name": st.text(),
        "amount": st.decimals(0, 10**9, places=2),
        "currency": st.sampled_from(["EUR", "CHF"]),
        "shelf": st.text(),
    }
)


def test_one_row_becomes_one_in_each_target():
    assert PRODUCT.up(CUP) == {
        "product": {"sku": "CUP-1", "title": "A Cup", "words": ["a", "cup"]},
        "price": {"sku": "CUP-1", "minor": 450, "currency": "EUR"},
    }


@given(products)
def test_what_is_mapped_comes_back_as_it_was_and_what_is_kept_does_not_travel(row: dict[str, Any]):
    back = PRODUCT.back(PRODUCT.up(row))

    assert back == {column: value for column, value in row.items() if column != "shelf"}
    assert back.keys() == PRODUCT.mapped()
    assert PRODUCT.mapped().isdisjoint(PRODUCT.kept)


@given(products)
def test_what_was_born_in_the_service_stays_what_it_is(row: dict[str, Any]):
    born = PRODUCT.up(row)

    assert PRODUCT.up(PRODUCT.back(born)) == born


def test_a_column_that_is_copied_and_has_a_way_down_comes_from_the_way_down():
    shout = TableMap(
        "a", Target("b", {"id": "id", "said": "said"}), down={"said": lambda rows: "computed"}
    )

    assert shout.back({"b": {"id": 1, "said": "copied"}}) == {"id": 1, "said": "computed"}


def test_values_are_carried_as_they_are():
    carried = TableMap("a", Target("b", {"id": "id", "what": "what"}))

    values: tuple[Any, ...] = (None, 0, "", b"\0", Decimal("1.10"), [1, None], {"a": []})
    for value in values:
        row = {"id": 1, "what": value}
        assert carried.up(row) == {"b": row}
        assert carried.back({"b": row}) == row


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"amount": Decimal("0.005")}, "price.minor: 0.005 is no whole number of cents"),
        ({"name": None}, "product.words: 'NoneType' object has no attribute 'split'"),
    ],
)
def test_a_row_that_can_not_go_up_says_which_column_and_why(changed: Row, said: str):
    with pytest.raises(Unmappable) as refused:
        PRODUCT.up({**CUP, **changed})

    assert str(refused.value) == said
    assert refused.value.__cause__ is not None


def test_an_error_without_words_is_named():
    def silent(_: Row) -> int:
        raise ZeroDivisionError

    with pytest.raises(Unmappable, match=r"^b\.x: ZeroDivisionError$"):
        TableMap("a", Target("b", {"id": "id", "x": silent})).up({"id": 1})


def test_a_row_that_can_not_come_back_names_the_monoliths_column():
    rows = {**PRODUCT.up(CUP), "price": {"sku": "CUP-1", "minor": "many", "currency": "EUR"}}

    with pytest.raises(Unmappable, match=r"^catalog_product\.amount: "):
        PRODUCT.back(rows)


@pytest.mark.parametrize("gone", ["product", "price"])
def test_half_of_a_row_does_not_come_back(gone: str):
    rows = {table: row for table, row in PRODUCT.up(CUP).items() if table != gone}

    with pytest.raises(Unmappable, match=f"^{gone}: it has no row of this key$"):
        PRODUCT.back(rows)


def test_a_target_says_what_it_copies():
    assert PRODUCT.targets[1].copied == {"sku": "sku", "currency": "currency"}


@given(st.permutations(["tenant", "sku", "size"]))
def test_a_key_is_found_again_in_whatever_order(order: list[str]):
    source = ("tenant", "sku", "size")
    target = Target("product", {f"their_{name}": name for name in source})
    keys = key_map(target, source, [f"their_{name}" for name in order])
    values = dict(zip(source, (7, "CUP-1", None), strict=True))

    assert keys.up((7, "CUP-1", None)) == tuple(values[name] for name in order)
    assert keys.down(keys.up((7, "CUP-1", None))) == (7, "CUP-1", None)


def test_a_key_of_one_column_is_itself():
    keys = key_map(PRODUCT.targets[0], ["sku"], ["sku"])

    assert keys == KeyMap((0,), (0,))
    assert keys.up(("CUP-1",)) == ("CUP-1",)


@pytest.mark.parametrize(
    ("columns", "source", "target", "made"),
    [
        ({"id": "sku"}, ["id"], ["id"], "sku"),
        ({"id": "id", "n": "n"}, ["id"], ["id", "n"], "id, n"),
        ({"id": "id"}, ["id", "n"], ["id"], "id"),
        ({"id": len}, ["id"], ["id"], "None"),
        ({"n": "id"}, ["id"], ["id"], "None"),
        ({"a": "id", "b": "id"}, ["id"], ["a", "b"], "id, id"),
        ({"id": "id"}, ["id"], [], ""),
    ],
    ids=["another", "wider", "narrower", "computed", "missing", "twice", "none"],
)
def test_a_key_that_is_not_copied_one_for_one_is_refused(
    columns: dict[str, Any], source: list[str], target: list[str], made: str
):
    with pytest.raises(ValueError, match="has to be copied from the source's") as refused:
        key_map(Target("product", columns), source, target)

    assert str(refused.value).startswith(f"product: its primary key ({', '.join(target)})")
    assert str(refused.value).endswith(f"is made of ({made})")


def test_tables_of_either_side_lead_to_their_map():
    category = TableMap("catalog_category", Target("category", {"id": "id"}))

    assert by_table([PRODUCT, category]) == {
        "catalog_product": PRODUCT, "product": PRODUCT, "price": PRODUCT,
        "catalog_category": category, "category": category,
    }  # fmt: skip


@pytest.mark.parametrize(
    "second",
    [
        TableMap("catalog_product", Target("other", {"id": "id"})),
        TableMap("other", Target("price", {"id": "id"})),
        TableMap("same", Target("same", {"id": "id"})),
        TableMap("other", Target("twice", {"id": "id"}), Target("twice", {"id": "id"})),
    ],
    ids=["source", "target", "both", "twice"],
)
def test_a_table_belongs_to_one_map(second: TableMap):
    with pytest.raises(ValueError, match="is in two maps: each table belongs to one"):
        by_table([PRODUCT, second])


def test_a_declaration_is_not_changed_by_who_made_it():
    down = {"amount": amount}
    one = TableMap("a", Target("b", {"id": "id"}), down=down)
    down.clear()

    assert one.mapped() == {"id", "amount"}
    assert (one.kept, TableMap("a").targets) == ({}, ())
