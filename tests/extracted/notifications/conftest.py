"""A migrated database of each kind, who writes down in it, a mail server, and who knows people."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contracts.identity import Account, Identity, Role, UnknownUser
from extracted.notifications import delivering
from extracted.notifications.delivering import Deliverer
from extracted.notifications.handlers import handling
from extracted.notifications.mailing import Mailer
from extracted.notifications.migrating import SCHEMA
from extracted.notifications.models import Base, Inbox, ParkedEvent
from extracted.notifications.telling import telling
from strangler.events.consumer import Consumer
from strangler.sqlalchemy.database import Database
from strangler.sqlalchemy.events.ledger import consumer
from tests.extracted.tables import emptied
from tests.monolith.notifications.postbox import Postbox, Program, postbox, program

KINDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(scope="module", params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty database of either kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('notifications') / 'own.sqlite3'}"
        return
    postgres = request.getfixturevalue("postgres")
    created = postgres.create()
    yield created
    postgres.drop(created)


@pytest.fixture(scope="module")
def migrated(url: str) -> Iterator[Database]:
    with Database(url) as database:
        SCHEMA.migrate(database)
        yield database


@pytest.fixture
def database(migrated: Database) -> Database:
    """No rows are in it yet."""
    return emptied(migrated, Base.metadata)


@pytest.fixture
def listener(database: Database) -> Consumer:
    """The service's consumer."""
    return consumer(handling(telling(database)), database, Inbox, ParkedEvent)


@pytest.fixture
def mails() -> Iterator[Postbox]:
    with postbox() as box:
        yield box


@pytest.fixture
def hooked() -> Iterator[Program]:
    with program() as told:
        yield told


class People(Identity):
    """Knows everybody but ``nobody``; who is ``silent`` has no address."""

    def account(self, user: str) -> Account:
        if user == "nobody":
            raise UnknownUser(user=user)
        email = "" if user == "silent" else f"{user}@example.com"
        return Account(id=user, username=user, email=email, roles=[Role.CUSTOMER])


@pytest.fixture
def deliverer(database: Database, mails: Postbox, monkeypatch: pytest.MonkeyPatch) -> Deliverer:
    url = f"smtp://127.0.0.1:{mails.port}"
    mailer = Mailer(url, timeout=20, sender="shop@shop.invalid", domain="shop.invalid")
    monkeypatch.setattr(delivering, "identity", People())
    return Deliverer(database, mailer)
