"""Notifications' tables: what is told to whom, what customers want, and what has been heard."""

from __future__ import annotations

from django.core.validators import URLValidator
from django.db import models
from django.db.models import Q

from contracts.notifications import Channel, Kind, NotificationState
from monolith.notifications.deciding import Wishes
from monolith.notifications.signing import new_secret
from strangler.django.events import inbox

OPEN = (NotificationState.PENDING, NotificationState.FAILED)
"""Still to be sent."""


class Notification(models.Model):
    """What a customer is told of an order, by one channel.

    Attributes:
        id: see ``deciding.identify``; a receiver knows a second copy by it.
        data: what is said of the order, beside its id.
        happened_at: what is told.
        attempts: how often somebody has begun to send it.
        due_at: when it may be sent; while somebody is at it, when they are given up for dead. None
            where nothing is to be done.
        token: of whoever has begun last: nobody else may say what became of it.
        reason: why it could not be sent.
    """

    id = models.UUIDField(primary_key=True)
    order = models.UUIDField(db_index=True)
    customer = models.CharField(max_length=64)
    kind = models.CharField(max_length=32, choices=[(one.value, one.value) for one in Kind])
    channel = models.CharField(max_length=16, choices=[(one.value, one.value) for one in Channel])
    data = models.JSONField(default=dict, blank=True)
    state = models.CharField(
        max_length=16,
        choices=[(one.value, one.value) for one in NotificationState],
        default=NotificationState.PENDING.value,
    )
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(null=True, blank=True)
    token = models.UUIDField(null=True, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    happened_at = models.DateTimeField()
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = (
            models.CheckConstraint(
                condition=Q(
                    state__in=[state.value for state in OPEN],
                    due_at__isnull=False,
                    sent_at__isnull=True,
                )
                | Q(state=NotificationState.SENT.value, due_at__isnull=True, sent_at__isnull=False)
                | Q(
                    state=NotificationState.GIVEN_UP.value,
                    due_at__isnull=True,
                    sent_at__isnull=True,
                ),
                name="notifications_open_is_due",
            ),
        )
        indexes = (
            models.Index(fields=["customer", "-created_at"], name="notifications_newest"),
            models.Index(
                fields=["due_at"], condition=Q(due_at__isnull=False), name="notifications_due"
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} by {self.channel}: {self.state}"


class Preference(models.Model):
    """What a customer wants who does not want what everybody gets: mail, and nothing else.

    Attributes:
        webhook: where a program of theirs is told too.
        secret: proves to it that we are telling.
    """

    customer = models.CharField(max_length=64, primary_key=True)
    email = models.BooleanField(default=True)
    webhook = models.CharField(
        max_length=500, blank=True, validators=[URLValidator(schemes=("http", "https"))]
    )
    secret = models.CharField(max_length=100, default=new_secret, editable=False)

    def __str__(self) -> str:
        return self.customer

    @property
    def wishes(self) -> Wishes:
        """The same, for whoever decides."""
        return Wishes(email=self.email, webhook=self.webhook)


class Inbox(inbox.InboxEntry):
    """What notifications has been told."""


class ParkedEvent(inbox.ParkedEvent):
    """What it could not handle yet."""
