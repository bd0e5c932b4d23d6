"""A table with a mistake in it is found out: a model that could not fail would prove nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from strangler.saga.machine import (
    TRANSITIONS,
    Event,
    IllegalEvent,
    Kind,
    Move,
    Standing,
    State,
    Transition,
    after,
)
from tests.strangler.saga.model import Broken, Model, Table, plan

SUITE = ("p", "CP", "CPR", "cu", "cur")
"""What every mutation is held against."""

CONDITIONS = ("local", "back", "last", "final", "spent")


def said(row: Transition) -> str:
    when = [f"{name}={getattr(row, name)}" for name in CONDITIONS if getattr(row, name) is not None]
    kinds = ["/".join(row.kinds)] if row.kinds else []
    return " ".join([f"{row.source} {row.event}", *kinds, *when])


def mutants() -> Iterator[tuple[str, Table]]:
    for index, row in enumerate(TRANSITIONS):
        before, behind = TRANSITIONS[:index], TRANSITIONS[index + 1 :]
        yield f"{said(row)}: left out", before + behind
        for target in State:
            if target is not row.target:
                yield f"{said(row)}: {target}", (*before, replace(row, target=target), *behind)
        for move in Move:
            if move is not row.move:
                yield f"{said(row)}: {move}", (*before, replace(row, move=move), *behind)
        for name in CONDITIONS:
            value = getattr(row, name)
            if value is not None:
                turned = replace(row, **{name: not value})
                yield f"{said(row)}: not {name}", (*before, turned, *behind)
        if row.kinds:
            others = tuple(kind for kind in Kind if kind not in row.kinds)
            yield f"{said(row)}: other kinds", (*before, replace(row, kinds=others), *behind)


MUTANTS = dict(mutants())


Said = dict[str, set[tuple[Standing, Event, Standing]]]


@pytest.fixture(scope="module")
def known() -> Said:
    """What the table itself says of whatever can be reached."""
    said = {}
    for letters in SUITE:
        model = Model(plan(letters))
        model.explore()
        said[letters] = model.said
    return said


def same(table: Table, known: Said) -> bool:
    """Does it say just that? Then it is no mutation."""
    try:
        return all(
            after(before, event, plan(letters), table) == then
            for letters, said in known.items()
            for before, event, then in said
        )
    except IllegalEvent:
        return False


def caught(table: Table) -> bool:
    try:
        for letters in SUITE:
            Model(plan(letters), table).explore()
    except (Broken, IndexError):
        return True
    return False


@pytest.mark.parametrize("index", range(len(TRANSITIONS)))
def test_every_mutation_of_a_row_is_caught(index: int, known: Said):
    row = TRANSITIONS[index]
    own = {name: table for name, table in MUTANTS.items() if name.startswith(f"{said(row)}: ")}

    real = {name: table for name, table in own.items() if not same(table, known)}

    assert len(real) > len(own) / 2
    assert {name for name, table in real.items() if not caught(table)} == set()


def test_the_table_itself_is_not():
    assert not caught(TRANSITIONS)
    assert len({said(row) for row in TRANSITIONS}) == len(TRANSITIONS)
