"""Which relations cross a capability's boundary: every model of every app, asked by ``_meta``.

The source is not read, so it makes no difference how a model came to have a field. Swapped models
have no table, and are passed over; what points to one points to its replacement.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db.models import Field, ForeignKey, ManyToManyField, Model, OneToOneField

from strangler.django import tables
from strangler.django.boundaries.crossing import Crossing, Kind, Side
from strangler.django.boundaries.declared import obstacle, packaged
from strangler.manifest import Capability

ANYTHING = "anything"
"""What a generic foreign key may point at."""
_Ends = tuple[type[Model], Kind, str]
"""What a relation leads to, what kind it is, and its remedy."""


def crossings(capability: Capability) -> list[Crossing]:
    """Every relation between the capability's models and others, in both directions.

    A capability without tables has none: nothing of it is in the database.
    """
    app = tables.app(capability)
    if app is None or not tables.has_tables(capability):
        return []
    found = [one for model in apps.get_models() for one in _of(model, capability.name, app.label)]
    return sorted(found, key=lambda one: (not one.blocks, one.direction is Side.IN, one.name))


def _of(model: type[Model], capability: str, label: str) -> Iterator[Crossing]:
    """The crossings that a model declares."""
    meta = model._meta  # noqa: SLF001  # Django's documented name for it
    inside = meta.app_label == label
    for field, (target, kind, remedy) in _relations(model, label):
        cuttable = isinstance(field, ForeignKey) and not remedy
        name = f"{meta.label}.{field.name}" if field is not None else meta.label
        yield Crossing(
            capability=capability,
            model=meta.label,
            field=field.name if field is not None else None,
            target=ANYTHING if kind is Kind.GENERIC and target is model else _rows(target).label,
            kind=kind,
            direction=Side.OUT if inside else Side.IN,
            remedy=remedy or f"strangler boundaries {capability} --cut {name}",
            cuttable=cuttable,
            packaged=isinstance(field, Field) and packaged(field),
        )


def _relations(model: type[Model], label: str) -> Iterator[tuple[Any, _Ends]]:
    """The fields that cross, or None for the model itself, and where they lead."""
    meta = model._meta  # noqa: SLF001  # ditto

    def beyond(*others: Any) -> type[Model] | None:
        """The first of these whose rows are on the other side."""
        return next((one for one in others if _inside(one, label) != _inside(model, label)), None)

    concrete = meta.concrete_model
    if meta.proxy and concrete and (meta.app_label == label) != _inside(concrete, label):
        rows = concrete._meta.label  # noqa: SLF001  # ditto
        yield None, (concrete, Kind.PROXY, f"Its rows are those of {rows}: ask a port for them.")
    for field in meta.local_fields:
        if _is_model(field.related_model) and (target := beyond(field.related_model)):
            yield field, (target, _kind(field), obstacle(field) or "")
    for many in meta.local_many_to_many:
        ends = (many.related_model, many.remote_field.through)
        if all(map(_is_model, ends)) and (target := beyond(*ends)):
            yield many, (target, *_many(many))
    for generic, leads, remedy in _generic(model):
        target = beyond(leads) if leads is not model else model
        if target and (leads is not model or meta.app_label == label):
            yield generic, (target, Kind.GENERIC, remedy)


def _kind(field: Any) -> Kind:
    if isinstance(field, ForeignKey) and field.remote_field.parent_link:
        return Kind.INHERITANCE
    if not getattr(field, "db_constraint", False):
        return Kind.UNCONSTRAINED
    return Kind.ONE_TO_ONE if isinstance(field, OneToOneField) else Kind.FOREIGN_KEY


def _many(field: ManyToManyField[Any, Any]) -> tuple[Kind, str]:
    through: Any = field.remote_field.through
    meta = through._meta  # noqa: SLF001  # ditto
    if not meta.auto_created:
        return Kind.THROUGH, (
            f"Take it out of the model, which leaves the table of {meta.label} as it is; then cut "
            "the keys in there that cross."
        )
    kind = Kind.MANY_TO_MANY if field.remote_field.db_constraint else Kind.UNCONSTRAINED
    if packaged(field):
        return kind, str(obstacle(field))
    return kind, (
        f"It has the table {meta.db_table}: give that a model, name it as through=, take the field "
        "out, and cut the key in there that crosses."
    )


def _generic(model: type[Model]) -> Iterator[tuple[Any, type[Model], str]]:
    """Generic relations and where they lead; the model itself stands for anything."""
    if not apps.is_installed("django.contrib.contenttypes"):
        return
    from django.contrib.contenttypes.fields import (  # noqa: PLC0415 - it may not be installed
        GenericForeignKey,
        GenericRelation,
    )

    meta = model._meta  # noqa: SLF001  # ditto
    inherited = {one.name for parent in meta.parents for one in parent._meta.private_fields}  # noqa: SLF001  # ditto
    for field in meta.private_fields:
        if field.name in inherited:
            continue
        if isinstance(field, GenericForeignKey):
            yield field, model, "Keep the name of what it points at, and its key, as columns."
        elif isinstance(field, GenericRelation) and _is_model(field.related_model):
            yield field, field.related_model, "Take it out of the model: ask a port instead."


def _inside(model: type[Model], label: str) -> bool:
    """Whether a model's rows are of this app: a proxy's are those of what it stands for."""
    return bool(_rows(model).app_label == label)


def _rows(model: type[Model]) -> Any:
    """The ``_meta`` of the model whose rows these are."""
    return (model._meta.concrete_model or model)._meta  # noqa: SLF001  # ditto


def _is_model(model: object) -> bool:
    """Not the name of a model that nobody has installed, of which Django's own checks tell."""
    return isinstance(model, type) and issubclass(model, Model)
