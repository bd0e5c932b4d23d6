"""The app itself."""

from __future__ import annotations

from django.apps import AppConfig


class StranglerConfig(AppConfig):
    """The kit inside a Django project: control plane, edge middleware, port endpoints, checks."""

    name = "strangler.django"
    label = "strangler"
    verbose_name = "Strangler"
    default_auto_field = "django.db.models.BigAutoField"
