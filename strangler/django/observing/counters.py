"""Rows that count: many processes add to the same ones, and nothing is read in between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db import IntegrityError, connections, models, transaction

Key = tuple[str | int, ...]

_AT_ONCE = 100
"""Rows of one statement: SQLite takes so many values, and no more."""


def add(
    model: type[models.Model],
    keys: tuple[str, ...],
    amounts: Mapping[Key, Mapping[str, int]],
    *,
    using: str,
) -> None:
    """Add to counter fields, making the rows that are missing: all in one transaction.

    ``keys`` names the fields that together are unique; ``amounts`` has their values, and what to
    add to which field. Rows are taken in one order, so that two writers never wait for each other.
    """
    if connections[using].vendor == "sqlite":
        # Whoever writes keeps everybody else from it: a statement for many rows, and made before.
        parts = [
            _at_once(model, keys, {key: amounts[key] for key in some}, using)
            for some in _slices(sorted(amounts))
        ]
        with transaction.atomic(using=using), connections[using].cursor() as cursor:
            for statement, values in parts:
                cursor.execute(statement, values)
        return
    with transaction.atomic(using=using):
        for key in sorted(amounts):
            _add(model, dict(zip(keys, key, strict=True)), amounts[key], using)


def _slices(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    return (keys[start : start + _AT_ONCE] for start in range(0, len(keys), _AT_ONCE))


def _at_once(
    model: type[models.Model],
    keys: tuple[str, ...],
    amounts: Mapping[Key, Mapping[str, int]],
    using: str,
) -> tuple[str, list[Any]]:
    connection = connections[using]
    meta, quoted = model._meta, connection.ops.quote_name  # noqa: SLF001  # Django's documented name for it
    fields = [field for field in meta.concrete_fields if not field.primary_key]
    values: list[Any] = []
    for key, amount in amounts.items():
        row: dict[str, Any] = {**dict(zip(keys, key, strict=True)), **amount}
        for field in fields:
            value = row[field.name] if field.name in row else field.get_default()
            values.append(field.get_db_prep_save(value, connection))
    columns = {field.name: quoted(str(field.column)) for field in fields}
    counted = [columns[one] for one in columns if any(one in more for more in amounts.values())]
    marks = f"({', '.join(['%s'] * len(fields))})"
    statement = (
        f"INSERT INTO {quoted(meta.db_table)} ({', '.join(columns.values())}) "  # noqa: S608  # names, quoted
        f"VALUES {', '.join([marks] * len(amounts))} "
        f"ON CONFLICT ({', '.join(columns[one] for one in keys)}) "
        f"DO UPDATE SET {', '.join(f'{one} = {one} + excluded.{one}' for one in counted)}"
    )
    return statement, values


def _add(
    model: type[models.Model], key: Mapping[str, Any], amount: Mapping[str, int], using: str
) -> None:
    rows = model._default_manager.using(using)  # noqa: SLF001  # Django's documented name for it
    more = {field: models.F(field) + number for field, number in amount.items()}
    if rows.filter(**key).update(**more):
        return
    try:
        with transaction.atomic(using=using):
            rows.create(**key, **amount)
    except IntegrityError:
        rows.filter(**key).update(**more)
