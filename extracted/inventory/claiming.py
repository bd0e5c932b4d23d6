"""Rows that are made by whoever comes first, and locked by everybody who comes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from extracted.inventory.models import Base

R = TypeVar("R", bound=Base)


def claim(
    session: Session, model: type[R], key: Mapping[str, Any], born: Mapping[str, Any]
) -> tuple[R, bool]:
    """The one row with this key, locked until the transaction ends, and whether it is new.

    Whoever makes the same row at the same time is waited for: theirs is the row, if they commit.

    Args:
        session: of a transaction that writes.
        model: the row's table.
        key: columns that are unique together, and their values.
        born: the other columns of a row that is not there yet.
    """
    there = select(model).filter_by(**key).with_for_update()
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    make = insert(model).values(**key, **born).on_conflict_do_nothing().returning(model)
    while True:  # a row may go between two looks at it
        if (row := session.scalars(there).first()) is not None:
            return row, False
        if (row := session.scalars(make).first()) is not None:
            return row, True
