"""The ordering context as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class OrderingConfig(AppConfig):
    """Orders and their lines."""

    name = "monolith.ordering"
