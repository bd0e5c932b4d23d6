"""What else of a model names the field: indexes, constraints and ordering say the column instead.

To the database they are what they were, so these are operations on Django's state alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.migrations.operations import (
    AddConstraint,
    AddIndex,
    AlterModelOptions,
    RemoveConstraint,
    RemoveIndex,
)
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState
from django.db.migrations.writer import MigrationWriter
from django.db.models import BaseConstraint, Index

from strangler.django.boundaries.errors import NotCut

_NAMES = ("fields", "include")
"""What an index or a constraint takes as names of fields."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Operations on the state, and the same as words for the model's Meta."""

    operations: list[Operation]
    meta: list[str]


def changes(state: ModelState, old: str, new: str) -> Changes:
    """Let the model's options name ``new`` where they name ``old``.

    Raises:
        NotCut: something names it that can't be rewritten by itself.
    """
    made = Changes([], [])
    name = state.name.lower()
    for one in [*state.options.get("indexes", ()), *state.options.get("constraints", ())]:
        renamed = _renamed(one, old, new)
        if renamed is None:
            continue
        if isinstance(renamed, Index):
            made.operations.extend((RemoveIndex(name, renamed.name), AddIndex(name, renamed)))
        else:
            made.operations.extend(
                (RemoveConstraint(name, renamed.name), AddConstraint(name, renamed))
            )
        made.meta.append(MigrationWriter.serialize(renamed)[0])
    for option in ("unique_together", "index_together"):
        together = [list(each) for each in state.options.get(option) or ()]
        if any(old in each for each in together):
            said = [tuple(_name(one, old, new) for one in each) for each in together]
            made.meta.append(f"{option} = {said!r}")
    ordering = state.options.get("ordering") or ()
    if _names(ordering, old):
        made.operations.append(_ordered(state, old, new))
        said = [_name(one, old, new) for one in ordering]
        made.meta.append(f"ordering = {said!r}")
    return made


def _ordered(state: ModelState, old: str, new: str) -> AlterModelOptions:
    ordering = [_name(one, old, new) for one in state.options["ordering"]]
    if _names(ordering, old):
        raise NotCut(
            f"the ordering of {state.app_label}.{state.name} reaches through {old}: order by a "
            "column of its own, makemigrations, and ask again"
        )
    kept = {
        key: value
        for key, value in state.options.items()
        if key in AlterModelOptions.ALTER_OPTION_KEYS
    }
    return AlterModelOptions(state.name.lower(), {**kept, "ordering": ordering})


def _renamed(one: Index | BaseConstraint, old: str, new: str) -> Index | BaseConstraint | None:
    """The same with the column's name; None if it does not name the field."""
    kind: Any = type(one)
    _, arguments, keywords = one.deconstruct()
    said = {key: keywords.pop(key) for key in _NAMES if keywords.get(key)}
    if _names((*arguments, *keywords.values()), old):
        raise NotCut(
            f"{one.name} names {old} within an expression: let it name {new} there, which is the "
            "same to the database, makemigrations, and ask again"
        )
    renamed = {key: [_name(each, old, new) for each in value] for key, value in said.items()}
    if all(list(value) == renamed[key] for key, value in said.items()):
        return None
    made: Index | BaseConstraint = kind(*arguments, **keywords, **renamed)
    return made


def _name(said: Any, old: str, new: str) -> Any:
    return f"-{new}" if said == f"-{old}" else new if said == old else said


def _names(values: Any, name: str) -> bool:
    """Whether anything in there names the field, or reaches through it."""
    named = re.compile(rf"""(['"])-?{re.escape(name)}(__\w+)?\1""")
    return any(named.search(text) for text in _texts(values))


def _texts(values: Any) -> Iterator[str]:
    return (MigrationWriter.serialize(value)[0] for value in values)
