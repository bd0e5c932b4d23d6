"""Payments' timers."""

from __future__ import annotations

import logging
from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from monolith.payments.charging import claim, put_off, settle
from monolith.payments.models import Webhook
from strangler.django.door import DoorShut, NotOwner, commanding
from strangler.ports.errors import PortError

BATCH = 100
HEARD = timedelta(days=30)
"""For so long it is known which webhooks were heard: longer than a provider repeats them."""

log = logging.getLogger(__name__)


@shared_task(autoretry_for=(DoorShut,), retry_backoff=2, retry_backoff_max=30, max_retries=5)
def settle_payments() -> int:
    """Settle what was left behind; as often, and by as many workers at once, as one likes.

    One that can't be settled does not keep the others waiting. While the rows change owner it is
    tried again later; once they are the service's, its own timer does this.
    """
    try:
        with commanding("payments"):
            due = claim(limit=BATCH)
        for order in due:
            with commanding("payments"):  # for each anew: a switch waits until we are outside
                try:
                    settle(order)
                except PortError as error:
                    log.warning("the payment of order %s can't be settled yet: %s", order, error)
                    put_off(order)
                except Exception:  # whatever it is: the others can be settled
                    log.exception("the payment of order %s can't be settled", order)
                    put_off(order)
    except NotOwner as refused:
        log.info("payments are settled by the other side: %s", refused)
        return 0
    return len(due)


@shared_task
def forget_webhooks() -> int:
    """Forget which webhooks were heard long ago: nobody repeats them."""
    try:
        with commanding("payments"):
            return Webhook.objects.filter(received_at__lt=timezone.now() - HEARD).delete()[0]
    except (NotOwner, DoorShut) as refused:
        log.info("webhooks are not forgotten now: %s", refused)
        return 0
