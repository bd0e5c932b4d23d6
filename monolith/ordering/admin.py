"""Ordering in the admin: to look at."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from monolith.ordering.models import Order, OrderLine


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


class LineInline(ReadOnly, admin.TabularInline):
    """What was ordered."""

    model = OrderLine


@admin.register(Order)
class OrderAdmin(ReadOnly, admin.ModelAdmin):
    """Every order, and how far it has come."""

    list_display = ("id", "customer", "state", "total", "currency", "placed_at")
    list_filter = ("state",)
    search_fields = ("id", "customer", "key")
    inlines = (LineInline,)
