"""The app that carries the project's own management commands."""

from __future__ import annotations

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """The project itself, without tables."""

    name = "monolith.config"
    label = "config"
    verbose_name = "Shop"

    def ready(self) -> None:
        """Make the Celery app the current one, so that ``shared_task`` finds it; add our checks."""
        from monolith.config import celery, checks  # noqa: F401, PLC0415 -- settings must be ready first
