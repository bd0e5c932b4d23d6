"""A provider for each test, and whoever pays."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monolith.payments.models import Intent
from monolith.payments.providers import connect
from monolith.payments.providers.http import HttpProvider
from monolith.payments.sandbox.books import Books
from monolith.payments.sandbox.faults import Faults, Plan
from monolith.payments.sandbox.server import SandboxServer
from strangler.ports.context import Context, User, use
from tests.monolith.payments.serving import SECRET


@pytest.fixture(autouse=True)
def _own_provider(settings: Any, tmp_path: Path) -> Iterator[None]:
    """The sandbox within this process, with books of the test's own."""
    settings.PAYMENTS = {
        "PROVIDER_URL": "",
        "WEBHOOK_SECRETS": [SECRET],
        "SANDBOX_BOOKS": tmp_path / "sandbox.sqlite3",
    }
    yield
    if isinstance(left := connect.provider(), HttpProvider):
        left.close()
    connect._connected.cache_clear()


@pytest.fixture
def books(settings: Any) -> Callable[[], dict[str, Any]]:
    """What the provider within this process has in its books, by key."""
    return Books(settings.PAYMENTS["SANDBOX_BOOKS"], telling=False).shown


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    """A sandbox that serves HTTP."""
    books = Books(tmp_path_factory.mktemp("sandbox") / "books.sqlite3", telling=False)
    with SandboxServer(("127.0.0.1", 0), books, Faults(Plan())) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def plan(server: SandboxServer, settings: Any) -> Callable[..., None]:
    """The provider is reached by HTTP; ``plan(next=["after"])`` says what goes wrong there."""
    settings.PAYMENTS = {**settings.PAYMENTS, "PROVIDER_URL": server.url}

    def put(**plan: Any) -> None:
        body = json.dumps({"seconds": 30.0, **plan}).encode()
        request = urllib.request.Request(f"{server.url}/faults", body, method="PUT")
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200

    put()
    return put


@pytest.fixture
def as_cleo() -> Iterator[User]:
    """Everything in the test is done for Cleo."""
    with use(Context(user=User("cleo", ("customer",)))) as context:
        assert context.user is not None
        yield context.user


@pytest.fixture
def time_passes(db: None) -> Callable[[timedelta], None]:
    """All that payments know of the time moves into the past."""

    def pass_(span: timedelta) -> None:
        for row in Intent.objects.all():
            Intent.objects.filter(pk=row.pk).update(
                asked_at=row.asked_at - span, due_at=row.due_at and row.due_at - span
            )

    return pass_
