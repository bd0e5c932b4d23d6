"""Both arms, started once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.parity import shop as shops
from tests.parity.arms import Arms, running
from tests.parity.shop import Shop
from tests.servers import Postgres

DATABASES = ("monolith", "catalog", "inventory", "notifications")


@pytest.fixture(scope="session")
def arms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arms]:
    """Of pricing, with a catalog that knows the corpus."""
    with running(tmp_path_factory.mktemp("arms")) as found:
        yield found


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Of catalog, inventory and notifications, on SQLite."""
    folder = tmp_path_factory.mktemp("shop")
    urls = {name: f"sqlite:///{folder / name}.sqlite3" for name in DATABASES}
    with shops.running(folder, **urls) as found:
        yield found


@pytest.fixture(scope="session")
def shop_on_postgres(
    postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """The same on PostgreSQL."""
    urls = {name: postgres.create() for name in DATABASES}
    with shops.running(tmp_path_factory.mktemp("shop"), **urls) as found:
        yield found
    for url in urls.values():
        postgres.drop(url)
