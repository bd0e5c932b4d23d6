"""Payments' tables: what each order is to be paid with, and what the provider has told of it."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q

from contracts.money import Money
from contracts.payments import PaymentState

UNSETTLED = (PaymentState.CREATED, PaymentState.AUTHORISED, PaymentState.REFUNDING)
"""Where money may be on its way, and somebody has to see to it."""
TAKING = (PaymentState.CREATED, PaymentState.AUTHORISED, PaymentState.CAPTURED)
"""Where somebody wants an amount, or has it."""


class Intent(models.Model):
    """What one order is to be paid with, and how far that has come.

    Attributes:
        order: whose it is, and the key that the provider knows it by.
        scale: how many digits the amount was written with after the point.
        reference: the provider's own name of it.
        version: of what the provider has told last; what is older is no news.
        refunded_by: the user who asked for the refund.
        asked_at: when somebody last wanted it charged.
        attempts: how often settling it has failed.
        due_at: when it shall be settled; None where there is nothing to settle.
    """

    order = models.UUIDField(primary_key=True)
    customer = models.CharField(max_length=64, blank=True)
    state = models.CharField(
        max_length=16, choices=[(state.value, state.value) for state in PaymentState]
    )
    amount = models.DecimalField(max_digits=24, decimal_places=4, null=True, blank=True)
    scale = models.PositiveSmallIntegerField(default=0)
    currency = models.CharField(max_length=3, blank=True)
    method = models.CharField(max_length=64, blank=True)
    reference = models.CharField(max_length=64, blank=True)
    version = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=200, blank=True)
    refunded_by = models.CharField(max_length=64, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    asked_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("-created_at", "-order")
        constraints = (
            models.CheckConstraint(
                condition=~Q(state__in=[state.value for state in TAKING]) | Q(amount__isnull=False),
                name="payments_taken_is_an_amount",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=[state.value for state in UNSETTLED])
                | Q(due_at__isnull=False),
                name="payments_unsettled_is_due",
            ),
        )
        indexes = (
            models.Index(fields=["customer", "-created_at"], name="payments_newest"),
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="payments_due"),
        )

    def __str__(self) -> str:
        return f"{self.order} {self.state}"

    @property
    def money(self) -> Money | None:
        """The amount with as many digits as it was written with."""
        if self.amount is None:
            return None
        return Money(self.amount.quantize(Decimal(1).scaleb(-self.scale)), self.currency)


class Webhook(models.Model):
    """One event that the provider has told and that has been heard, so that it counts once."""

    event = models.CharField(max_length=64, primary_key=True)
    type = models.CharField(max_length=64)
    order = models.UUIDField()
    received_at = models.DateTimeField(auto_now_add=True, db_index=True)

    def __str__(self) -> str:
        return f"{self.event} {self.type}"
