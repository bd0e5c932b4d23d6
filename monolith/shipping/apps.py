"""The shipping context as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class ShippingConfig(AppConfig):
    """Shipments and their lines."""

    name = "monolith.shipping"
