"""Writes down what a customer is to be told; nobody outside is asked, and nothing is sent."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from contracts.notifications import Kind
from monolith.notifications.deciding import Wishes, channels, identify
from monolith.notifications.models import Notification, Preference

log = logging.getLogger(__name__)


def tell(
    kind: Kind, *, order: UUID, customer: str, happened: datetime, data: Mapping[str, Any]
) -> None:
    """See that a customer is told this of an order, once, by each channel that they want."""
    now = timezone.now()
    preference = Preference.objects.filter(pk=customer).first()
    wishes = preference.wishes if preference else Wishes()
    wanted = channels(kind, wishes, happened=happened, now=now)
    if not wanted:
        log.info("nobody is told %s of order %s, which was at %s", kind, order, happened)
    Notification.objects.bulk_create(
        (
            Notification(
                id=identify(order, kind, channel),
                order=order,
                customer=customer,
                kind=kind,
                channel=channel,
                data=dict(data),
                due_at=now,
                happened_at=happened,
                created_at=now,
            )
            for channel in wanted
        ),
        ignore_conflicts=True,
    )
