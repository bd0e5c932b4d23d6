"""The tables of a Django app as what they can hold: see ``strangler.transfer.testing``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.backends.base.operations import BaseDatabaseOperations

from strangler.transfer.testing.columns import (
    BOOLEANS,
    BYTES,
    DATES,
    FLOATS,
    JSON,
    MOMENTS,
    NAIVE,
    TIMES,
    UUIDS,
    Column,
    Held,
    Tables,
    Values,
    chosen,
    decimals,
    integers,
    lists,
    named,
    texts,
)


def model_tables(app_label: str, values: Mapping[str, Values] | None = None) -> Tables:
    """All tables of an app, those of its many-to-many fields included.

    Columns that the database computes are left out: no map may say them. What fields only validate
    (choices, a minimum) says nothing of what is in their columns.

    Args:
        app_label: as ``apps.get_app_config`` takes it; Django has to be set up.
        values: by ``table.column``: what it holds, where its field does not say so, or too little.

    Raises:
        LookupError: there is no such app.
        ValueError: ``values`` names what is no column.
        TypeError: nobody knows what a field holds; says which.
    """
    there = apps.get_app_config(app_label).get_models(include_auto_created=True)
    options = [model._meta for model in there]  # noqa: SLF001  # Django's documented name for it
    tables = {meta.db_table: _table(meta, values or {}) for meta in options if not meta.proxy}
    return named(tables, values or {})


def _table(meta: Any, values: Mapping[str, Values]) -> dict[str, Column]:
    # One that is made of several, since Django 5.2.
    keys = getattr(meta, "pk_fields", [meta.pk])
    return {
        field.column: _column(f"{meta.db_table}.{field.column}", field, values, key=field in keys)
        for field in meta.local_concrete_fields
        if not getattr(field, "generated", False)
    }


def _column(name: str, field: Any, values: Mapping[str, Values], *, key: bool) -> Column:
    stored = field
    while stored.remote_field is not None:
        stored = stored.target_field
    held = chosen(name, _held(stored), type(stored).__name__, values)
    return Column(held, null=field.null, key=key)


def _held(field: Any) -> Held | None:
    internal = field.get_internal_type()
    if internal in BaseDatabaseOperations.integer_field_ranges:
        return integers(*BaseDatabaseOperations.integer_field_ranges[internal])
    if internal == "DateTimeField":
        return MOMENTS if settings.USE_TZ else NAIVE
    if hasattr(field, "base_field"):  # PostgreSQL's arrays
        of = _held(field.base_field)
        return None if of is None else lists(of)
    return next((held(field) for kind, held in _KINDS if isinstance(field, kind)), None)


_KINDS: Final[tuple[tuple[Any, Callable[[Any], Held]], ...]] = (
    (models.BooleanField, lambda _: BOOLEANS),
    ((models.CharField, models.FileField, models.FilePathField), lambda one: texts(one.max_length)),
    (models.TextField, lambda _: texts()),  # its max_length is only for forms
    (models.UUIDField, lambda _: UUIDS),
    (models.DateField, lambda _: DATES),
    (models.TimeField, lambda _: TIMES),
    (models.DecimalField, lambda one: decimals(one.max_digits, one.decimal_places)),
    (models.FloatField, lambda _: FLOATS),
    (models.JSONField, lambda _: JSON),
    (models.BinaryField, lambda _: BYTES),
)
