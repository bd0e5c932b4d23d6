"""Ordering's timers."""

from __future__ import annotations

import logging

from celery import shared_task

from contracts.identity import Role
from monolith.ordering.models import Order
from monolith.ordering.placing import find_left_behind, finish
from strangler.ports.context import User, current, job, use

BATCH = 100
log = logging.getLogger(__name__)


@shared_task
def finish_stuck_orders() -> int:
    """Take care of orders that were left behind; as often, and by as many at once, as one likes.

    Each is finished for its customer. One that can't be finished does not keep the others waiting.
    """
    with job():
        left = find_left_behind(limit=BATCH)
        for row in Order.objects.filter(pk__in=left):
            customer = User(id=row.customer, roles=(Role.CUSTOMER,))
            with use(current().replace(user=customer)):
                try:
                    finish(row)
                except Exception:  # whatever it is: the others can be finished
                    log.exception("order %s can't be finished", row.id)
    return len(left)
