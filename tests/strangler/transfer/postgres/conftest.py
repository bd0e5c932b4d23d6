from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from strangler.ladder import Arm
from strangler.transfer.database import Session
from strangler.transfer.mapping import Key
from strangler.transfer.postgres import PostgresDatabase

TABLES = ("category", "product", "stock")
SCHEMA = """
CREATE TABLE category (id serial PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE product (
    sku text PRIMARY KEY,
    category_id integer REFERENCES category (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    title varchar(40) NOT NULL,
    amount numeric(12, 2),
    note text
);
CREATE TABLE stock (
    sku text NOT NULL REFERENCES product (sku) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    place integer NOT NULL,
    left_over integer NOT NULL DEFAULT 0,
    PRIMARY KEY (sku, place)
);
"""


@pytest.fixture
def url(emptied: str) -> str:
    with psycopg.connect(emptied, autocommit=True) as connection:
        connection.execute(SCHEMA)
    return emptied


@pytest.fixture
def database(url: str) -> PostgresDatabase:
    return PostgresDatabase(url, capability="catalog", arm=Arm.MONOLITH, tables=TABLES)


@pytest.fixture
def session(database: PostgresDatabase) -> Iterator[Session]:
    session = database.session()
    session.install(owner=Arm.MONOLITH, epoch=1)
    session.seize(1)
    yield session
    session.close()


Connect = Callable[..., psycopg.Connection]


@pytest.fixture
def connect(url: str) -> Iterator[Connect]:
    """A connection of the application, in autocommit."""
    made: list[psycopg.Connection] = []

    def connecting(role: str = "postgres") -> psycopg.Connection:
        where = url.replace("postgres@", f"{role}@")
        made.append(psycopg.connect(where, autocommit=True, application_name="shop"))
        return made[-1]

    yield connecting
    for connection in made:
        connection.close()


@pytest.fixture
def app(connect: Connect) -> psycopg.Connection:
    return connect()


def start(session: Session, *, token: int = 1) -> None:
    """Capture from now on."""
    with session.step(token=token, epoch=1) as step:
        step.capture(on=True, patience=5)


def fence(session: Session, *, up: bool, patience: float = 5, token: int = 1) -> None:
    with session.step(token=token, epoch=1) as step:
        step.fence(up=up, patience=patience)


def keys_of(session: Session) -> set[tuple[str, Key]]:
    """What is dirty, which then is so no more."""
    found: set[tuple[str, Key]] = set()
    while True:
        with session.claim(100_000) as claim:
            if not claim.entries:
                return found
            found |= {(entry.table, entry.key) for entry in claim.entries}
