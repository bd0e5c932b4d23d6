"""Rows that count: many processes add to the same ones, and nothing is read in between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, models, transaction

Key = tuple[str | int, ...]


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
    with transaction.atomic(using=using):
        for key in sorted(amounts):
            _add(model, dict(zip(keys, key, strict=True)), amounts[key], using)


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
