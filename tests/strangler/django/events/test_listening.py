"""Listening in Django, on both databases: the handlers' transaction is the inbox's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.apps.registry import Apps
from django.db import DatabaseError, connections, models, transaction

from strangler.django.doors import writers
from strangler.django.doors.fencing import Fenced
from strangler.django.events import inbox
from strangler.django.events.consuming import DjangoLedger
from strangler.events import parking
from strangler.events.consumer import Consumer
from strangler.events.envelope import Envelope
from strangler.events.failing import Later
from strangler.events.replayed import Replayed
from strangler.events.subscribe import Handlers
from strangler.ladder import Arm
from strangler.ports.errors import NotOwner
from tests.strangler.events.listening import star
from tests.strangler.events.sample import StarSeen

ALIAS = "listening"


class Inbox(inbox.InboxEntry):
    class Meta:
        app_label = "notes"
        apps = Apps()


class ParkedEvent(inbox.ParkedEvent):
    class Meta:
        app_label = "notes"
        apps = Apps()


class Effect(models.Model):
    name = models.CharField(max_length=50)
    number = models.IntegerField()

    class Meta:
        app_label = "notes"
        apps = Apps()

    def __str__(self) -> str:
        return self.name


class Listener:
    def __init__(self) -> None:
        self.trouble: Callable[[StarSeen], None] = lambda _: None
        self.handlers = Handlers("notes")
        self.handlers.on(self._remember)
        ledger = DjangoLedger("notes", Inbox, ParkedEvent, using=ALIAS)
        self.consumer = Consumer(self.handlers, ledger)
        self.writers: set[str] = set()

    def _remember(self, event: StarSeen) -> None:
        self.writers.add(writers.writer())
        with transaction.atomic(using=ALIAS):
            Effect.objects.using(ALIAS).create(name=event.name, number=event.number)
        self.trouble(event)

    def take(self, *events: Envelope) -> None:
        self.consumer.take(events)

    def effects(self) -> list[tuple[str, int]]:
        return [(one.name, one.number) for one in Effect.objects.using(ALIAS).order_by("id")]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def listener(request: Any, tmp_path: Path, django_db_blocker: Any) -> Iterator[Listener]:
    usual = connections["default"].settings_dict
    if request.param == "sqlite":
        said = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "notes.sqlite3")}
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
            for model in (Inbox, ParkedEvent, Effect):
                editor.create_model(model)
        yield Listener()
        connection.close()
    del connections[ALIAS]
    del connections.databases[ALIAS]


def poison(event: StarSeen) -> None:
    if event.name == "Sirius":
        raise ValueError("not there")


def test_each_effect_happens_once_and_a_poisoned_key_waits_in_order(listener: Listener) -> None:
    events = [star(name, n) for n in (1, 2) for name in ("Vega", "Sirius")]
    listener.trouble = poison
    listener.take(*events)
    listener.take(*events, *events)
    assert listener.effects() == [("Vega", 1), ("Vega", 2)]
    found = parking.parked(listener.consumer)
    assert [(one.key, one.version, one.attempts) for one in found] == [
        ("sky.star/Sirius", 1, 1),
        ("sky.star/Sirius", 2, 0),
    ]
    assert found[0].due is not None
    assert found[0].due > found[0].at
    listener.trouble = lambda _: None
    assert parking.replay(listener.consumer) == Replayed(2)
    assert listener.effects() == [("Vega", 1), ("Vega", 2), ("Sirius", 1), ("Sirius", 2)]
    assert parking.counted(listener.consumer) == (0, 0)
    assert listener.writers == {"events:notes"}


@pytest.mark.parametrize("doomed", [True, False])
def test_a_swallowed_error_loses_nothing(listener: Listener, *, doomed: bool) -> None:
    """Django undoes such a transaction at its end, and PostgreSQL at its commit, both quietly."""

    def swallows(event: StarSeen) -> None:
        if event.name != "Sirius":
            return
        try:
            with transaction.atomic(using=ALIAS, savepoint=not doomed):
                Effect.objects.using(ALIAS).create(name="nobody", number=None)
        except DatabaseError:
            pass

    listener.trouble = swallows
    listener.take(star("Vega", 1), star("Sirius", 1), star("Vega", 2))
    effects = listener.effects()
    assert [one for one in effects if one[0] == "Vega"] == [("Vega", 1), ("Vega", 2)]
    assert (("Sirius", 1) in effects) is not doomed
    parked = parking.parked(listener.consumer)
    assert [one.key for one in parked] == (["sky.star/Sirius"] if doomed else [])


@pytest.mark.parametrize(
    ("owner", "capability", "raised"),
    [(Arm.SERVICE, "notes", NotOwner), (None, "notes", Later), (Arm.SERVICE, "other", None)],
)
def test_the_fence_says_whose_it_is(
    listener: Listener, owner: Arm | None, capability: str, raised: type[Exception] | None
) -> None:
    def fenced(_: StarSeen) -> None:
        raise Fenced("no", capability=capability, owner=owner, writer="x", inside=False)

    listener.trouble = fenced
    if raised is None:
        listener.take(star("Vega", 1))
        assert parking.counted(listener.consumer) == (1, 0)
    else:
        with pytest.raises(raised):
            listener.take(star("Vega", 1))
        assert parking.counted(listener.consumer) == (0, 0)
    assert listener.effects() == []


def test_it_does_not_join_a_transaction_that_is_open(listener: Listener) -> None:
    """What was answered as taken might be undone with that."""
    with transaction.atomic(using=ALIAS), pytest.raises(Later, match="durable"):
        listener.take(star("Vega", 1))
    listener.take(star("Vega", 1))
    assert listener.effects() == [("Vega", 1)]


def test_what_fails_after_its_commit_has_happened(listener: Listener) -> None:
    """It was taken, so it is not set aside: replayed it would happen twice."""

    def afterwards(event: StarSeen) -> None:
        if event.name == "Sirius":
            transaction.on_commit(lambda: poison(event), using=ALIAS)

    listener.trouble = afterwards
    events = [star("Vega", 1), star("Sirius", 1), star("Vega", 2)]
    listener.take(*events)
    listener.take(*events)
    assert listener.effects() == [("Vega", 1), ("Sirius", 1), ("Vega", 2)]
    assert parking.counted(listener.consumer) == (0, 0)
