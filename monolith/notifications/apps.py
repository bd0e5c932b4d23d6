"""The notifications context as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """Notifications, and what customers want of them."""

    name = "monolith.notifications"

    def ready(self) -> None:
        """Add our checks."""
        from monolith.notifications import checks  # noqa: F401, PLC0415 -- settings must be ready first
