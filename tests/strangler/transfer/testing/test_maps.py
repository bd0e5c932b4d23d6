"""Each way in which maps lose something is found, and none that lose nothing is refused."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st

from strangler.transfer.mapping import Row, Rows, TableMap, Target
from strangler.transfer.testing import check_maps
from strangler.transfer.testing.columns import JSON, Column, Held, Tables, bits, decimals, texts

# Nobody reads which row is the smallest of those that fail.
settings.register_profile("brief", settings.get_profile("busy"), phases=[Phase.generate])
ID = Column(bits(32), key=True)
GRAMS = Column(bits(32))
PARCELS: Tables = {
    "shop_parcel": {
        "id": ID,
        "size": Column(texts(8)),
        "note": Column(texts(), null=True),
        "grams": GRAMS,
        "printed_by": Column(texts(20)),
    }
}
SERVICE: Tables = {
    "parcel": {"id": ID, "size": Column(texts(8)), "kilograms": Column(decimals(13, 3))},
    "note": {"parcel": ID, "text": Column(texts(), null=True)},
    "strangler_inbox": {"id": ID},
}
OF_THE_MONOLITH = {
    "kilograms": st.integers(-(2**31), 2**31 - 1).map(lambda grams: Decimal(grams).scaleb(-3))
}


@pytest.fixture(autouse=True)
def brief() -> Iterator[None]:
    settings.load_profile("brief")
    yield
    settings.load_profile("busy")


def kilograms(row: Row) -> Any:
    return Decimal(row["grams"]).scaleb(-3)


def grams(rows: Rows) -> Any:
    return int(rows["parcel"]["kilograms"].scaleb(3))


PARCEL = Target("parcel", {"id": "id", "size": "size", "kilograms": kilograms})
NOTE = Target("note", {"parcel": "id", "text": "note"})


def mapped(*targets: Target, **down: Any) -> TableMap:
    return TableMap(
        "shop_parcel",
        *(targets or (PARCEL, NOTE)),
        down={"grams": grams, **down},
        kept={"printed_by": ""},
    )


def parcel(**columns: Any) -> Target:
    return Target("parcel", {**PARCEL.columns, **columns})


def entity(**parcel: Any) -> Any:
    """What the service makes: always the same."""
    found = {"id": 1, "size": "S", "kilograms": Decimal(1), **parcel}
    return {"shop_parcel": st.just({"parcel": found, "note": {"parcel": 1, "text": None}})}


@st.composite
def written(draw: st.DrawFn) -> Rows:
    """No parcel is heavier than the monolith can say."""
    number, note = draw(st.integers(1, 9)), draw(st.none() | texts(9).values)
    kilograms = draw(OF_THE_MONOLITH["kilograms"])
    return {
        "parcel": {"id": number, "size": "S", "kilograms": kilograms},
        "note": {"parcel": number, "text": note},
    }


def check(
    one: TableMap | None = None,
    monolith: Tables = PARCELS,
    service: Tables = SERVICE,
    **more: Any,
) -> None:
    more = {"born": {"shop_parcel": written()}, **more}
    check_maps([one or mapped()], monolith=monolith, service=service, **more)


def changed(tables: Tables, table: str, name: str, column: Column | None) -> Tables:
    there = {**tables[table], name: column}
    return {**tables, table: {one: it for one, it in there.items() if it is not None}}


def test_a_map_that_loses_nothing():
    check()


def test_what_the_tables_would_take_and_the_monolith_could_not():
    with pytest.raises(AssertionError, match=r"shop_parcel\.grams holds an integer from"):
        check(born=None)


def read(row: Row) -> Any:
    return row["note"] + ""


def plus(row: Row) -> Any:
    return row["size"] + "!"


def popped(row: Row) -> Any:
    row["data"].pop("a", None)
    return row["data"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"monolith": {}}, "the monolith: there is no table shop_parcel"),
        ({"monolith": {**PARCELS, "shop_label": {}}}, "the monolith: nothing says the table shop_"),
        ({"service": {**SERVICE, "label": {}}}, "the service: nothing says the table label"),
        ({"service": {"parcel": SERVICE["parcel"]}}, "the service: there is no table note"),
        (
            {"monolith": changed(PARCELS, "shop_parcel", "colour", GRAMS)},
            "shop_parcel: nothing says the column colour",
        ),
        (
            {"monolith": changed(PARCELS, "shop_parcel", "note", None)},
            "shop_parcel: there is no column note",
        ),
        (
            {"service": changed(SERVICE, "parcel", "colour", GRAMS)},
            "parcel: nothing says the column colour",
        ),
        ({"service": changed(SERVICE, "parcel", "size", None)}, "parcel: there is no column size"),
        (
            {"service": changed(SERVICE, "note", "text", Column(texts(), key=True))},
            "note: its primary key (parcel, text) has to be copied from the source's (id)",
        ),
        (
            {"one": mapped(printed_by=lambda _: "")},
            "shop_parcel.printed_by is kept, and carried too",
        ),
        (
            {"service": changed(SERVICE, "note", "text", Column(texts()))},
            "note.text can't be null, and is made so",
        ),
        (
            {"service": changed(SERVICE, "parcel", "size", Column(texts(7)))},
            "parcel.size holds text of 7 characters, and gets ",
        ),
        (
            {"service": changed(SERVICE, "note", "text", Column(texts(300), null=True))},
            "note.text holds text of 300 characters, and gets ",
        ),
        (
            {"monolith": changed(PARCELS, "shop_parcel", "grams", Column(bits(64)))},
            "parcel.kilograms holds a decimal of 13 digits, 3 behind the point, and gets ",
        ),
        (
            {"service": changed(SERVICE, "parcel", "kilograms", Column(decimals(13, 2)))},
            "parcel.kilograms holds a decimal of 13 digits, 2 behind the point, and gets ",
        ),
        (
            {"one": mapped(parcel(kilograms=lambda row: row["grams"] / 1000), NOTE)},
            "parcel.kilograms holds a decimal of 13 digits, 3 behind the point, and gets ",
        ),
        (
            {"one": mapped(grams=lambda rows: grams(rows) // 2)},
            "shop_parcel.grams was ",
        ),
        (
            {"one": mapped(parcel(size=lambda row: row["size"][:4]), NOTE,
                           size=lambda rows: rows["parcel"]["size"])},
            "shop_parcel.size was ",
        ),
        (
            {"one": mapped(parcel(size=plus), NOTE, size=lambda rows: rows["parcel"]["size"][:-1])},
            "parcel.size holds text of 8 characters, and gets ",
        ),
        (
            {"one": mapped(PARCEL, Target("note", {"parcel": "id", "text": read}),
                           note=lambda rows: rows["note"]["text"])},
            "it can't go up: note.text: unsupported operand type(s) for +",
        ),
        (
            {"one": mapped(parcel(kilograms=lambda row: row["kilo"]), NOTE)},
            "it can't go up: parcel.kilograms: 'kilo' (KeyError)",
        ),
        (
            {"one": mapped(grams=lambda rows: {}[rows["parcel"]["size"]])},
            "it can't come back: shop_parcel.grams: ",
        ),
        ({"one": mapped(parcel(kilograms=lambda _: int("x")), NOTE)}, "next to no row can go up: "),
        ({"born": entity(size="enormous!")}, "parcel.size holds text of 8 characters, and gets"),
        ({"born": entity(kilograms=Decimal(10**9))}, "shop_parcel.grams holds an integer from"),
        ({"born": entity(colour="red")}, "born: parcel: there is no column colour"),
        ({"born": {"shop_parcel": st.just({"parcel": {}})}}, "born: nothing says the table note"),
    ],
)  # fmt: skip
def test_what_is_lost_is_said(given: dict[str, Any], said: str):
    with pytest.raises(AssertionError) as refused:
        check(**given)
    assert said in str(refused.value)


def test_all_that_is_declared_wrongly_is_said_at_once():
    wrong = changed(changed(SERVICE, "parcel", "colour", GRAMS), "note", "colour", GRAMS)
    with pytest.raises(AssertionError) as refused:
        check(service=wrong)
    assert len(str(refused.value).splitlines()) == 2


def test_what_comes_back_has_to_find_room_in_the_monolith():
    with pytest.raises(AssertionError, match=r"one\.text holds text of 200 characters, and gets"):
        check_maps(
            [TableMap("one", Target("other", {"id": "id", "words": "text"}))],
            monolith={"one": {"id": ID, "text": Column(texts(200))}},
            service={"other": {"id": ID, "words": Column(texts())}},
        )


@pytest.mark.parametrize(
    ("up", "data"),
    [
        (lambda row: dict(sorted(row["data"].items())), {"b": 1, "a": 2}),
        (popped, {"a": 1}),
        (lambda row: {name: float(it) for name, it in row["data"].items()}, {"a": 1}),
    ],
    ids=["the order of members", "what a map does to what it is given", "1 is not 1.0"],
)
def test_json_comes_back_to_the_letter(up: Any, data: Any):
    table = {"id": ID, "data": Column(Held("JSON", st.just(data), JSON.takes))}
    one = TableMap(
        "one",
        Target("other", {"id": "id", "data": up}),
        down={"data": lambda rows: rows["other"]["data"]},
    )
    with pytest.raises(AssertionError, match=r"one\.data was"):
        check_maps([one], monolith={"one": table}, service={"other": table})


def test_a_row_that_a_map_refuses_is_no_loss():
    def refused(row: Row) -> Any:
        if row["grams"] % 2:
            raise ValueError("odd")
        return kilograms(row)

    even = entity(kilograms=Decimal("0.002"))
    check(mapped(parcel(kilograms=refused), NOTE), born=even)


def test_what_is_born_in_the_service_and_refused_is_lost():
    def refused(rows: Rows) -> Any:
        raise ValueError("too heavy")

    one = TableMap(
        "one",
        Target("other", {"id": "id", "kilograms": lambda row: row["grams"]}),
        down={"grams": lambda rows: refused(rows) if rows["other"]["kilograms"] > 9 else 1},
    )
    few = {"id": ID, "grams": Column(Held("one", st.just(1), lambda value: value == 1))}
    with pytest.raises(AssertionError, match=r"it can't come back: one\.grams: too heavy"):
        check_maps(
            [one],
            monolith={"one": few},
            service={"other": {"id": ID, "kilograms": GRAMS}},
            born={"one": st.just({"other": {"id": 1, "kilograms": 10}})},
        )


def test_a_column_of_the_service_s_own():
    wider = changed(SERVICE, "parcel", "colour", Column(texts(), null=True))
    check(service=wider, own=["parcel.colour"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"own": ["parcel.size", "parcel.sise"]}, "own: there is no column parcel.sise"),
        ({"born": {"parcel": st.just({})}}, "born: no map is of the table parcel"),
    ],
)
def test_a_name_that_is_not_there(given: dict[str, Any], said: str):
    with pytest.raises(ValueError, match=said):
        check(**given)
