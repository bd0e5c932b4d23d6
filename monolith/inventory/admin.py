"""Inventory in the admin: to look at. Stock changes by movements and orders only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from monolith.inventory.models import Allocation, Movement, Reservation, Stock, Warehouse


class ReadOnly:
    """Nothing here is changed by hand."""

    def has_add_permission(self, *_: Any) -> bool:
        """Nobody adds."""
        return False

    def has_change_permission(self, *_: Any) -> bool:
        """Nobody changes."""
        return False

    def has_delete_permission(self, *_: Any) -> bool:
        """Nobody deletes."""
        return False


@admin.register(Warehouse)
class WarehouseAdmin(admin.ModelAdmin):
    """Where goods lie."""

    list_display = ("code", "name", "rank")


@admin.register(Stock)
class StockAdmin(ReadOnly, admin.ModelAdmin):
    """What lies where."""

    list_display = ("sku", "warehouse", "on_hand", "reserved")
    list_filter = ("warehouse",)
    list_select_related = ("warehouse",)
    search_fields = ("sku",)


@admin.register(Movement)
class MovementAdmin(ReadOnly, admin.ModelAdmin):
    """Why what is on hand is what it is."""

    list_display = ("at", "stock", "delta", "reason", "order", "actor")
    list_filter = ("reason",)
    list_select_related = ("stock",)
    search_fields = ("stock__sku", "order")


class AllocationInline(ReadOnly, admin.TabularInline):
    """From which stock a reservation is served."""

    model = Allocation


@admin.register(Reservation)
class ReservationAdmin(ReadOnly, admin.ModelAdmin):
    """What is kept for which order."""

    list_display = ("order", "state", "expires_at", "updated_at")
    list_filter = ("state",)
    search_fields = ("order",)
    inlines = (AllocationInline,)

    def get_queryset(self, request: HttpRequest) -> Any:
        """The newest first."""
        return super().get_queryset(request).order_by("-updated_at")
