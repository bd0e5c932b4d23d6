"""How two answers differ, and what of it counts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.manifest import Shadow
from strangler.shadow.compare import LIMIT, Answer, Kind, Rules, compare, render

JSON = "application/json"


def answer(body: Any, status: int = 200, kind: str = JSON) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, kind, raw)


def rules(*, ignore: tuple[str, ...] = (), unordered: tuple[str, ...] = ()) -> Rules:
    return Rules.of(Shadow(ignore=ignore, unordered=unordered))


def found(one: Any, other: Any, using: Rules | None = None) -> list[tuple[str, str, Any, Any]]:
    compared = compare(answer(one), answer(other), using or rules())
    return [(str(d.kind), d.where, d.monolith, d.service) for d in compared.differences]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": 1.0}, {"a": 1}),
        (b'{"a":"\\u00e9"}', b'{ "a": "\xc3\xa9" }'),
        (b"1e2", b"100"),
        ([], []),
        (None, None),
    ],
)
def test_the_same_data_is_the_same(one: Any, other: Any) -> None:
    assert compare(answer(one), answer(other), rules()).same


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"tax": "3.80"}, {"tax": "3.20"}, ("value", "$.tax", "3.80", "3.20")),
        ({"n": 1}, {"n": True}, ("schema", "$.n", 1, True)),
        ({"n": 0}, {"n": None}, ("schema", "$.n", 0, None)),
        ({"n": 0}, {"n": "0"}, ("schema", "$.n", 0, "0")),
        ([{"x": 1}, {"x": 2}], [{"x": 1}, {"x": 3}], ("value", "$[1].x", 2, 3)),
        ({"l": [1, 2]}, {"l": [1]}, ("value", "$.l", "2 items", "1 items")),
        ({"odd key": 1}, {"odd key": 2}, ("value", "$['odd key']", 1, 2)),
        ({"it's": 1}, {"it's": 2}, ("value", "$['it\\'s']", 1, 2)),
        ([], {}, ("schema", "$", [], {})),
    ],
)
def test_a_difference_is_named(one: Any, other: Any, expected: tuple[Any, ...]) -> None:
    assert found(one, other) == [expected]


def test_a_key_too_few_or_too_many_is_another_schema() -> None:
    missing, added = compare(answer({"a": 1}), answer({"b": 1}), rules()).differences
    assert (missing.kind, missing.path, repr(missing.service)) == (Kind.SCHEMA, "$.a", "absent")
    assert (added.kind, added.path, repr(added.monolith)) == (Kind.SCHEMA, "$.b", "absent")
    assert found({"a": None}, {}) != []


def test_a_signature_s_path_has_no_positions() -> None:
    (one,) = compare(
        answer({"lines": [{"tax": 1}, {"tax": 2}]}),
        answer({"lines": [{"tax": 1}, {"tax": 9}]}),
        rules(),
    ).differences
    assert (one.path, one.where) == ("$.lines[*].tax", "$.lines[1].tax")


def test_a_status_outranks_the_body() -> None:
    (one,) = compare(answer({"a": 1}, 200), answer({"b": 1}, 404), rules()).differences
    assert (one.kind, one.path, one.monolith, one.service) == (Kind.STATUS, "status", 200, 404)


def test_content_types_are_compared_without_parameters() -> None:
    ours = Answer(200, "application/json; charset=utf-8", b"[]")
    assert compare(ours, answer([]), rules()).same
    (one,) = compare(ours, Answer(200, "text/plain", b"[]"), rules()).differences
    assert (one.kind, one.path) == (Kind.SCHEMA, "content-type")


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("text/html", b"<p>1", b"<p>2"),
        (JSON, b"{broken", b"{}"),
        (JSON, b'"\xff"', b'"x"'),
        (JSON, b"[" * 100_000, b"[" * 99_999),
    ],
)
def test_what_is_no_json_is_compared_by_bytes(kind: str, one: bytes, other: bytes) -> None:
    assert compare(answer(one, kind=kind), answer(one, kind=kind), rules()).same
    (only,) = compare(answer(one, kind=kind), answer(other, kind=kind), rules()).differences
    assert only.kind is Kind.BODY
    assert str(one[:3]) not in f"{only.monolith}{only.service}"


def test_problem_json_is_json() -> None:
    kind = "application/problem+json"
    same = answer(b'{"a": 1}', kind=kind), answer(b'{"a":1}', kind=kind)
    assert compare(*same, rules()).same


def test_what_is_ignored_does_not_count_but_is_told() -> None:
    using = rules(ignore=("$.served_at", "$.lines[*].id"))
    one = {"served_at": 1, "total": 3, "lines": [{"id": 1}]}
    other = {"served_at": {"at": 2}, "total": 3, "lines": [{"id": 2}]}
    assert compare(answer(one), answer(other), using) == compare(answer(one), answer(other), using)
    compared = compare(answer(one), answer(other), using)
    assert compared.same
    assert compared.ignored
    assert [where for _, where, *_ in found(one, other | {"total": 4}, using)] == ["$.total"]


def test_an_unordered_list_is_a_bag() -> None:
    using = rules(unordered=("$.results",), ignore=("$.results[*].at",))
    one = {"results": [{"id": 1, "at": 5}, {"id": 2, "at": 6}, {"id": 2, "at": 7}]}
    shuffled = {"results": [{"id": 2, "at": 1}, {"id": 1, "at": 2}, {"id": 2, "at": 3}]}
    compared = compare(answer(one), answer(shuffled), using)
    assert compared.same
    assert compared.ignored
    assert found(one, shuffled) != []
    other = {"results": [{"id": 2, "at": 1}, {"id": 9, "at": 2}, {"id": 2, "at": 3}]}
    assert found(one, other, using) == [("value", "$.results[0].id", 1, 9)]
    assert found(one, {"results": [{"id": 1}]}, using) == [
        ("value", "$.results", "3 items", "1 items")
    ]


def test_a_bag_within_a_bag() -> None:
    using = rules(unordered=("$", "$[*]"))
    assert compare(answer([[1, 2], [3, 4]]), answer([[4, 3], [2, 1.0]]), using).same


def test_what_is_far_off_is_not_listed_to_the_end() -> None:
    one = {f"k{number}": 1 for number in range(LIMIT * 3)}
    other = {f"k{number}": 2 for number in range(LIMIT * 3)}
    assert len(compare(answer(one), answer(other), rules()).differences) == LIMIT


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_anything_is_the_same_as_itself(value: Any) -> None:
    spelled = json.dumps(value, indent=1, ensure_ascii=True).encode()
    assert compare(answer(value), answer(spelled), rules()).same


@given(VALUES, VALUES)
def test_both_sides_see_the_same_differences(one: Any, other: Any) -> None:
    there = compare(answer(one), answer(other), rules()).differences
    back = compare(answer(other), answer(one), rules()).differences
    assert bool(there) == (json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True))
    assert {(d.kind, d.where) for d in there} == {(d.kind, d.where) for d in back}


def test_a_path_is_rendered() -> None:
    assert render(()) == "$"
    assert render(("a", 3, "b-c", "d e")) == "$.a[3].b-c['d e']"
    assert render(("a", 3), general=True) == "$.a[*]"
