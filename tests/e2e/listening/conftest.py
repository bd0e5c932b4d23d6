"""The shop on either pair of database and bus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.chaos.conftest import CHAOS
from tests.e2e.listening.stand import Places, Stand, opened
from tests.servers import Postgres

Open = Callable[..., AbstractContextManager[Stand]]
collect_ignore = [] if CHAOS else ["test_for_minutes.py"]
NAMES = ("listening_monolith", "listening_service")


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Open:
    """On files, with events that are pushed over HTTP."""
    urls = [f"sqlite:///{tmp_path / name}.sqlite3" for name in NAMES]

    def open_(rate: float) -> AbstractContextManager[Stand]:
        places = Places(urls[0], urls[1], (urls[0], urls[1]))
        return opened(tmp_path, places, bus="http", rate=rate)

    return open_


@pytest.fixture
def on_postgres(postgres: Postgres, redis_url: str, tmp_path: Path) -> Iterator[Open]:
    """On a server, with a broker; the mover logs in as itself, and is no superuser."""
    roles = [sql.Identifier("listening_shop"), sql.Identifier("listening_mover")]
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(roles[0]))
        admin.execute(sql.SQL("CREATE ROLE {1} LOGIN IN ROLE {0}").format(*roles))
        for name in NAMES:
            made = sql.SQL("CREATE DATABASE {} OWNER {}")
            admin.execute(made.format(sql.Identifier(name), roles[0]))

    def url(role: str, name: str) -> str:
        return f"postgresql://listening_{role}@127.0.0.1:{postgres.port}/{name}"

    @contextmanager
    def open_(rate: float) -> Iterator[Stand]:
        shop, mover = ([url(role, name) for name in NAMES] for role in ("shop", "mover"))
        places = Places(shop[0], shop[1], (mover[0], mover[1]))
        with opened(tmp_path, places, bus=f"{redis_url}?lease=3s", rate=rate) as stand:
            yield stand

    yield open_
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        for name in NAMES:
            dropped = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            admin.execute(dropped.format(sql.Identifier(name)))
        for role in reversed(roles):
            admin.execute(sql.SQL("DROP ROLE {}").format(role))
