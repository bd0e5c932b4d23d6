"""Shipping's tables: what is sent for each order, what has been heard of it, and what was said."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from contracts.shipping import ShipmentState
from strangler.django.events import inbox
from strangler.django.events.models import EventVersion

GONE = (ShipmentState.SENT, ShipmentState.DELIVERED, ShipmentState.RETURNING)
"""It has been handed over."""


class Shipment(models.Model):
    """What is sent for one order.

    Attributes:
        country: where to; "" where the order was cancelled before anybody knew what to send.
        tracking: the carrier's number of it, once it has been handed over.
    """

    order = models.UUIDField(primary_key=True)
    customer = models.CharField(max_length=64)
    state = models.CharField(
        max_length=16, choices=[(state.value, state.value) for state in ShipmentState]
    )
    country = models.CharField(max_length=2, blank=True)
    carrier = models.CharField(max_length=32, blank=True)
    tracking = models.CharField(max_length=32, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("-created_at", "-order")
        constraints = (
            models.UniqueConstraint(
                fields=("tracking",), condition=~Q(tracking=""), name="shipping_tracking_once"
            ),
            models.CheckConstraint(
                condition=(
                    Q(state__in=[state.value for state in GONE], sent_at__isnull=False)
                    & ~Q(tracking="")
                )
                | (~Q(state__in=[state.value for state in GONE]) & Q(tracking="", sent_at=None)),
                name="shipping_gone_is_tracked",
            ),
        )
        indexes = (
            models.Index(fields=["customer", "-created_at"], name="shipping_newest"),
            models.Index(fields=["state", "-created_at"], name="shipping_by_state"),
        )

    def __str__(self) -> str:
        return f"{self.order} {self.state}"


class ShipmentLine(models.Model):
    """How many of a SKU are in a shipment."""

    shipment = models.ForeignKey(Shipment, on_delete=models.CASCADE, related_name="lines")
    position = models.PositiveSmallIntegerField()
    sku = models.CharField(max_length=64)
    quantity = models.PositiveIntegerField()

    class Meta:
        ordering = ("position",)
        constraints = (
            models.UniqueConstraint(fields=("shipment", "position"), name="shipping_line_once"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="shipping_line_positive"),
        )

    def __str__(self) -> str:
        return f"{self.quantity} × {self.sku}"


class ShipmentVersion(EventVersion):
    """How many events of each shipment there have been."""


class Inbox(inbox.InboxEntry):
    """What shipping has been told."""


class ParkedEvent(inbox.ParkedEvent):
    """What it could not handle yet."""
