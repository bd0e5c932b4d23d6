"""The tables of a Django app as what may be stored in them: see ``strangler.transfer.testing``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from django.apps import apps
from django.db import models
from django.db.backends.base.operations import BaseDatabaseOperations
from hypothesis import strategies as st

from strangler.transfer.testing import (
    FLOATS,
    JSON,
    MOMENTS,
    Column,
    Tables,
    Values,
    decimals,
    texts,
)


def model_tables(app_label: str, values: Mapping[str, Values] | None = None) -> Tables:
    """All tables of an app, those of its many-to-many fields included.

    Args:
        app_label: as ``apps.get_app_config`` takes it.
        values: by ``table.column``: what it holds, where its field does not say so.

    Raises:
        LookupError: there is no such app.
        TypeError: nobody knows what a field holds; says which.
    """
    models = apps.get_app_config(app_label).get_models(include_auto_created=True)
    options = [model._meta for model in models]  # noqa: SLF001  # Django's documented name for it
    return {
        meta.db_table: {
            str(field.column): _column(f"{meta.db_table}.{field.column}", field, values or {})
            for field in meta.local_concrete_fields
        }
        for meta in options
        if not meta.proxy
    }


def _column(name: str, field: models.Field[Any, Any], values: Mapping[str, Values]) -> Column:
    stored = field
    while stored.remote_field is not None:
        stored = stored.target_field  # type: ignore[attr-defined]  # of a foreign key
    return Column(
        values[name] if name in values else _values(name, stored),
        null=field.null,
        key=field.primary_key,
        room=getattr(stored, "max_length", None),
    )


def _values(name: str, field: models.Field[Any, Any]) -> Values:
    internal = field.get_internal_type()
    if internal in BaseDatabaseOperations.integer_field_ranges:
        return st.integers(*BaseDatabaseOperations.integer_field_ranges[internal])
    for kind, values in _KINDS:
        if isinstance(field, kind):
            return values(field)
    raise TypeError(
        f"what does a {type(field).__name__} hold? Say it: values={{{name!r}: a strategy}}"
    )


_KINDS: Final[tuple[tuple[Any, Callable[[Any], Values]], ...]] = (
    (models.BooleanField, lambda _: st.booleans()),
    (models.CharField, lambda field: texts(field.max_length)),
    (models.TextField, lambda _: texts()),
    (models.UUIDField, lambda _: st.uuids()),
    (models.DateTimeField, lambda _: MOMENTS),  # is a DateField, too
    (models.DateField, lambda _: st.dates()),
    (models.TimeField, lambda _: st.times()),
    (models.DecimalField, lambda field: decimals(field.max_digits, field.decimal_places)),
    (models.FloatField, lambda _: FLOATS),
    (models.JSONField, lambda _: JSON),
    (models.BinaryField, lambda _: st.binary()),
)
