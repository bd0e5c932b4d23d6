"""A database promises what every store does, PostgreSQL and SQLite alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections, transaction

from strangler.django.saga.models import LogIsAppendOnly, SagaEntry
from strangler.django.saga.store import Tables
from strangler.saga.store import Change
from tests.strangler.saga.conformance import Conformance, Crowd, kept

ALIAS = "sagas"


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any
) -> Iterator[None]:
    """A database of its own, for every thread, in which what is written is there."""
    import environ

    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('sagas') / 'sagas.sqlite3'}"
    else:
        url = request.getfixturevalue("postgres").create()
    known = {**connections.settings, ALIAS: environ.Env.db_url_config(url)}
    connections.settings[ALIAS] = connections.configure_settings(known)[ALIAS]
    with django_db_blocker.unblock():
        call_command("migrate", "strangler", database=ALIAS, verbosity=0)
        yield
        connections[ALIAS].close()
        del connections[ALIAS]
        del connections.settings[ALIAS]


@pytest.fixture
def store(database: None) -> Iterator[Tables]:
    yield Tables(ALIAS)
    with connections[ALIAS].cursor() as cursor:
        for table in ("saga", "sagaentry", "sagalock"):
            cursor.execute(f"DELETE FROM strangler_{table}")  # noqa: S608 - our own names


@pytest.fixture
def close() -> Callable[[], None]:
    return connections.close_all


class TestTables(Conformance, Crowd):
    def test_nothing_is_written_inside_of_another_transaction(self, store: Tables):
        one = kept(store)

        with transaction.atomic(using=ALIAS), pytest.raises(RuntimeError, match="durable"):
            store.write(one, Change(one))

    def test_what_work_has_written_is_undone_with_it(self, store: Tables):
        one = kept(store)
        other = kept(Tables(ALIAS), _other())

        def work() -> Change:
            SagaEntry.objects.using(ALIAS).create(
                saga=other.id, number=7, at=1.0, step="", event="done", state="running",
                attempt=1, token=1,
            )  # fmt: skip
            raise KeyError

        with pytest.raises(KeyError):
            store.write_with(one, work)
        assert len(store.log(other.id)) == 1

    def test_a_log_is_only_added_to(self, store: Tables):
        one = kept(store)
        rows = SagaEntry.objects.using(ALIAS).filter(saga=one.id)

        for change in (
            lambda: rows.update(detail="another"),
            rows.delete,
            rows.get().delete,
            lambda: rows.get().save(),
        ):
            with pytest.raises(LogIsAppendOnly):
                change()
        assert len(store.log(one.id)) == 1


def _other() -> Any:
    from tests.strangler.saga.conformance import record

    return record("2")
