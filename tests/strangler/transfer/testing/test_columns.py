"""What columns hold, as Django's models and SQLAlchemy's tables say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from django.apps import AppConfig
from django.apps.registry import Apps
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator

from strangler.django.transfer import testing as of_django
from strangler.django.transfer.testing import model_tables
from strangler.sqlalchemy.testing import metadata_tables
from strangler.transfer.testing.columns import Table, decimals

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ONE = UUID(int=1)
NAIVE = NOW.replace(tzinfo=None)


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
    sa.Column("q", sa.ARRAY(Words, dimensions=2), nullable=False),
    sa.Column("r", sa.Numeric(5), nullable=False),
    sa.Column("s", sa.Numeric, nullable=False),
    sa.Column("t", sa.DateTime, nullable=False),
    sa.Column("u", sa.Integer, sa.Computed("d * 2")),
)  # fmt: skip
COLUMNS = metadata_tables(ALL.metadata)["all"]
FITS = {
    "a": (2**63 - 1, 2**63), "b": (True, 1), "c": (-(2**15), 2**15), "d": (1, True),
    "e": (0.5, 1), "f": (Decimal("9999.99"), Decimal("0.001")), "g": ("red", "blue"),
    "h": ("x" * 12, "x" * 13), "i": ("x" * 9999, 1), "j": (ONE, "1"),
    "k": (NOW, NAIVE), "l": (NOW.date(), NOW), "m": (NOW.time(), NOW), "n": ({"a": [1]}, NOW),
    "o": (b"", ""), "p": ([1], [2**15]), "q": ([["x"]], ["x"]),
    "r": (Decimal(99999), Decimal("0.5")),
    "s": (Decimal("0.123"), 1), "t": (NAIVE, NOW),
}  # fmt: skip


@given(st.data())
@settings(suppress_health_check=list(HealthCheck))
def test_any_value_of_a_column_fits_into_it(data: st.DataObject):
    for name, column in COLUMNS.items():
        value = data.draw(column.holds.values)
        assert value is not None
        assert column.holds.takes(value), name


@pytest.mark.parametrize(("name", "given"), FITS.items(), ids=FITS)
def test_what_fits_and_what_does_not(name: str, given: tuple[Any, Any]):
    fits, other = given
    takes = COLUMNS[name].holds.takes
    assert takes(fits)
    assert not takes(other), COLUMNS[name].holds.said


def test_a_service_s_columns():
    assert COLUMNS.keys() == FITS.keys(), "what the database computes is left out"
    assert [name for name, column in COLUMNS.items() if column.key] == ["a"]
    assert [name for name, column in COLUMNS.items() if column.null] == ["i"]


@pytest.mark.parametrize("kind", [sa.Interval(), postgresql.INET(), sa.ARRAY(sa.Interval())])
def test_a_service_s_column_of_which_nobody_knows_what_it_holds(kind: Any):
    other = sa.MetaData()
    sa.Table("odd", other, sa.Column("it", kind))
    with pytest.raises(TypeError, match=r"hold\? Say it: values=\{'odd\.it': a strategy\}"):
        metadata_tables(other)
    values = st.timedeltas()
    assert metadata_tables(other, {"odd.it": values})["odd"]["it"].holds.values is values


def test_what_a_column_holds_may_be_less_than_its_type_says():
    few = st.sampled_from(["a", "b"])
    column = metadata_tables(ALL.metadata, {"all.h": few})["all"]["h"]
    assert column.holds.values is few
    assert not column.holds.takes("x" * 13)


@pytest.mark.parametrize("name", ["all.z", "none.a", "a"])
def test_a_column_that_is_not_there(name: str):
    with pytest.raises(ValueError, match=f"values: there is no column {name}"):
        metadata_tables(ALL.metadata, {name: st.none()})
    with pytest.raises(ValueError, match=f"values: there is no column {name}"):
        model_tables("catalog", {name: st.none()})


REGISTRY = Apps()


class Owner(models.Model):
    code = models.CharField(max_length=5, unique=True)

    class Meta:
        app_label = "tests"
        apps = REGISTRY

    def __str__(self) -> str:
        return self.code


class Thing(models.Model):
    owner = models.ForeignKey(Owner, models.CASCADE, to_field="code", db_column="whose")
    twin = models.OneToOneField("self", models.CASCADE, null=True)
    count = models.PositiveSmallIntegerField()
    title = models.TextField(max_length=5)
    mail = models.EmailField(max_length=9)
    file = models.FileField(max_length=7)
    moment = models.TimeField()
    day = models.DateField()
    at = models.DateTimeField()
    weight = models.FloatField()
    price = models.DecimalField(max_digits=5, decimal_places=2)
    photo = models.BinaryField()
    lender = models.UUIDField()
    more = models.JSONField()
    there = models.BooleanField()
    words = ArrayField(models.CharField(max_length=3))
    lower = models.GeneratedField(
        expression=Lower("mail"), output_field=models.CharField(max_length=9), db_persist=True
    )

    class Meta:
        app_label = "tests"
        apps = REGISTRY

    def __str__(self) -> str:
        return self.title


class Part(models.Model):
    pk = models.CompositePrimaryKey("thing", "number")
    thing = models.IntegerField()
    number = models.IntegerField()

    class Meta:
        app_label = "tests"
        apps = REGISTRY

    def __str__(self) -> str:
        return f"{self.thing}.{self.number}"


class Odd(models.Model):
    span = models.DurationField()

    class Meta:
        app_label = "tests"
        apps = REGISTRY

    def __str__(self) -> str:
        return str(self.span)


class Reader(AppConfig):
    name = label = "reader"
    path = "."
    read: tuple[type[models.Model], ...] = (Owner, Thing, Part)

    def get_models(self, *_: Any, **__: Any) -> Iterator[type[models.Model]]:
        yield from self.read


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Reader:
    made = Reader("reader", None)
    monkeypatch.setattr(of_django, "apps", type("", (), {"get_app_config": lambda *_: made}))
    return made


def takes(table: Table, **values: Any) -> dict[str, bool]:
    return {name: table[name].holds.takes(value) for name, value in values.items()}


def test_a_monolith_s_columns(reader: Reader):
    tables = model_tables("reader")
    thing, part = tables["tests_thing"], tables["tests_part"]
    good = {
        "id": 1, "whose": "abcde", "twin_id": 1, "count": 0, "title": "longer", "mail": "x" * 9,
        "file": "x" * 7, "moment": NOW.time(), "day": NOW.date(), "at": NOW, "weight": 0.5,
        "price": Decimal("999.99"), "photo": b"", "lender": ONE,
        "more": [1], "there": True, "words": ["abc"],
    }  # fmt: skip
    assert thing.keys() == good.keys(), "what the database computes is left out"
    assert all(takes(thing, **good).values()), takes(thing, **good)
    bad = {
        "whose": "abcdef", "count": -1, "mail": "x" * 10, "file": "x" * 8, "day": NOW,
        "at": NAIVE, "weight": 1, "price": Decimal(1000), "photo": "",
        "there": 1, "words": ["abcd"], "id": "1",
        "lender": "1", "moment": NOW,
    }  # fmt: skip
    assert not any(takes(thing, **bad).values()), takes(thing, **bad)
    assert [name for name, column in thing.items() if column.key] == ["id"]
    assert [name for name, column in thing.items() if column.null] == ["twin_id"]
    assert [name for name, column in part.items() if column.key] == ["thing", "number"]


def test_without_time_zones(reader: Reader, settings: Any):
    settings.USE_TZ = False
    at = model_tables("reader")["tests_thing"]["at"]
    assert at.holds.takes(NAIVE)


def test_a_field_of_which_nobody_knows_what_it_holds(reader: Reader):
    reader.read = (Odd,)
    with pytest.raises(TypeError, match=r"DurationField hold\? Say it: values=\{'tests_odd\.span'"):
        model_tables("reader")
    values = st.timedeltas()
    found = model_tables("reader", {"tests_odd.span": values})["tests_odd"]["span"]
    assert found.holds.values is values


def test_an_app_that_is_not_there():
    with pytest.raises(LookupError, match="nothing"):
        model_tables("nothing")


def test_a_decimal_of_any_size():
    assert decimals(None, None).takes(Decimal("1e30"))
    assert not decimals(None, None).takes(1)
