"""Values as Django and SQLAlchemy leave them in a SQLite file, and what can't be kept there."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal
from uuid import UUID

import pytest
import sqlalchemy as sa

from strangler.ladder import Arm
from strangler.transfer.database import Change
from strangler.transfer.errors import Unwritable
from strangler.transfer.tables import ColumnKind
from tests.strangler.transfer.sqlite.files import File, Open

NUMBER = "CREATE TABLE number (id integer PRIMARY KEY, value {type})"


def _through(file: File, table: str, column: str, value: object) -> object:
    """What comes back of a value."""
    with file.session.applying(token=0, epoch=1, keys=[]) as writer:
        writer.write(table, Change(("id", column), [(1, value)]))
    return file.session.read(file.session.inspect(table), (column,), [(1,)])[1,][column]


@pytest.mark.parametrize("declared", ["decimal", "NUMERIC(30, 10)"])
@pytest.mark.parametrize(
    "text",
    [
        "0", "19.90", "-0.01", "0.000000000000001", "999999999999999", "99999999999.9999",
        "9223372036854775807", "-9223372036854775808", "1E+3", "123456789012345E-10", "1E-30",
    ],
)  # fmt: skip
def test_decimals_that_are_kept(make: Open, declared: str, text: str):
    file = make(NUMBER.format(type=declared), "number")
    found = _through(file, "number", "value", Decimal(text))
    assert isinstance(found, Decimal)
    assert found == Decimal(text)
    exponent = found.as_tuple().exponent
    assert isinstance(exponent, int)
    assert exponent <= 0


@pytest.mark.parametrize(
    "text",
    ["12345678901234567.5", "0.12345678901234567891", "99999999999999.99", "9223372036854775808",
     "NaN", "Infinity"],
)  # fmt: skip
def test_decimals_that_are_refused_and_never_rounded(make: Open, text: str):
    file = make(NUMBER.format(type="decimal"), "number")
    with pytest.raises(Unwritable) as caught:
        _through(file, "number", "value", Decimal(text))
    assert text in str(caught.value)


@pytest.mark.parametrize("text", ["19.90", "0.10", "5", "-3.1415", "99999999999.9999"])
def test_decimals_that_django_wrote(make: Open, text: str):
    file = make(NUMBER.format(type="decimal"), "number")
    file.app.execute("INSERT INTO number VALUES (1, ?)", (text,))
    table = file.session.inspect("number")
    assert file.session.read(table, ("value",), [(1,)])[1,]["value"] == Decimal(text)


MOMENT = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("arm", "text", "hour"),
    [
        (Arm.MONOLITH, "2026-02-03 04:05:06", "04:05:06"),
        (Arm.SERVICE, "2026-02-03 04:05:06.000000", "04:05:06.000000"),
    ],
)
def test_moments_are_written_in_the_arm_s_own_words(make: Open, arm: Arm, text: str, hour: str):
    file = make("CREATE TABLE log (id integer PRIMARY KEY, at datetime, hour time)", "log", arm=arm)
    assert _through(file, "log", "at", MOMENT) == MOMENT
    assert _through(file, "log", "hour", time(4, 5, 6)) == time(4, 5, 6)
    assert file.app.execute("SELECT at, hour FROM log").fetchone() == (text, hour)


@pytest.mark.parametrize(
    "text",
    ["2026-02-03 04:05:06", "2026-02-03 04:05:06.000000", "2026-02-03T04:05:06Z",
     "2026-02-03 09:35:06+05:30"],
)  # fmt: skip
def test_moments_are_read_in_anybody_s_words(make: Open, text: str):
    file = make("CREATE TABLE log (id integer PRIMARY KEY, at datetime)", "log")
    file.app.execute("INSERT INTO log VALUES (1, ?)", (text,))
    table = file.session.inspect("log")
    assert file.session.read(table, ("at",), [(1,)])[1,]["at"] == MOMENT


def test_what_is_not_what_its_type_says_is_given_as_it_is(make: Open):
    file = make(
        "CREATE TABLE odd (id integer PRIMARY KEY, at datetime, ref char(32), flag bool, day date)",
        "odd",
    )
    row = (1, "soon", "not-a-uuid", 7, "")
    file.app.execute("INSERT INTO odd VALUES (?, ?, ?, ?, ?)", row)
    table = file.session.inspect("odd")
    ((_, found),) = file.session.chunk(table, tuple(table.columns), None, 9)
    assert tuple(found.values()) == row
    with file.session.applying(token=0, epoch=1, keys=[]) as writer:
        writer.write("odd", Change(tuple(found), [tuple(found.values())]))
    assert file.app.execute("SELECT * FROM odd").fetchall() == [row]


@pytest.mark.parametrize(("null", "stored"), [("", None), ("NOT NULL", "null")])
def test_no_json(make: Open, null: str, stored: str | None):
    file = make(
        f'CREATE TABLE doc (id integer PRIMARY KEY, body text {null} CHECK (JSON_VALID("body") '
        'OR "body" IS NULL))',
        "doc",
    )
    assert file.session.inspect("doc").columns["body"].kind is ColumnKind.JSON
    assert _through(file, "doc", "body", None) is None
    assert file.app.execute("SELECT body FROM doc").fetchone() == (stored,)


def test_tables_of_sqlalchemy(make: Open):
    """As SQLAlchemy declares, writes and reads them: the service's own words."""
    metadata = sa.MetaData()
    table = sa.Table(
        "sample", metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("ref", sa.Uuid), sa.Column("price", sa.Numeric(12, 2)),
        sa.Column("at", sa.DateTime(timezone=True)), sa.Column("day", sa.Date),
        sa.Column("hour", sa.Time), sa.Column("flag", sa.Boolean), sa.Column("body", sa.JSON),
        sa.Column("photo", sa.LargeBinary), sa.Column("weight", sa.Float),
        sa.Column("many", sa.BigInteger), sa.Column("name", sa.String(20), unique=True),
    )  # fmt: skip
    ddl = str(sa.schema.CreateTable(table).compile(dialect=sa.create_engine("sqlite://").dialect))
    file = make(ddl, "sample", arm=Arm.SERVICE)
    engine = sa.create_engine(f"sqlite:///{file.path}")
    row = {
        "id": 1, "ref": UUID(int=7), "price": Decimal("19.90"), "at": MOMENT, "day": MOMENT.date(),
        "hour": time(1, 2), "flag": True, "body": {"a": None}, "photo": b"\x00", "weight": 0.1,
        "many": 2**60, "name": "ü",
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(table.insert(), row)
    described = file.session.inspect("sample")
    found = file.session.read(described, tuple(described.columns), [(1,)])[1,]
    assert dict(found) == row
    stored = file.app.execute("SELECT * FROM sample").fetchall()
    with file.session.applying(token=0, epoch=1, keys=[]) as writer:
        writer.write("sample", Change(tuple(found), [], [(1,)]))
        writer.write("sample", Change(tuple(found), [tuple(found.values())]))
    assert file.app.execute("SELECT * FROM sample").fetchall() == stored
    with engine.connect() as connection:
        back = connection.execute(table.select()).one()._mapping
    engine.dispose()
    assert dict(back) == row | {"at": MOMENT.replace(tzinfo=None)}
    assert described.uniques == (("name",),)
