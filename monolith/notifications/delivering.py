"""How what is to be told is sent: claimed, sent, and marked.

Claiming and marking are short transactions; outside of them it is asked whom to tell, and sent.
Whoever claims leaves a token, and only by that is marked what became of it: one who was given up
for dead, and comes back, marks nothing. What somebody has sent and died before marking is sent once
more, when the lease has ended, with the same id: by that a receiver knows it.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from contracts.identity import Identity, UnknownUser
from contracts.notifications import Channel, Kind, NotificationState
from monolith.notifications import mailing, webhooks
from monolith.notifications.deciding import ATTEMPTS, pause
from monolith.notifications.failures import NeverSent, NotSent
from monolith.notifications.models import Notification, Preference
from monolith.notifications.rendering import body, mail
from strangler.ports.bind import bind
from strangler.ports.errors import PortError

LEASE = timedelta(seconds=settings.NOTIFICATIONS["LEASE"])
"""For so long it is left to whoever is sending it: longer than that may take."""
REASON = 300

identity = bind(Identity)
log = logging.getLogger(__name__)


def deliver_next() -> bool:
    """Send what has been due for longest; False if nothing is due."""
    row = claim()
    if row is None:
        return False
    try:
        send(row)
    except NeverSent as error:
        _give_up(row, error)
    except NotSent as error:
        _put_off(row, error)
    except PortError as error:
        _put_off(row, NotSent("who it is for can't be found out now", error))
    except Exception as error:  # whatever it is: the others can be sent
        log.exception("notification %s can't be sent", row.id)
        _put_off(row, NotSent("it could not be sent", type(error).__name__))
    else:
        _mark(row, state=NotificationState.SENT, due_at=None, sent_at=timezone.now(), reason="")
    return True


def claim() -> Notification | None:
    """What has been due for longest, and is ours for a while; None if nothing is due.

    However many ask, each is given to one.
    """
    now = timezone.now()
    due = Notification.objects.filter(due_at__lte=now).order_by("attempts", "due_at")
    if not due.exists():  # on SQLite nobody else would write meanwhile
        return None
    with transaction.atomic():
        row = due.select_for_update(skip_locked=True).first()
        if row is not None:
            row.token, row.due_at, row.attempts = uuid4(), now + LEASE, row.attempts + 1
            row.save(update_fields=["token", "due_at", "attempts"])
    return row


def send(row: Notification) -> None:
    """Send it, as it would be sent by anybody at any time.

    Raises:
        NotSent, NeverSent: see each of them.
        PortError: nobody says who it is for.
    """
    if row.attempts > ATTEMPTS:
        raise NeverSent("whoever has tried to send it has never come to an end")
    if row.channel == Channel.WEBHOOK:
        _post(row)
    else:
        _mail(row)


def _mail(row: Notification) -> None:
    try:
        account = identity.account(row.customer)
    except UnknownUser as error:
        raise NeverSent("there is no such customer any more") from error
    if not account.email:
        raise NeverSent("this customer has no address")
    written = mail(Kind(row.kind), name=account.username, order=row.order, data=row.data)
    mailing.send(written, to=account.email, message=row.id)


def _post(row: Notification) -> None:
    preference = Preference.objects.filter(pk=row.customer).first()
    if preference is None or not preference.webhook:
        raise NeverSent("this customer does not want to be told so any more")
    said = body(
        Kind(row.kind),
        order=row.order,
        customer=row.customer,
        at=row.happened_at,
        data=row.data,
    )
    webhooks.send(preference.webhook, said, secret=preference.secret, message=row.id)


def _put_off(row: Notification, error: NotSent) -> None:
    left = pause(row.attempts)
    if left is None:
        _give_up(row, error)
        return
    log.warning("notification %s is not sent yet: %s", row.id, error)
    _mark(
        row,
        state=NotificationState.FAILED,
        due_at=timezone.now() + left,
        reason=error.reason[:REASON],
    )


def _give_up(row: Notification, error: NotSent) -> None:
    log.error("notification %s is never sent: %s", row.id, error)
    _mark(row, state=NotificationState.GIVEN_UP, due_at=None, reason=error.reason[:REASON])


def _mark(row: Notification, **changes: Any) -> None:
    """Write down what became of it, unless somebody else is at it by now."""
    ours = Notification.objects.filter(pk=row.pk, token=row.token, due_at__isnull=False)
    if not ours.update(token=None, **changes):
        log.warning("notification %s was taken over: what became of it is theirs to say", row.id)
