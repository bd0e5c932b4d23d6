"""Customers who want to be told, and where they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from contracts.notifications import Kind
from monolith.identity.models import User
from monolith.notifications import tasks, webhooks
from monolith.notifications.models import Notification
from monolith.notifications.telling import tell
from tests.monolith.events import confirmed
from tests.monolith.notifications.postbox import Postbox, Program, postbox, program

DATA: dict[Kind, dict[str, Any]] = {
    Kind.ORDER_CONFIRMED: {
        "lines": [{"sku": "LAMP", "quantity": 2}],
        "total": "23.80",
        "currency": "EUR",
    },
    Kind.ORDER_CANCELLED: {},
    Kind.SHIPMENT_SENT: {"carrier": "Fig Post", "tracking": "SF1"},
    Kind.SHIPMENT_DELIVERED: {},
}


@pytest.fixture
def cleo(user: Callable[..., Any]) -> User:
    """A customer, who reads mail at cleo@example.com."""
    made: User = user("cleo")
    return made


@pytest.fixture
def told(db: None) -> Callable[..., UUID]:
    """``told(str(cleo.pk))`` notes that somebody is to be told; gives the order's id."""

    def note(customer: str, kind: Kind = Kind.ORDER_CONFIRMED) -> UUID:
        order = confirmed().order
        tell(kind, order=order, customer=customer, happened=timezone.now(), data=DATA[kind])
        return order

    return note


@pytest.fixture
def mails(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Postbox]:
    """The mail server that this shop uses."""
    monkeypatch.setattr(tasks, "SPELL", 600.0)
    with postbox() as box:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", box.port
        settings.EMAIL_TIMEOUT = 60.0
        yield box


@pytest.fixture
def hooked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    """A customer's program, which is told by webhook."""
    monkeypatch.setattr(webhooks, "PATIENCE", 60.0)  # however busy the machine is
    monkeypatch.setattr(tasks, "SPELL", 600.0)
    with program() as told:
        yield told


@pytest.fixture
def time_passes(db: None) -> Callable[[timedelta], None]:
    """Whatever is due by then is due now."""

    def pass_(span: timedelta) -> None:
        for row in Notification.objects.filter(due_at__isnull=False):
            Notification.objects.filter(pk=row.pk).update(due_at=row.due_at - span)

    return pass_
