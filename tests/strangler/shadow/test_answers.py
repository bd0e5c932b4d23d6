"""What two answers to a command have made for themselves is the same."""

from __future__ import annotations

import pytest

from strangler.shadow import answers
from strangler.shadow.compare import Difference, Kind


def same(ours: object, theirs: object, *made: tuple[object, object]) -> bool:
    return answers.same(Difference(Kind.ANSWER, "$", "$", ours, theirs), set(made), "")


ONE_AHEAD = [(5, 6), (6, 7), (7, 8)]


@pytest.mark.parametrize(("key", "other"), ONE_AHEAD)
def test_a_key_that_is_another_keys_stand_in_is_told_from_it(key: int, other: int) -> None:
    """Several rows at once, where one side has given a number more than the other."""
    assert same(f"/lines/{key}/", f"/lines/{other}/", *ONE_AHEAD)
    assert not same(f"/lines/{key}/", f"/lines/{key}/more", *ONE_AHEAD)
    assert not same(f"/lines/{key}/", f"/lines/{other + 1}/", *ONE_AHEAD)


def test_a_key_within_a_number_or_with_a_backslash_is_none_of_ours() -> None:
    assert not same("/15/", "/16/", (5, 6))
    assert same(r"a\1b", "a7b", (r"\1", 7))
    assert same("/5/50/", "/6/60/", (5, 6), (50, 60))
    assert not same("a", "b")


def test_rows_of_several_tables_may_have_the_same_key() -> None:
    assert same("/orders/11/lines/31", "/orders/20/lines/20", (11, 20), (31, 20))
    assert not same("/orders/11/lines/32", "/orders/20/lines/20", (11, 20), (31, 20))
