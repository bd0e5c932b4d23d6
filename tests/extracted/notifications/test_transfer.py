"""How rows map: every column of either side is accounted for, and nothing changes on the way."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from django.apps import apps
from django.db import models as django
from hypothesis import given
from hypothesis import strategies as st

from extracted.notifications.models import Base
from extracted.notifications.transfer import tables
from strangler.manifest import load
from strangler.transfer.mapping import Row, TableMap, by_table, key_map
from tests.strangler.fastapi.running import ROOT

SOURCES = {
    model._meta.db_table: model
    for model in apps.get_app_config("notifications").get_models(include_auto_created=True)
}
TARGETS = Base.metadata.tables
MAPS = by_table(tables)
DATA = st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=8), max_size=3)


def kind(column: str, field: django.Field[Any, Any]) -> st.SearchStrategy[Any]:
    """Values that the monolith can store in this column."""
    if field.remote_field:
        field = field.target_field  # type: ignore[attr-defined]
    if isinstance(field, django.UUIDField):
        found: st.SearchStrategy[Any] = st.uuids()
    elif isinstance(field, django.DateTimeField):
        found = st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - made aware
    elif isinstance(field, django.IntegerField):
        found = st.integers(-(2**31), 2**31 - 1)
    elif isinstance(field, django.BooleanField):
        found = st.booleans()
    elif isinstance(field, django.JSONField):
        found = DATA
    elif isinstance(field, django.CharField | django.TextField):
        found = st.text(max_size=field.max_length)
    else:
        raise TypeError(f"{column}: say what values a {type(field).__name__} has")
    return found


def rows(source: str) -> st.SearchStrategy[Row]:
    fields = SOURCES[source]._meta.concrete_fields
    return st.fixed_dictionaries({
        field.column: st.none() | kind(field.column, field) if field.null
        else kind(field.column, field)
        for field in fields
    })  # fmt: skip


def born(target: str) -> st.SearchStrategy[Row]:
    """Rows that the service can store."""
    kinds: dict[type, st.SearchStrategy[Any]] = {
        str: st.text(max_size=16),
        bool: st.booleans(),
        dict: DATA,
        int: st.integers(-(2**31), 2**31 - 1),
        datetime: st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - made aware
    }
    return st.fixed_dictionaries({
        column.name: st.none() | one if column.nullable else one
        for column in TARGETS[target].columns
        for one in [kinds.get(column.type.python_type, st.uuids())]
    })  # fmt: skip


@pytest.mark.parametrize("one", tables, ids=lambda one: one.source)
@given(data=st.data())
def test_down_of_up_is_the_row(one: TableMap, data: st.DataObject):
    row = data.draw(rows(one.source))
    assert {**one.kept, **one.back(one.up(row))} == row


@pytest.mark.parametrize("one", tables, ids=lambda one: one.source)
@given(data=st.data())
def test_up_of_down_is_the_row(one: TableMap, data: st.DataObject):
    made = {target.table: data.draw(born(target.table)) for target in one.targets}
    assert one.up({**one.kept, **one.back(made)}) == made


def test_every_table_and_column_of_the_monolith_is_carried():
    assert {one.source for one in tables} == SOURCES.keys()
    for one in tables:
        columns = {field.column for field in SOURCES[one.source]._meta.concrete_fields}
        assert one.mapped() | one.kept.keys() == columns


def test_every_table_and_column_of_the_service_is_filled():
    targets = {target.table: target for one in tables for target in one.targets}
    assert targets.keys() == TARGETS.keys()
    for name, target in targets.items():
        assert target.columns.keys() == set(TARGETS[name].columns.keys())


def test_either_key_names_both():
    for one in tables:
        (source_key,) = [
            field.column for field in SOURCES[one.source]._meta.concrete_fields if field.primary_key
        ]
        for target in one.targets:
            target_key = [column.name for column in TARGETS[target.table].primary_key]
            assert key_map(target, [source_key], target_key).up((1,)) == (1,)


def test_the_service_stores_whatever_the_monolith_can():
    """Nothing is narrower, so no row is parked for want of room."""
    for one in tables:
        fields = {field.column: field for field in SOURCES[one.source]._meta.concrete_fields}
        for target in one.targets:
            for mine, theirs in target.copied.items():
                column, field = TARGETS[target.table].columns[mine], fields[theirs]
                assert column.nullable == field.null
                room = getattr(column.type, "length", None)
                assert room is None or field.max_length is None or room >= field.max_length


def test_the_manifest_names_the_maps():
    manifest = load(ROOT / "router" / "capabilities.toml")
    assert (
        manifest.capabilities["notifications"].transfer == "extracted.notifications.transfer:tables"
    )
    assert MAPS["notifications_inbox"] is MAPS["inbox"]


def test_the_mover_needs_nothing_of_the_service():
    code = "import sys, extracted.notifications.transfer as t; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not {"django", "fastapi", "sqlalchemy"} & set(done.stdout.split())
