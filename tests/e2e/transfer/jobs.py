"""Jobs of the shop: a task that does not know of the door, and one that is in a hurry."""

from __future__ import annotations

import time
from contextlib import suppress

from celery import shared_task
from celery.exceptions import Retry

from monolith.inventory.models import Warehouse
from monolith.inventory.tasks import expire_reservations
from strangler.django.door import DoorShut, Fenced, NotOwner, commanding

attempts: list[str] = []
"""How each attempt of the task that is in a hurry has ended."""


@shared_task
def rename(code: str, name: str) -> int:
    return int(Warehouse.objects.filter(code=code).update(name=name))


@shared_task(autoretry_for=(DoorShut,), max_retries=200)
def rename_in_time(code: str, name: str) -> None:
    """Comes in by the door, and does not wait there: it is tried again instead."""
    attempts.append("retried")
    try:
        with commanding("inventory", patience=0.05):
            Warehouse.objects.filter(code=code).update(name=name)
    except NotOwner:
        attempts[-1] = "skipped"
    else:
        attempts[-1] = "done"


def run_rename(code: str, name: str) -> str:
    """What comes of the task that does not know: the refusal, in words, with who was refused."""
    try:
        return str(rename.delay(code, name).get())
    except Fenced as fenced:
        return f"{fenced.writer}: {fenced}"


def run_in_time(code: str, name: str) -> list[str]:
    """Once more as often as the task wants: an eager one says so, and leaves it to us."""
    attempts.clear()
    while not attempts or attempts[-1] == "retried":
        with suppress(Retry):
            rename_in_time.delay(code, name)
        time.sleep(0.05)
    return attempts


def run_timer() -> int:
    return int(expire_reservations.delay().get())
