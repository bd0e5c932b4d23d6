"""Inventory's timers."""

from __future__ import annotations

import logging

from celery import shared_task

from monolith.inventory.service import expire
from strangler.django.door import DoorShut, NotOwner, commanding

BATCH = 200

_log = logging.getLogger("monolith.inventory")


@shared_task(autoretry_for=(DoorShut,), retry_backoff=2, retry_backoff_max=30, max_retries=5)
def expire_reservations() -> int:
    """Free what is held beyond its time; as often, and by as many workers at once, as one likes.

    While the rows change owner it is tried again later; once they are the service's, its own timer
    does this.
    """
    total = 0
    try:
        while expired := _expire_batch():
            total += expired
    except NotOwner as refused:
        _log.info("holds are ended by the other side: %s", refused)
    return total


def _expire_batch() -> int:
    with commanding("inventory"):  # for each batch anew: a switch waits until we are outside
        return expire(limit=BATCH, wait=False)
