"""Cutting a foreign key: the migration that turns it into a plain column, and touches no row.

The column keeps its name, type, index and values; only the constraint goes. Django's state says
from then on that it is a plain field, while the database hears of nothing but
``db_constraint=False``: on PostgreSQL that is one ``DROP CONSTRAINT``, on SQLite, which can't,
Django copies the table as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

from django.apps import apps
from django.db import connections, router
from django.db.migrations import AlterField, Migration, RenameField, SeparateDatabaseAndState
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.writer import MigrationWriter
from django.db.models import Field, ForeignKey

from strangler.django.boundaries import options, plain, remains
from strangler.django.boundaries.crossing import Crossing
from strangler.django.boundaries.errors import NotCut, UnknownRelation
from strangler.django.boundaries.remains import Edit, Use
from strangler.django.boundaries.walking import crossings
from strangler.manifest import Capability


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A migration that was written, and what a person has to do before it is run.

    ``edits`` are the lines to change in models, ``uses`` where code may still use the relation,
    ``notes`` what Django did for it until now.
    """

    crossing: Crossing
    migration: str
    edits: tuple[Edit, ...]
    notes: tuple[str, ...]
    uses: tuple[Use, ...]


def cut(capability: Capability, name: str) -> Cut:
    """Write the migration that cuts ``app.Model.field``; it is not run.

    Raises:
        UnknownRelation: no relation of this name crosses the boundary of the capability.
        NotCut: no migration can be written for it; the message says what to do instead.
    """
    found = crossings(capability)
    crossing = next((one for one in found if one.name.lower() == name.lower()), None)
    if crossing is None:
        raise UnknownRelation(capability.name, name, [one.name for one in found])
    if not crossing.cuttable or crossing.field is None:
        raise NotCut(f"{crossing} can't be cut by a migration. {crossing.remedy}")
    model = apps.get_model(crossing.model)
    field = model._meta.get_field(crossing.field)  # noqa: SLF001  # Django's documented name for it
    if not isinstance(field, ForeignKey):
        raise NotCut(f"{crossing} is no foreign key")
    column = plain.column(field)
    _same_type(field, column)
    leaf, state = _written(field)
    changes = options.changes(state, field.name, field.attname)
    migration = _migration(field, column, leaf, state, changes.operations)
    edits = tuple(remains.edits(field, column, changes))
    path = _write(crossing, migration)
    return Cut(
        crossing=crossing,
        migration=remains.shown(path.resolve()),
        edits=edits,
        notes=tuple(remains.notes(field)),
        uses=tuple(remains.uses(field)),
    )


def _same_type(field: ForeignKey[Any, Any], column: Field[Any, Any]) -> None:
    connection = connections[router.db_for_write(field.model)]
    before, after = field.db_type(connection), column.db_type(connection)
    if before != after:
        raise NotCut(
            f"the column of {field} is {before}, and a plain {type(column).__name__} would be "
            f"{after}: write the migration by hand, with a field whose type is {before}"
        )


def _written(field: ForeignKey[Any, Any]) -> tuple[str, ModelState]:
    """The app's last migration, and the model as the migrations know it.

    Raises:
        NotCut: they do not know the field as it is.
    """
    meta = field.model._meta  # noqa: SLF001  # ditto
    loader = MigrationLoader(None)
    if meta.app_label not in loader.migrated_apps:
        raise NotCut(
            f"the app {meta.app_label!r} has no migrations: "
            f"manage.py makemigrations {meta.app_label}, first"
        )
    if meta.app_label in loader.detect_conflicts():
        raise NotCut(f"{meta.app_label} has several last migrations: makemigrations --merge, first")
    (leaf,) = loader.graph.leaf_nodes(meta.app_label)
    state = loader.project_state().models.get((meta.app_label, meta.model_name or ""))
    if state is None or field.name not in state.fields:
        if state is not None and field.attname in state.fields:
            raise NotCut(
                f"{leaf[1]} has cut {field} already: change the model as that said, and migrate"
            )
        raise NotCut(f"no migration knows {field}: manage.py makemigrations, first")
    compare = MigrationAutodetector(ProjectState(), ProjectState()).deep_deconstruct
    if compare(state.fields[field.name]) != compare(field):
        raise NotCut(f"{field} has changed since {leaf[1]}: manage.py makemigrations, first")
    return leaf[1], state


def _migration(
    field: ForeignKey[Any, Any],
    column: Field[Any, Any],
    leaf: str,
    state: ModelState,
    changed: list[Operation],
) -> Migration:
    meta = field.model._meta  # noqa: SLF001  # ditto
    name = str(meta.model_name)
    known: Any = state.fields[field.name]
    _, _, arguments, keywords = known.deconstruct()
    free = type(known)(*arguments, **{**keywords, "db_constraint": False})
    number = (MigrationAutodetector.parse_number(leaf) or 0) + 1
    migration: Any = Migration(f"{number:04}_cut_{name}_{field.name}", meta.app_label)
    migration.dependencies = [(meta.app_label, leaf)]
    migration.operations = [
        SeparateDatabaseAndState(
            database_operations=[AlterField(name, field.name, free)] if known.db_constraint else [],
            state_operations=[
                RenameField(name, field.name, field.attname),
                AlterField(name, field.attname, column),
                *changed,
            ],
        )
    ]
    return migration  # type: ignore[no-any-return]  # as made above


def _write(crossing: Crossing, migration: Migration) -> Path:
    writer = MigrationWriter(migration, include_header=False)
    path = Path(writer.path)
    said = fill(
        f"The database drops the constraint, and no more: column, index and rows of "
        f"{crossing.model} stay as they are. Django knows a plain column from here on.",
        width=95,
    )
    header = f'"""Cut {crossing.name}, a {crossing.kind} to {crossing.target}.\n\n{said}\n"""\n\n'
    path.write_text(header + writer.as_string().lstrip(), encoding="utf-8")
    return path
