"""The history can only be added to: by Django, and by whoever reaches the database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from strangler.django.control_plane import history
from strangler.django.models import Change, HistoryIsAppendOnly
from tests.strangler.django.foreign import MIGRATE, Foreign

RAW = """
from django.db import DatabaseError, connections
from django.utils import timezone
from strangler.django.control_plane import history
from strangler.django.models import Change

Change.objects.using("plane").create(
    revision=1, capability="billing", action="hold", actor="eve", at=timezone.now()
)
cursor = connections["plane"].cursor()
for statement in (
    "UPDATE strangler_change SET actor = 'somebody else'",
    "DELETE FROM strangler_change",
    "TRUNCATE strangler_change",
):
    try:
        cursor.execute(statement)
    except DatabaseError as error:
        assert "append-only" in str(error), error
    else:
        raise AssertionError(statement)
assert Change.objects.using("plane").get().actor == "eve"
assert history.guarded(connections["plane"])
history.remove(connections["plane"])
assert not history.guarded(connections["plane"])
cursor.execute("DELETE FROM strangler_change")
history.install(connections["plane"])
history.install(connections["plane"])
assert history.guarded(connections["plane"])
cursor.execute("TRUNCATE strangler_change")  # it is empty: a test runner's farewell
"""


def change() -> Change:
    return Change.objects.create(revision=1, action="hold", actor="ann", at=timezone.now())


def altered(one: Change) -> None:
    one.actor = "bob"
    one.save()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "act",
    [
        altered,
        lambda one: one.delete(),
        lambda _: Change.objects.update(actor="bob"),
        lambda _: Change.objects.all().delete(),
        lambda _: Change.objects.all()._raw_delete("default"),
        lambda one: Change.objects.bulk_update([one], ["actor"]),
        lambda _: Change.objects.update_or_create(revision=1, defaults={"actor": "bob"}),
    ],
)
def test_python_refuses(act: Callable[[Change], Any]) -> None:
    recorded = change()
    with pytest.raises(HistoryIsAppendOnly, match="append-only"), transaction.atomic():
        act(recorded)
    assert Change.objects.get().actor == "ann"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    ["UPDATE strangler_change SET actor = 'bob'", "DELETE FROM strangler_change"],
)
def test_the_database_of_the_reference_project_refuses(statement: str) -> None:
    change()
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert history.guarded(connection)


@pytest.mark.postgres
def test_raw_sql_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    shop = Foreign(tmp_path, postgres_url)
    done = shop.python(MIGRATE + RAW)
    assert done.returncode == 0, done.stderr
