"""A mark is the same after it was written down as JSON, whatever a key is made of."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.transfer.mapping import Row, TableMap, Target
from strangler.transfer.marks import Mark, fingerprint, read, written
from strangler.transfer.pairing import Pair, Pairing
from strangler.transfer.tables import Column, ColumnKind, Table

UTC_MOMENTS = st.datetimes(timezones=st.just(UTC))
PARTS: dict[ColumnKind, st.SearchStrategy[Any]] = {
    ColumnKind.INTEGER: st.integers(-(2**63), 2**63 - 1),
    ColumnKind.TEXT: st.text(),
    ColumnKind.BOOLEAN: st.booleans(),
    ColumnKind.DECIMAL: st.decimals(allow_nan=False, allow_infinity=False),
    ColumnKind.FLOAT: st.floats(allow_nan=False, allow_infinity=False),
    ColumnKind.BYTES: st.binary(),
    ColumnKind.UUID: st.uuids(),
    ColumnKind.MOMENT: UTC_MOMENTS,
    ColumnKind.NAIVE: st.datetimes(),
    ColumnKind.DATE: st.dates(),
    ColumnKind.TIME: st.times(),
    ColumnKind.DURATION: st.timedeltas(),
    ColumnKind.OTHER: st.text(),
}
KINDS = list(PARTS)


def table(name: str, kinds: list[ColumnKind]) -> Table:
    columns = {f"k{n}": Column(f"k{n}", kind, "", False, False) for n, kind in enumerate(kinds)}  # noqa: FBT003 - a column's own order
    return Table(name, tuple(columns), columns)


def pairing(kinds: list[ColumnKind], up: Any = "k0") -> Pairing:
    mine, theirs = table("mine", kinds), table("theirs", kinds)
    names = {name: name for name in mine.columns} | {"k0": up}
    return Pairing([Pair(TableMap("mine", Target("theirs", names)), mine, {"theirs": theirs}, {})])


@given(st.data())
def test_it_is_read_as_it_was_written(data: st.DataObject):
    kinds = data.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3))
    keys = st.tuples(*(PARTS[kind] for kind in kinds))
    after = data.draw(st.none() | keys)
    suspects = data.draw(st.lists(keys.map(lambda key: ("mine", key)), max_size=3))
    mark = Mark("mine", after, 7, tuple(suspects))
    found = read(json.loads(json.dumps(written(mark))), pairing(kinds))
    assert found == mark
    assert found is not None
    assert [type(part) for part in found.after or ()] == [type(part) for part in after or ()]


@pytest.mark.parametrize(
    "said",
    [
        {},
        None,
        {"table": "gone", "after": [1], "rows": 1, "suspects": []},
        {"table": "mine", "after": ["x"], "rows": 1, "suspects": []},
        {"table": "mine", "after": [1, 2], "rows": 1, "suspects": []},
        {"table": "mine", "after": [1], "rows": 1, "suspects": [["gone", [1]]]},
    ],
)
def test_what_does_not_fit_is_no_mark(said: Any):
    assert read(said, pairing([ColumnKind.INTEGER])) is None


def _once(row: Row) -> int:
    return int(row["k0"])


def _twice(row: Row) -> int:
    return 2 * int(row["k0"])


def test_another_table_or_another_map_is_another_fit():
    plain = pairing([ColumnKind.INTEGER])
    assert fingerprint(plain.pairs) == fingerprint(pairing([ColumnKind.INTEGER]).pairs)
    others = [
        pairing([ColumnKind.TEXT]),
        pairing([ColumnKind.INTEGER] * 2),
        pairing([ColumnKind.INTEGER], _once),
        pairing([ColumnKind.INTEGER], _twice),
    ]
    assert len({fingerprint(one.pairs) for one in (plain, *others)}) == 5
