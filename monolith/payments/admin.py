"""Payments in the admin: to look at. Money moves by charges and refunds only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from monolith.payments.models import Intent, Webhook


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


@admin.register(Intent)
class IntentAdmin(ReadOnly, admin.ModelAdmin):
    """What each order is to be paid with, and how far that has come."""

    list_display = ("order", "customer", "state", "amount", "currency", "created_at", "due_at")
    list_filter = ("state",)
    search_fields = ("order", "customer", "reference")


@admin.register(Webhook)
class WebhookAdmin(ReadOnly, admin.ModelAdmin):
    """What the provider has told by itself."""

    list_display = ("event", "type", "order", "received_at")
    list_filter = ("type",)
    search_fields = ("event", "order")
    ordering = ("-received_at",)
