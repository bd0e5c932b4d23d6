"""What tests of the monolith share: clients of each role, and passwords that hash fast."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from rest_framework.test import APIClient

from strangler.ladder import Share, Stage
from strangler.manifest import load
from strangler.ports.trust.keys import generate
from strangler.routing.publish import point, prepare
from strangler.routing.table import Entry
from tests.monolith.people import PASSWORD


def pytest_port_served() -> None:
    """The thread that answered a port call over HTTP leaves no connection open."""
    for connection in connections.all(initialized_only=True):
        # Django never closes a database in memory; this one lives on in the test's own thread.
        BaseDatabaseWrapper.close(connection)


@pytest.fixture(scope="session")
def signing_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the keys of access tokens are made when they are first wanted."""
    return tmp_path_factory.mktemp("identity") / "keys.json"


@pytest.fixture(scope="session")
def kit_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The kit's table, where every capability stands on ``monolith``, and the monolith's keys."""
    folder = tmp_path_factory.mktemp("kit")
    manifest = load(Path(__file__).parents[2] / "router" / "capabilities.toml")
    entry = Entry(Stage.MONOLITH, 0, held=False, killed=False, share=Share(0, 0), fallback=True)
    point(prepare(folder / "table", 1, dict.fromkeys(manifest.capabilities, entry)))
    generate(folder / "keys", "monolith")
    return {"TABLE": folder / "table", "KEYS": folder / "keys"}


@pytest.fixture(scope="session")
def provider_books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the payment provider within this process keeps its books."""
    return tmp_path_factory.mktemp("payments") / "sandbox.sqlite3"


@pytest.fixture(autouse=True)
def _own_surroundings(
    settings: Any, signing_keys: Path, kit_folders: dict[str, Path], provider_books: Path
) -> None:
    """No test touches a developer's keys, meets another's throttle, or hashes for half a second.

    And on whatever rung a developer's own shop stands, here the monolith answers.
    """
    settings.STRANGLER = {**settings.STRANGLER, **kit_folders}
    settings.IDENTITY = {
        **settings.IDENTITY,
        "KEYS": str(signing_keys),
        "MAKE_MISSING_KEYS": True,
        "DEMO_PASSWORD": "",
    }
    settings.PAYMENTS = {
        "PROVIDER_URL": "",
        "WEBHOOK_SECRETS": [],
        "SANDBOX_BOOKS": provider_books,
    }
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cache.clear()


@pytest.fixture
def user(db: None) -> Callable[..., Any]:
    """Makes users: ``user("ada")``, ``user("bo", is_staff=True)``."""
    from monolith.identity.models import User

    def make(username: str, **fields: Any) -> User:
        return User.objects.create_user(username, f"{username}@example.com", PASSWORD, **fields)

    return make


@pytest.fixture
def client_of() -> Callable[[Any], APIClient]:
    """Makes API clients that show an access token of this user with each request."""
    from monolith.identity import tokens

    def make(user: Any) -> APIClient:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.issue(user)}")
        return client

    return make


@pytest.fixture
def anybody() -> APIClient:
    """A client that shows no credentials."""
    return APIClient()


@pytest.fixture
def customer(user: Callable[..., Any], client_of: Callable[[Any], APIClient]) -> APIClient:
    """A client of a customer."""
    return client_of(user("ada"))


@pytest.fixture
def staff(user: Callable[..., Any], client_of: Callable[[Any], APIClient]) -> APIClient:
    """A client of somebody who runs the shop."""
    return client_of(user("bo", is_staff=True))


@pytest.fixture
def on_postgres(postgres_url: str, django_db_blocker: Any) -> Iterator[None]:
    """The default database is a migrated one on a real PostgreSQL, in every thread of this test.

    Not to be mixed with ``django_db``: nothing is rolled back, the database goes away instead.
    """
    import environ

    before = connections["default"]
    configured = connections.settings["default"]
    settings = connections.configure_settings({"default": environ.Env.db_url_config(postgres_url)})
    with django_db_blocker.unblock():
        connections.settings["default"] = settings["default"]
        connections["default"] = connections.create_connection("default")
        try:
            call_command("migrate", verbosity=0)
            yield
        finally:
            connections["default"].close()
            connections.settings["default"] = configured
            connections["default"] = before
