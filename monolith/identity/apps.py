"""The identity context as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class IdentityConfig(AppConfig):
    """Users, roles, tokens."""

    name = "monolith.identity"

    def ready(self) -> None:
        """Let OpenAPI know about access tokens."""
        from monolith.identity import schema  # noqa: F401, PLC0415 -- settings must be ready first
