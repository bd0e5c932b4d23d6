"""Who declares a field, and whether somebody here can change it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
from django.apps import apps
from django.db.models import Field, ForeignKey, Model

_PACKAGES = frozenset({"dist-packages", "site-packages"})
_DJANGO = Path(django.__file__).resolve().parent


def declaring(field: Field[Any, Any]) -> type[Model]:
    """The class that declares a field: its model, or an abstract model that this one is made of."""
    for base in reversed(field.model.__mro__):
        meta = getattr(base, "_meta", None)
        for one in (*meta.local_fields, *meta.local_many_to_many) if meta is not None else ():
            # A copy that a model gets of an abstract model's field is as old as that.
            if one.name == field.name and _age(one) == _age(field):
                return base
    return field.model


def packaged(field: Field[Any, Any]) -> bool:
    """Whether a package declares this field, so that nobody here can change it."""
    return foreign(Path(inspect.getfile(declaring(field))).resolve())


def foreign(path: Path) -> bool:
    """Whether a resolved path is within an installed package."""
    return path.is_relative_to(_DJANGO) or not _PACKAGES.isdisjoint(path.parts)


def obstacle(field: Field[Any, Any]) -> str | None:
    """Why no migration can be written that cuts this field, and what to do; None if one can."""
    return next(_obstacles(field), None)


def _obstacles(field: Field[Any, Any]) -> Iterator[str]:
    meta = field.model._meta  # noqa: SLF001  # Django's documented name for it
    if packaged(field):
        source = declaring(field)
        yield (
            f"{source.__module__}.{source.__qualname__} declares it, which is the code of a "
            "package: do without that, or leave these tables in the monolith."
        )
    if others := _also_made(field):
        yield (
            f"{declaring(field).__qualname__} declares it, of which {', '.join(others)} is made "
            f"too: declare it in {meta.object_name} itself first."
        )
    if not isinstance(field, ForeignKey):
        yield "It is no single column: take it out of the model, and keep the keys it needs."
        return
    if field.remote_field.parent_link:
        yield (
            "Half of each row is the parent's: make it a model of its own with the parent's "
            "fields, copy the rows in a data migration, and keep the parent's key as a column."
        )
    if not meta.managed:
        yield (
            "Django does not manage its table: drop the constraint by SQL, and declare "
            f"{field.attname} as a plain column."
        )
    for user in _running_through(field):
        yield f"The many-to-many field {user} needs it: take that out of its model first."
    if field.name in {getattr(one, "ct_field", None) for one in meta.private_fields}:
        yield (
            "A generic foreign key needs it: take that out first, and keep what it points at by "
            "name and key."
        )
    ordered: Any = meta.order_with_respect_to  # the field, once the model is made
    if ordered is field:
        yield "order_with_respect_to needs it: order by a column of the model's own first."


def _running_through(field: ForeignKey[Any, Any]) -> Iterator[str]:
    for model in apps.get_models():
        for many in model._meta.local_many_to_many:  # noqa: SLF001  # ditto
            ends = {many.m2m_field_name(), many.m2m_reverse_field_name()}
            if many.remote_field.through is field.model and field.name in ends:
                yield f"{model._meta.label}.{many.name}"  # noqa: SLF001  # ditto


def _also_made(field: Field[Any, Any]) -> list[str]:
    """The other models that are made of the abstract one that declares the field."""
    source = declaring(field)
    return [
        model._meta.label  # noqa: SLF001  # ditto
        for model in apps.get_models()
        for one in model._meta.local_fields  # noqa: SLF001  # ditto
        if model is not field.model and one.name == field.name and declaring(one) is source
    ]


def _age(field: Any) -> int | None:
    return getattr(field, "creation_counter", None)
