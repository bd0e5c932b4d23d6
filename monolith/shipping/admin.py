"""Shipping in the admin: to look at. Shipments are sent by commands only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from monolith.shipping.models import Shipment, ShipmentLine


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
    """What is in it."""

    model = ShipmentLine


@admin.register(Shipment)
class ShipmentAdmin(ReadOnly, admin.ModelAdmin):
    """What is sent for which order, and how far it has come."""

    list_display = ("order", "customer", "state", "country", "carrier", "tracking", "created_at")
    list_filter = ("state", "carrier")
    search_fields = ("order", "customer", "tracking")
    inlines = (LineInline,)
