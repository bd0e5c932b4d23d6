"""The catalog context as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    """Products and their categories."""

    name = "monolith.catalog"
