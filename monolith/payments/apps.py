"""The payments context as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    """Charges, refunds, and what the provider has told of them."""

    name = "monolith.payments"

    def ready(self) -> None:
        """Add our checks."""
        from monolith.payments import checks  # noqa: F401, PLC0415 -- settings must be ready first
