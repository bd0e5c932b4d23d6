"""Publishing in Django, on both databases: with its transaction, or not at all."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.apps.registry import Apps
from django.db import DatabaseError, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import path

from strangler.django.doors import writers
from strangler.django.events.models import (
    Backlog,
    EventVersion,
    Outbox,
    OutboxParked,
    RelayLease,
    RelayProcess,
)
from strangler.django.events.publishing import Publisher
from strangler.django.shadow.readonly import read_only
from strangler.django.transfer.places import django_url
from strangler.events.outbox import NotInTransaction, OutboxFull
from strangler.events.relay import Relay
from strangler.events.stores.connect import connect, speaks
from strangler.events.stores.writing import Postgres, Sqlite
from strangler.ports.context import Context, Trace, use
from tests.strangler.events.sample import FishCaught, StarSeen
from tests.strangler.events.speaking import RecordingBus, once, told

ALIAS = "speaking"


class SkyVersion(EventVersion):
    class Meta:
        app_label = "sky"
        db_table = "sky_eventversion"
        apps = Apps()


MODELS = (Outbox, OutboxParked, RelayLease, RelayProcess, Backlog, SkyVersion)
events = Publisher(SkyVersion, using=ALIAS)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def speaking(request: Any, tmp_path: Path, django_db_blocker: Any) -> Iterator[Any]:
    """A database of Django's beside the project's, with the kit's tables of events."""
    usual = connections["default"].settings_dict
    if request.param == "sqlite":
        said = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "sky.sqlite3")}
    else:
        parts = urlsplit(request.getfixturevalue("postgres_url"))
        said = {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": parts.path[1:],
            "USER": parts.username or "",
            "PASSWORD": parts.password or "",
            "HOST": parts.hostname or "",
            "PORT": str(parts.port or ""),
        }
    connections.databases[ALIAS] = {**usual, "OPTIONS": {}, **said}
    connection = connections[ALIAS]
    with django_db_blocker.unblock():
        with connection.schema_editor() as editor:
            for model in MODELS:
                editor.create_model(model)
        yield connection
        connection.close()
    del connections[ALIAS]
    del connections.databases[ALIAS]


def rows() -> list[tuple[str, int]]:
    found = Outbox.objects.using(ALIAS).order_by("position")
    return [(one.aggregateid, one.version) for one in found]


def undone(number: int) -> None:
    with transaction.atomic(using=ALIAS):
        events.publish(StarSeen("Vega", number))
        _ = 1 / 0


def test_outside_a_transaction_nothing_can_be_said(speaking: Any):
    with pytest.raises(NotInTransaction, match=r"transaction\.atomic"):
        events.publish(StarSeen("Vega", 1))
    assert rows() == []


def test_it_is_said_with_the_transaction_or_not_at_all(speaking: Any):
    with transaction.atomic(using=ALIAS):
        assert events.publish(StarSeen("Vega", 1)).version == 1
    with pytest.raises(ZeroDivisionError):
        undone(2)
    with transaction.atomic(using=ALIAS):
        with pytest.raises(ZeroDivisionError):
            undone(3)
        assert events.publish(StarSeen("Vega", 4)).version == 2
    assert rows() == [("Vega", 1), ("Vega", 2)]
    assert SkyVersion.objects.using(ALIAS).get().version == 2


def test_versions_and_rows_are_one_statement_on_postgresql(speaking: Any):
    many = [StarSeen(f"star {number % 3}", number) for number in range(10)]
    with transaction.atomic(using=ALIAS):
        with CaptureQueriesContext(speaking) as one:
            events.publish(StarSeen("Vega", 1))
        with CaptureQueriesContext(speaking) as all_of_them:
            published = events.publish_all(many)
    assert [said.version for said in published] == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4]
    assert rows()[1:] == [(f"star {n % 3}", n // 3 + 1) for n in range(10)]
    expected = (1, 1) if speaking.vendor == "postgresql" else (2, 20)
    assert (len(one), len(all_of_them)) == expected


def test_what_compares_says_nothing(speaking: Any):
    """A shadow's question, or a rehearsal in the monolith: nothing of it is committed."""
    with pytest.raises(DatabaseError), read_only(), transaction.atomic(using=ALIAS):
        events.publish(StarSeen("Vega", 1))
    assert rows() == []


def test_a_relay_tells_what_django_has_said(speaking: Any, tmp_path: Path):
    trace = Trace.begin()
    with use(Context(trace=trace)), transaction.atomic(using=ALIAS):
        events.publish_all([StarSeen("Vega", 1), FishCaught("trout"), StarSeen("Vega", 2)])
    url = django_url(ALIAS)
    assert speaks(url)
    with closing(connect(url)) as store:
        assert store.backlog().waiting == {"sky": 2, "sea": 1}
    stop = threading.Event()
    relay = Relay(lambda: connect(url), lambda: RecordingBus(tmp_path / "record"))
    thread = threading.Thread(target=relay.run, args=(stop,))
    thread.start()
    while relay.published < 3 and thread.is_alive():
        stop.wait(0.01)
    stop.set()
    thread.join()
    found = told(tmp_path / "record")
    assert once(found) == {"sky.star/Vega": [1, 2], "sea.fish/trout": [1]}
    assert {one.traceparent for one in found} == {trace.header}
    with closing(connect(url)) as store:
        assert (store.backlog().waiting, store.backlog().relays) == ({}, ())


def test_whose_rows_the_statement_writes_is_known(monkeypatch: pytest.MonkeyPatch):
    """The journal names the writer of versions, too."""
    found = ({"sky_eventversion": "sky"}, re.compile(r"\bsky_eventversion\b"))
    monkeypatch.setattr(writers, "_tables", lambda: found)
    postgres, sqlite = Postgres("sky_eventversion"), Sqlite("sky_eventversion", mark="%s")
    statements = (postgres._one, postgres._many, sqlite._count)
    assert [writers.written(one) for one in statements] == ["sky"] * 3


def full(_request: HttpRequest) -> HttpResponse:
    raise OutboxFull(1_000_001, 1_000_000)


urlpatterns = [path("full/", full)]


@override_settings(ROOT_URLCONF=__name__)
def test_a_client_is_asked_to_come_again(client: Client):
    answer = client.get("/full/")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert answer.json()["error"] == "OutboxFull"
