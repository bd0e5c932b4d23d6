"""Ordering's tables: an order keeps what it was sold at, whatever becomes of prices later.

And what ordering knows of products, in a copy of its own, so that it can show orders by itself.
"""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import Q

from contracts.ordering import OrderState
from strangler.django.events import inbox
from strangler.django.events.models import EventVersion


def amount() -> models.DecimalField[Any, Any]:
    """A column for an amount: the longest price, times the largest quantity, a hundred lines."""
    return models.DecimalField(max_digits=24, decimal_places=4, null=True, blank=True)


class Order(models.Model):
    """One order of one customer, and how far it has come.

    Attributes:
        key: the idempotency key, the customer's own.
        scale: how many digits the currency has after the point.
        payment: what the customer pays with; None for what the shop takes by default.
        cause: the declared error that it was rejected for.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    customer = models.CharField(max_length=64)
    key = models.CharField(max_length=128)
    state = models.CharField(
        max_length=16,
        choices=[(state.value, state.value) for state in OrderState],
        default=OrderState.PLACING.value,
    )
    country = models.CharField(max_length=2)
    coupon = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001 -- none is not ""
    payment = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001 -- ditto
    currency = models.CharField(max_length=3, blank=True)
    scale = models.PositiveSmallIntegerField(default=0)
    subtotal = amount()
    discount = amount()
    tax = amount()
    rounding = amount()
    total = amount()
    cause = models.CharField(max_length=64, blank=True)
    reason = models.TextField(blank=True)
    placed_at = models.DateTimeField()
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("-placed_at", "-id")
        constraints = (
            models.UniqueConstraint(fields=("customer", "key"), name="ordering_key_once"),
            models.CheckConstraint(
                condition=~Q(state=OrderState.CONFIRMED.value) | Q(total__isnull=False),
                name="ordering_confirmed_is_priced",
            ),
        )
        indexes = (models.Index(fields=["customer", "-placed_at"], name="ordering_newest"),)

    def __str__(self) -> str:
        return f"{self.id} {self.state}"

    def written(self, value: Decimal | None) -> Decimal | None:
        """An amount with as many digits as the currency has, or more if it is finer than that."""
        if value is None:
            return None
        value = value.normalize()
        finest = min(int(value.as_tuple().exponent), -self.scale)
        return value.quantize(Decimal(1).scaleb(finest))


class OrderLine(models.Model):
    """How many of a SKU, and since it has been priced, at what price."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    position = models.PositiveSmallIntegerField()
    sku = models.CharField(max_length=64)
    quantity = models.PositiveIntegerField()
    unit_price = amount()
    discount = amount()
    total = amount()

    class Meta:
        ordering = ("position",)
        constraints = (
            models.UniqueConstraint(fields=("order", "sku"), name="ordering_line_once"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="ordering_line_positive"),
        )

    def __str__(self) -> str:
        return f"{self.quantity} × {self.sku}"


class Product(models.Model):
    """What a product is like, as catalog has last said; one that was removed keeps its name.

    Attributes:
        version: how many events of it there had been by then.
    """

    sku = models.CharField(max_length=64, primary_key=True)
    name = models.CharField(max_length=200, blank=True)
    category = models.CharField(max_length=255, blank=True)
    active = models.BooleanField()
    removed = models.BooleanField(default=False)
    version = models.PositiveBigIntegerField()

    def __str__(self) -> str:
        return self.sku


class OrderVersion(EventVersion):
    """How many events of each order there have been."""


class Inbox(inbox.InboxEntry):
    """What ordering has been told."""


class ParkedEvent(inbox.ParkedEvent):
    """What it could not handle yet."""
