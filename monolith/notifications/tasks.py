"""Notifications' timers."""

from __future__ import annotations

import logging
import time

from celery import shared_task

from monolith.notifications.delivering import deliver_next
from strangler.django.door import DoorShut, NotOwner, commanding
from strangler.ports.context import job

SPELL = 4.0
"""Seconds for which one run sends; the next one, which is asked for shortly after, goes on."""

log = logging.getLogger(__name__)


@shared_task(autoretry_for=(DoorShut,), retry_backoff=2, retry_backoff_max=30, max_retries=5)
def deliver_notifications() -> int:
    """Send what is due; as often, and by as many workers at once, as one likes.

    While the rows change owner it is tried again later; once they are the service's, it sends by
    itself.
    """
    count, ends = 0, time.monotonic() + SPELL
    try:
        with job():
            while time.monotonic() < ends and _deliver_next():
                count += 1
    except NotOwner as refused:
        log.info("notifications are sent by the other side: %s", refused)
    return count


def _deliver_next() -> bool:
    with commanding("notifications"):  # for each anew: a switch waits until we are outside
        return deliver_next()
