"""Inventory's timers."""

from __future__ import annotations

from celery import shared_task

from monolith.inventory.service import expire

BATCH = 200


@shared_task
def expire_reservations() -> int:
    """Free what is held beyond its time; as often, and by as many workers at once, as one likes."""
    total = 0
    while expired := expire(limit=BATCH, wait=False):
        total += expired
    return total
