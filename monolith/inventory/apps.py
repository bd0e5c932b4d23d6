"""The inventory context as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class InventoryConfig(AppConfig):
    """Stock, movements and reservations."""

    name = "monolith.inventory"
