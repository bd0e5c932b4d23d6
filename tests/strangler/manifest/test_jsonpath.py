from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.manifest.jsonpath import JsonPath, Key, parse


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("$", ()),
        ("$.served_at", ("served_at",)),
        ("$.a-b.c1", ("a-b", "c1")),
        ("$.naïve", ("naïve",)),
        ("$[*]", (None,)),
        ("$.lines[*].tax", ("lines", None, "tax")),
        ("$[*][*].x", (None, None, "x")),
        ("$['odd name'].x", ("odd name", "x")),
        ("$['a.b']['[*]']", ("a.b", "[*]")),
        (r"$['it\'s \\']", ("it's \\",)),
    ],
)
def test_a_path_is_read_step_by_step(text: str, steps: tuple[str | None, ...]):
    assert parse(text) == JsonPath(steps)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a path starts with $"),
        ("served_at", "a path starts with $"),
        ("$.", "'.' is not understood"),
        ("$.a.", "'.' is not understood"),
        ("$..a", "'..a' is not understood"),
        ("$.1a", "'.1a' is not understood"),
        ("$a", "'a' is not understood"),
        ("$.a b", "' b' is not understood"),
        ("$.a[0]", "'[0]' is not understood"),
        ("$.*", "'.*' is not understood"),
        ("$['']", "\"['']\" is not understood"),
        ("$['a]", '"[\'a]" is not understood'),
        (r"$['\n']", "is not understood"),
    ],
)
def test_what_is_no_path_is_refused_from_where_it_is_none(text: str, message: str):
    with pytest.raises(ValueError) as refused:
        parse(text)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("path", "keys", "matches", "covers"),
    [
        ("$.a", ("a",), True, True),
        ("$.a", ("a", "b"), False, True),
        ("$.a", (), False, False),
        ("$.a", ("b",), False, False),
        ("$.a[*].b", ("a", 3, "b"), True, True),
        ("$.a[*].b", ("a", "3", "b"), False, False),
        ("$['0']", (0,), False, False),
        ("$", (), True, True),
        ("$", ("a",), False, True),
    ],
)
def test_a_path_knows_its_places(path: str, keys: tuple[Key, ...], matches: bool, covers: bool):  # noqa: FBT001  # a column of the table
    assert parse(path).matches(keys) is matches
    assert parse(path).covers(keys) is covers


def test_a_path_is_named_by_the_member_it_ends_in():
    assert parse("$.lines[*].tax").name == "tax"
    assert parse("$.lines[*]").name == "lines"
    assert parse("$").name is None


@given(st.lists(st.none() | st.text(min_size=1, max_size=8), max_size=5))
def test_every_name_can_be_written(steps: list[str | None]):
    def quoted(name: str) -> str:
        return name.replace("\\", "\\\\").replace("'", "\\'")

    text = "$" + "".join("[*]" if step is None else f"['{quoted(step)}']" for step in steps)
    assert parse(text) == JsonPath(tuple(steps))
