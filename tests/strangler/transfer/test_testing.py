"""What a team's own maps are tested with: each way in which they lose something is found."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from django.apps import AppConfig, apps
from django.db import models
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator

from strangler.django.transfer import testing as of_django
from strangler.django.transfer.testing import model_tables
from strangler.sqlalchemy.testing import metadata_tables
from strangler.transfer.mapping import Row, Rows, TableMap, Target
from strangler.transfer.testing import JSON, Column, Tables, check_maps, texts

NUMBERS = st.integers(0, 10**6)
PARCELS: Tables = {
    "shop_parcel": {
        "id": Column(NUMBERS, key=True),
        "size": Column(texts(8), room=8),
        "note": Column(texts(), null=True),
        "grams": Column(NUMBERS),
        "printed_by": Column(texts(20), room=20),
    }
}
SERVICE: Tables = {
    "parcel": {
        "id": Column(NUMBERS, key=True),
        "size": Column(texts(8), room=8),
        "kilograms": Column(st.integers(0, 10**9).map(lambda grams: Decimal(grams) / 1000)),
    },
    "note": {"parcel": Column(NUMBERS, key=True), "text": Column(texts(), null=True)},
    "strangler_inbox": {"id": Column(NUMBERS, key=True)},
}


def kilograms(row: Row) -> Any:
    return Decimal(row["grams"]) / 1000


def grams(rows: Rows) -> Any:
    return int(rows["parcel"]["kilograms"] * 1000)


PARCEL = Target("parcel", {"id": "id", "size": "size", "kilograms": kilograms})
NOTE = Target("note", {"parcel": "id", "text": "note"})
KEPT = {"printed_by": ""}
MAP = TableMap("shop_parcel", PARCEL, NOTE, down={"grams": grams}, kept=KEPT)


def check(
    one: TableMap = MAP, monolith: Tables = PARCELS, service: Tables = SERVICE, **born: Any
) -> None:
    check_maps([one], monolith=monolith, service=service, **born)


def with_column(tables: Tables, table: str, name: str, **changes: Any) -> Tables:
    there = tables[table].get(name, Column(st.just("x")))
    return {**tables, table: {**tables[table], name: replace(there, **changes)}}


def without(tables: Tables, table: str, name: str) -> Tables:
    return {**tables, table: {one: it for one, it in tables[table].items() if one != name}}


def test_a_map_that_loses_nothing():
    check()


def shortened(row: Row) -> Any:
    return row["size"][:4]


def halved(rows: Rows) -> Any:
    return grams(rows) // 2


def as_bool(row: Row) -> Any:
    return bool(row["grams"]) if row["grams"] < 2 else kilograms(row)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"monolith": {}}, "the monolith: a map names the table shop_parcel, which is not there"),
        (
            {"monolith": {**PARCELS, "shop_label": {}}},
            "the monolith: no map carries the table shop_label",
        ),
        (
            {"service": {**SERVICE, "label": {}}},
            "the service: no map carries the table label",
        ),
        (
            {"service": {"parcel": SERVICE["parcel"]}},
            "the service: a map names the table note, which is not there",
        ),
        (
            {"monolith": with_column(PARCELS, "shop_parcel", "colour")},
            "shop_parcel: no map carries the column colour",
        ),
        (
            {"monolith": without(PARCELS, "shop_parcel", "note")},
            "shop_parcel: a map names the column note, which is not there",
        ),
        (
            {"service": with_column(SERVICE, "parcel", "colour")},
            "parcel: no map carries the column colour",
        ),
        (
            {"service": without(SERVICE, "parcel", "size")},
            "parcel: a map names the column size, which is not there",
        ),
        (
            {"service": with_column(SERVICE, "note", "text", key=True)},
            "note: its primary key (parcel, text) has to be copied from the source's (id)",
        ),
        (
            {"service": with_column(SERVICE, "note", "text", null=False)},
            "note.text can't be null, and shop_parcel.note can: such rows would be parked",
        ),
        (
            {"service": with_column(SERVICE, "parcel", "size", null=True)},
            "parcel.size may be null, and shop_parcel.size can't: such rows could not come back",
        ),
        (
            {"service": with_column(SERVICE, "parcel", "size", room=7)},
            "parcel.size takes 7 characters, and shop_parcel.size 8",
        ),
        (
            {"service": with_column(SERVICE, "note", "text", room=7)},
            "note.text takes 7 characters, and shop_parcel.note any number",
        ),
        (
            {"one": TableMap("shop_parcel", PARCEL, NOTE, down={"grams": halved}, kept=KEPT)},
            "shop_parcel.grams was ",
        ),
        (
            {
                "one": TableMap(
                    "shop_parcel",
                    Target("parcel", {**PARCEL.columns, "size": shortened}),
                    NOTE,
                    down={"grams": grams, "size": lambda rows: rows["parcel"]["size"]},
                    kept=KEPT,
                )
            },
            "shop_parcel.size was ",
        ),
        (
            {
                "one": TableMap(
                    "shop_parcel",
                    Target("parcel", {**PARCEL.columns, "kilograms": as_bool}),
                    NOTE,
                    down={"grams": lambda rows: rows["parcel"]["kilograms"] * 1000 // 1},
                    kept=KEPT,
                )
            },
            "shop_parcel.grams was ",
        ),
        (
            {
                "one": TableMap(
                    "shop_parcel",
                    Target("parcel", {**PARCEL.columns, "kilograms": lambda _: None}),
                    NOTE,
                    down={"grams": lambda _: 0},
                    kept=KEPT,
                )
            },
            "parcel.kilograms can't be null, and is made so",
        ),
        (
            {
                "one": TableMap(
                    "shop_parcel",
                    Target("parcel", {**PARCEL.columns, "size": lambda row: row["size"] + "!"}),
                    NOTE,
                    down={"grams": grams, "size": lambda rows: rows["parcel"]["size"][:-1]},
                    kept=KEPT,
                ),
            },
            "parcel.size takes 8 characters, and gets 9",
        ),
        (
            {"born": {"shop_parcel": st.just({
                "parcel": {"id": 1, "size": "S", "kilograms": Decimal("0.0001")},
                "note": {"parcel": 1, "text": None},
            })}},
            "parcel.kilograms was Decimal('0.0001'), and comes back as Decimal('0')",
        ),
        (
            {"born": {"shop_parcel": st.just({
                "parcel": {"id": 1, "size": "enormous!", "kilograms": Decimal(1)},
                "note": {"parcel": 1, "text": None},
            })}},
            "shop_parcel.size takes 8 characters, and gets 9",
        ),
    ],
)  # fmt: skip
def test_what_is_lost_is_said(given: dict[str, Any], said: str):
    with pytest.raises(AssertionError) as refused:
        check(**given)
    assert said in str(refused.value)


def test_all_that_is_declared_wrongly_is_said_at_once():
    wrong = with_column(with_column(SERVICE, "parcel", "colour"), "parcel", "size", room=1)
    with pytest.raises(AssertionError) as refused:
        check(service=wrong)
    assert len(str(refused.value).splitlines()) == 2


def test_the_order_of_members_of_json_is_kept():
    table = {"id": Column(NUMBERS, key=True), "data": Column(st.just({"b": 1, "a": 2}))}
    turned = TableMap(
        "one",
        Target("other", {"id": "id", "data": lambda row: dict(sorted(row["data"].items()))}),
        down={"data": lambda rows: rows["other"]["data"]},
    )
    with pytest.raises(AssertionError, match=r"one\.data was"):
        check(turned, monolith={"one": table}, service={"other": table})


def test_a_row_without_a_counterpart_is_no_loss():
    def refused(row: Row) -> Any:
        if row["grams"] % 2:
            raise ValueError("odd")
        return kilograms(row)

    target = Target("parcel", {**PARCEL.columns, "kilograms": refused})
    check(TableMap("shop_parcel", target, NOTE, down={"grams": grams}, kept=KEPT))


def test_a_map_that_takes_no_row_at_all_does_not_pass():
    def refused(row: Row) -> Any:
        raise ValueError("never")

    target = Target("parcel", {**PARCEL.columns, "kilograms": refused})
    with pytest.raises(Exception, match=r"(?i)filter|unsatisf"):
        check(TableMap("shop_parcel", target, NOTE, down={"grams": grams}, kept=KEPT))


class Words(TypeDecorator[str]):
    impl = sa.String(12)
    cache_ok = True


ALL = sa.Table(
    "all", sa.MetaData(),
    sa.Column("a", sa.BigInteger, primary_key=True),
    sa.Column("b", sa.Boolean, nullable=False),
    sa.Column("c", sa.SmallInteger, nullable=False),
    sa.Column("d", sa.Integer, nullable=False),
    sa.Column("e", sa.Float, nullable=False),
    sa.Column("f", sa.Numeric(6, 2), nullable=False),
    sa.Column("g", sa.Enum("red", "green"), nullable=False),
    sa.Column("h", Words, nullable=False),
    sa.Column("i", sa.Text),
    sa.Column("j", sa.Uuid, nullable=False),
    sa.Column("k", sa.DateTime(timezone=True), nullable=False),
    sa.Column("l", sa.Date, nullable=False),
    sa.Column("m", sa.Time, nullable=False),
    sa.Column("n", postgresql.JSONB, nullable=False),
    sa.Column("o", sa.LargeBinary, nullable=False),
    sa.Column("p", postgresql.ARRAY(sa.SmallInteger), nullable=False),
)  # fmt: skip
KINDS = {
    "a": "int", "b": "bool", "c": "int", "d": "int", "e": "float", "f": "Decimal", "g": "str",
    "h": "str", "i": "str", "j": "UUID", "k": "datetime", "l": "date", "m": "time", "o": "bytes",
    "p": "list",
}  # fmt: skip


@given(st.data())
def test_a_service_s_columns(data: st.DataObject):
    columns = metadata_tables(ALL.metadata)["all"]
    drawn = {name: data.draw(column.values) for name, column in columns.items()}
    assert {name: type(drawn[name]).__name__ for name in KINDS} == KINDS
    assert drawn["n"] is not None
    assert abs(drawn["c"]) <= 2**15
    assert abs(drawn["f"]) < 10**4
    assert drawn["f"] == round(drawn["f"], 2)
    assert drawn["g"] in {"red", "green"}
    assert drawn["k"].tzinfo is not None
    assert [name for name, column in columns.items() if column.key] == ["a"]
    assert [name for name, column in columns.items() if column.null] == ["i"]
    assert {name: column.room for name, column in columns.items() if column.room} == {
        "g": 5, "h": 12
    }  # fmt: skip


def test_a_service_s_column_of_which_nobody_knows_what_it_holds():
    other = sa.MetaData()
    sa.Table("odd", other, sa.Column("span", sa.Interval))
    with pytest.raises(TypeError, match=r"Interval.*hold\? Say it: values=\{'odd\.span'"):
        metadata_tables(other)
    values = st.timedeltas()
    assert metadata_tables(other, {"odd.span": values})["odd"]["span"].values is values


@given(st.data())
def test_a_monolith_s_columns(data: st.DataObject):
    tables = model_tables("catalog")
    product = tables["catalog_product"]
    drawn = {name: data.draw(column.values) for name, column in product.items()}
    assert isinstance(drawn["category_id"], int)
    assert product["category_id"].key is False
    assert [name for name, column in product.items() if column.key] == ["sku"]
    assert tables["catalog_category"]["parent_id"].null
    assert product["sku"].room == 64
    assert drawn["amount"] == round(drawn["amount"], 4)
    assert drawn["created_at"].tzinfo is not None
    assert isinstance(drawn["active"], bool)


class Fields(models.Model):
    span = models.DurationField()
    moment = models.TimeField()
    day = models.DateField()
    weight = models.FloatField()
    photo = models.BinaryField()
    lender = models.UUIDField()

    class Meta:
        app_label = "tests"
        apps = type(apps)()

    def __str__(self) -> str:
        return "fields"


class Reader(AppConfig):
    name = label = "reader"
    path = "."

    def get_models(self, **_: Any) -> Any:
        return [Fields]


def test_a_field_of_which_nobody_knows_what_it_holds(monkeypatch: pytest.MonkeyPatch):
    reader = Reader("reader", None)
    monkeypatch.setattr(of_django, "apps", type("", (), {"get_app_config": lambda *_: reader}))
    with pytest.raises(
        TypeError, match=r"DurationField hold\? Say it: values=\{'tests_fields\.span': a strategy\}"
    ):
        model_tables("reader")
    values = st.timedeltas()
    found = model_tables("reader", {"tests_fields.span": values})["tests_fields"]
    assert found["span"].values is values
    assert {"id", "moment", "day", "weight", "photo", "lender"} < found.keys()


def test_an_app_that_is_not_there():
    with pytest.raises(LookupError, match="nothing"):
        model_tables("nothing")


@given(JSON)
def test_a_column_of_json_is_never_null_by_itself(value: Any):
    assert value is not None
