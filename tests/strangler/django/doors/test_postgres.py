"""The same on PostgreSQL: the comment that its triggers read, and its fence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connections, transaction

from monolith.inventory.models import Warehouse
from strangler.django.door import Fenced
from strangler.django.doors import fencing, writers
from strangler.ladder import Arm
from strangler.ports.context import Context, use
from strangler.transfer.connect import database, door
from strangler.transfer.database import Session

ALIAS = "postgres_rows"


@pytest.fixture
def session(postgres_url: str, django_db_blocker: Any) -> Iterator[Session]:
    """Inventory's warehouses in a database of their own, beside Django's alias for it."""
    parts = urlsplit(postgres_url)
    connections.databases[ALIAS] = {
        **connections["default"].settings_dict,
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path[1:],
        "USER": parts.username or "",
        "PASSWORD": parts.password or "",
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "OPTIONS": {},
    }
    connection = connections[ALIAS]
    with django_db_blocker.unblock():
        with connection.schema_editor() as editor:
            editor.create_model(Warehouse)
        session = database(
            postgres_url, capability="inventory", arm=Arm.MONOLITH, tables=["inventory_warehouse"]
        ).session()
        session.install(owner=Arm.MONOLITH, epoch=1)
        session.seize(1)
        fencing.taken()
        yield session
        session.close()
        connection.close()
        fencing.taken()
    del connections[ALIAS]
    del connections.databases[ALIAS]


def create(code: str) -> None:
    # What a client sends can look like our comment; only what stands at the end counts.
    name = "/*strangler door=1 by=forged*/"
    Warehouse.objects.using(ALIAS).get_or_create(code=code, defaults={"name": name})


@pytest.mark.parametrize(("held", "through"), [((), "0"), (("inventory@monolith",), "1")])
def test_the_journal_names_the_writer_and_his_door(
    session: Session, held: tuple[str, ...], through: str
) -> None:
    with session.step(token=1, epoch=1) as step:
        step.capture(on=True, patience=1)
    with use(Context(doors=held)), writers.doing("shop.views.ship"):
        create("north")
    with session.claim(10) as claim:
        (entry,) = claim.entries
    assert (entry.writer, str(int(entry.door))) == ("shop.views.ship", through)


def test_the_fence_is_known_and_nothing_is_committed(session: Session) -> None:
    with session.step(token=1, epoch=1) as step:
        step.record(owner=Arm.SERVICE, epoch=2, frozen=False)
        step.fence(up=True, patience=1)
    with pytest.raises(Fenced) as refused, writers.doing("celery:count"):
        create("north")
    found = refused.value
    assert (found.capability, found.owner, found.writer) == (
        "inventory",
        Arm.SERVICE,
        "celery:count",
    )
    with transaction.atomic(using=ALIAS):
        assert Warehouse.objects.using(ALIAS).count() == 0
    with session.step(token=1, epoch=2) as step:
        step.record(owner=Arm.SERVICE, epoch=2, frozen=True)
    with pytest.raises(Fenced) as refused:
        create("north")
    assert refused.value.owner is None


def test_rows_have_moved_once_the_journal_has_forgotten_them(
    session: Session, postgres_url: str
) -> None:
    ours = door(postgres_url, capability="inventory", arm=Arm.MONOLITH)
    with session.step(token=1, epoch=1) as step:
        step.capture(on=True, patience=1)
    create("north")
    position = ours.position()
    assert not ours.applied(position)
    with session.claim(10):
        pass
    assert ours.applied(position)
    ours.close()
