"""A shop with ``ATOMIC_REQUESTS``, in a process of its own, and what it does around a freeze.

Settings, paths and views are here; ``main`` plays every scene and prints what was seen.
"""

# ruff: noqa: E402 - models and views exist once Django is set up

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import django

django.setup()

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from monolith.inventory.models import Warehouse
from strangler.django import conf
from strangler.django.door import NotOwner, commanding
from strangler.ladder import Arm, Share, Stage
from strangler.routing.publish import point, prepare
from strangler.routing.table import Entry
from strangler.transfer import connect
from strangler.transfer.database import Session
from strangler.transfer.errors import LockTimeout
from strangler.transfer.sqlite import link

begun: list[tuple[str, bool]] = []
"""Each view that has begun, and whether a transaction was open."""
written, go_on = threading.Event(), threading.Event()


def _begin(what: str) -> None:
    begun.append((what, connection.in_atomic_block))


def _note(words: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO notes VALUES (%s)", [words])


@csrf_exempt
def twice(request: HttpRequest) -> HttpResponse:
    """A command that would commit twice, were it not for the setting."""
    code = request.GET["code"]
    _begin(code)
    with transaction.atomic():
        Warehouse.objects.create(code=f"{code}-1", name="first")
    written.set()
    go_on.wait(10)
    with transaction.atomic():
        Warehouse.objects.create(code=f"{code}-2", name="second")
    return HttpResponse("both")


def careless(request: HttpRequest) -> HttpResponse:
    """A page that writes where it should not, and takes every failure for a success."""
    _note("careless")
    try:
        with transaction.atomic():
            Warehouse.objects.get_or_create(code="visits", defaults={"name": "x"})
    except Exception:  # noqa: BLE001, S110  # as careless code does
        pass
    return HttpResponse("well done")


def late(request: HttpRequest) -> HttpResponse:
    """A page that comes to the door with its transaction open."""
    _note("late")
    written.set()
    try:
        with commanding("inventory", patience=6):
            Warehouse.objects.create(code="late", name="Late")
    except NotOwner:
        return HttpResponse("elsewhere")
    return HttpResponse("here")


urlpatterns = [
    path("api/inventory/twice", twice),
    path("careless", careless),
    path("late", late),
]


class _Asked(threading.Thread):
    """One request, as a worker of its own answers it."""

    def __init__(self, method: str, where: str) -> None:
        super().__init__()
        self._asked = method, where
        self.answer: Any = None
        written.clear()
        self.start()

    def run(self) -> None:
        method, where = self._asked
        try:
            self.answer = Client(raise_request_exception=False).generic(method, where, b"{}")
        finally:
            connection.close()

    def said(self) -> tuple[int, str]:
        self.join(20)
        arm = self.answer.headers.get("X-Strangler-Arm", "")
        return self.answer.status_code, arm or self.answer.content.decode()


def _codes() -> list[str]:
    return sorted(Warehouse.objects.values_list("code", flat=True))


def _notes() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM notes")
        return int(cursor.fetchone()[0])


def _open_transactions() -> int:
    """Of anybody else; on SQLite one is enough to keep us from writing."""
    if connection.vendor == "sqlite":
        with transaction.atomic():  # BEGIN IMMEDIATE, which would wait
            return 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND state LIKE 'idle in transaction%%' AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


def _owned(mover: Session, owner: Arm, epoch: int) -> None:
    with mover.step(token=1, epoch=epoch - 1) as step:
        step.record(owner=owner, epoch=epoch, frozen=False)
        step.fence(up=owner is Arm.SERVICE, patience=2)


def _inside(mover: Session) -> dict[str, Any]:
    """Somebody is inside when the door closes, and somebody comes; then the service owns."""
    go_on.clear()
    first = _Asked("POST", "/api/inventory/twice?code=in")
    written.wait(10)
    seen_before = _codes()
    threading.Timer(0.3, go_on.set).start()
    mover.close_door(patience=5)
    closed = _codes()
    second = _Asked("POST", "/api/inventory/twice?code=out")
    time.sleep(0.3)
    waiting = second.is_alive(), _open_transactions()
    _owned(mover, Arm.SERVICE, 2)
    mover.open_door()
    return {
        "first": first.said(), "half": seen_before, "closed": closed, "waiting": waiting,
        "second": second.said(), "codes": _codes(), "begun": begun,
    }  # fmt: skip


def _fenced() -> dict[str, Any]:
    """The fence is met in the midst of a page that has written something else before."""
    return {"answer": _Asked("GET", "/careless").said()[0], "notes": _notes(), "codes": _codes()}


def _waiting_inside(mover: Session) -> dict[str, Any]:
    """A freeze meets a page that has its transaction open and waits at the door."""
    _owned(mover, Arm.MONOLITH, 3)
    mover.close_door(patience=1)
    page = _Asked("GET", "/late")
    written.wait(10)
    time.sleep(0.2)
    began, undone = time.monotonic(), False
    try:
        _owned(mover, Arm.SERVICE, 4)
    except LockTimeout:
        undone = True
    took = time.monotonic() - began
    mover.open_door()
    return {
        "undone": undone, "took": took, "answer": page.said(), "notes": _notes(),
        "late": "late" in _codes(), "all": time.monotonic() - began,
    }  # fmt: skip


@contextmanager
def _mover() -> Iterator[Session]:
    made = connect.database(
        os.environ["DATABASE_URL"],
        capability="inventory",
        arm=Arm.MONOLITH,
        tables=["inventory_warehouse"],
    ).session()
    made.install(owner=Arm.MONOLITH, epoch=1)
    made.seize(1)
    try:
        yield made
    finally:
        made.close()


def main() -> None:
    """Play."""
    link.BUSY_SECONDS = 1.0
    entry = Entry(Stage.CANARY, 0, held=False, killed=False, share=Share(0, 0), fallback=True)
    point(prepare(conf.settings().table, 1, {"inventory": entry}))
    with connection.schema_editor() as editor:
        editor.create_model(Warehouse)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE notes (words text)")
    with _mover() as mover:
        scenes: dict[str, Callable[[], dict[str, Any]]] = {
            "inside": lambda: _inside(mover),
            "fenced": _fenced,
            "waiting": lambda: _waiting_inside(mover),
        }
        print(json.dumps({name: play() for name, play in scenes.items()}))  # noqa: T201 - asked for
    connection.close()
