from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
from celery import current_app
from django.core.servers.basehttp import WSGIRequestHandler
from django.db import connection
from django.db.utils import OperationalError
from django.test import Client, RequestFactory
from django.utils import timezone

from monolith.config.management.commands.runserver import Server
from monolith.config.wiring import identify
from monolith.identity import sessions, tokens
from monolith.identity.models import RefreshToken, User
from monolith.identity.tasks import purge_refresh_tokens
from strangler.django.edge.identity import CredentialsRefused
from strangler.ports.context import User as KitUser

pytestmark = pytest.mark.django_db


def test_alive_and_ready(client: Client):
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}
    assert client.post("/readyz").status_code == 405


def test_without_its_database_it_is_alive_and_not_ready(
    client: Client, monkeypatch: pytest.MonkeyPatch
):
    def away() -> None:
        raise OperationalError("the database is away")

    monkeypatch.setattr(connection, "cursor", away)

    assert client.get("/healthz").status_code == 200
    response = client.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (503, "unready")


def test_probes_and_ports_are_asked_without_https(client: Client, settings: Any):
    settings.SECURE_SSL_REDIRECT = True

    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 200
    assert client.post("/_strangler/ports/catalog/product").status_code != 301
    assert client.get("/api/catalog/products/").status_code == 301


def test_jobs_run_where_they_are_asked_for_without_a_broker(user: Callable[..., User]):
    sessions.begin(user("ada"))
    RefreshToken.objects.update(expires_at=timezone.now())

    assert current_app.main == "monolith"
    assert purge_refresh_tokens.delay().get() == 1


def test_every_scheduled_job_exists():
    schedule = current_app.conf.beat_schedule
    current_app.loader.import_default_modules()

    assert schedule
    assert {entry["task"] for entry in schedule.values()} <= set(current_app.tasks)


def test_the_kit_knows_a_user_as_the_views_do(user: Callable[..., User]):
    ada, bo = user("ada"), user("bo", is_staff=True)
    factory = RequestFactory()

    def by_token(token: str) -> KitUser | None:
        return identify(factory.get("/", headers={"authorization": f"Bearer {token}"}))

    assert by_token(tokens.issue(ada)) == KitUser(str(ada.pk), ("customer",))
    assert by_token(tokens.issue(bo)) == KitUser(str(bo.pk), ("customer", "staff"))
    assert by_token("garbage") is None  # here no view looks at it
    assert identify(factory.get("/")) is None


def test_it_refuses_what_the_view_refuses():
    forged = {"authorization": "Bearer garbage"}
    with pytest.raises(CredentialsRefused) as refused:
        identify(RequestFactory().get("/api/inventory/availability", headers=forged))
    viewed = Client().get("/api/inventory/availability?sku=A", headers=forged)
    said = refused.value.response
    assert (said.status_code, json.loads(said.content)) == (401, viewed.json())
    assert said["WWW-Authenticate"] == viewed["WWW-Authenticate"]
    assert identify(RequestFactory().post("/api/pricing/quote", headers=forged)) is None


def test_the_kit_knows_a_session_too_even_for_what_changes_things(user: Callable[..., User]):
    bo = user("bo", is_staff=True)
    request = RequestFactory().post("/")
    request.user = bo

    assert identify(request) == KitUser(str(bo.pk), ("customer", "staff"))


def test_the_admin_site_wants_staff(user: Callable[..., User]):
    client = Client()
    client.force_login(user("ada"))

    assert client.get("/admin/").status_code == 302


def test_the_index_names_paths_that_are_there(client: Client):
    paths = client.get("/").json()

    assert paths["products"] == "/api/catalog/products/"
    for name, path in paths.items():
        assert client.get(path).status_code != 404, name
    assert client.post("/").status_code == 405


def test_runserver_sends_at_once():
    with Server(("127.0.0.1", 0), WSGIRequestHandler) as server:
        with socket.create_connection(server.server_address):
            accepted, _ = server.get_request()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
