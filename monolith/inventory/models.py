"""Inventory's tables. The database itself refuses a stock that can't be."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from contracts.inventory import ReservationState


class Warehouse(models.Model):
    """Where goods lie. Orders are served from the lowest ``rank`` first."""

    code = models.SlugField(max_length=32, unique=True)
    name = models.CharField(max_length=100)
    rank = models.PositiveSmallIntegerField(default=100)

    class Meta:
        ordering = ("rank", "code")

    def __str__(self) -> str:
        return self.code


class Stock(models.Model):
    """How many of a SKU lie in a warehouse, and how many of them are kept for orders."""

    sku = models.CharField(max_length=64)
    warehouse = models.ForeignKey(Warehouse, on_delete=models.PROTECT, related_name="stocks")
    on_hand = models.IntegerField(default=0)
    reserved = models.IntegerField(default=0)

    class Meta:
        ordering = ("sku", "warehouse_id")
        constraints = (
            models.UniqueConstraint(fields=("sku", "warehouse"), name="inventory_stock_once"),
            models.CheckConstraint(
                condition=Q(on_hand__gte=0), name="inventory_on_hand_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(reserved__gte=0) & Q(reserved__lte=F("on_hand")),
                name="inventory_reserved_is_on_hand",
            ),
        )

    def __str__(self) -> str:
        return f"{self.sku} in {self.warehouse_id}"

    @property
    def available(self) -> int:
        """How many may still be reserved."""
        return self.on_hand - self.reserved


class Reason(models.TextChoices):
    """Why there is more or less on hand than before; a person may give any but the last two."""

    RECEIVED = "received"
    COUNTED = "counted"
    DAMAGED = "damaged"
    LOST = "lost"
    SOLD = "sold"
    RETURNED = "returned"


class Movement(models.Model):
    """One change of what is on hand. Never changed: their sum is what is on hand."""

    stock = models.ForeignKey(Stock, on_delete=models.PROTECT, related_name="movements")
    delta = models.IntegerField()
    reason = models.CharField(max_length=16, choices=Reason)
    note = models.CharField(max_length=200, blank=True)
    order = models.UUIDField(null=True, blank=True, db_index=True)
    actor = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(condition=~Q(delta=0), name="inventory_movement_moves"),
        )

    def __str__(self) -> str:
        return f"{self.delta:+} ({self.reason})"


class Reservation(models.Model):
    """What is kept for one order."""

    order = models.UUIDField(primary_key=True)
    state = models.CharField(
        max_length=16, choices=[(state.value, state.value) for state in ReservationState]
    )
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = (models.Index(fields=["state", "expires_at"]),)

    def __str__(self) -> str:
        return f"{self.order} {self.state}"


class Allocation(models.Model):
    """From which stock a reservation is served; it stays as the record of one that has ended."""

    reservation = models.ForeignKey(
        Reservation, on_delete=models.CASCADE, related_name="allocations"
    )
    stock = models.ForeignKey(Stock, on_delete=models.PROTECT, related_name="allocations")
    quantity = models.IntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("reservation", "stock"), name="inventory_allocation_once"
            ),
            models.CheckConstraint(
                condition=Q(quantity__gt=0), name="inventory_allocation_positive"
            ),
        )

    def __str__(self) -> str:
        return f"{self.quantity} of {self.stock_id}"
