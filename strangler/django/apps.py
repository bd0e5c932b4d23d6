"""The app itself."""

from __future__ import annotations

from django.apps import AppConfig


class StranglerConfig(AppConfig):
    """The kit inside a Django project: control plane, edge middleware, port endpoints, checks."""

    name = "strangler.django"
    label = "strangler"
    verbose_name = "Strangler"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Wire this process; what is wrong with the settings is said by the system checks."""
        from strangler.django import checks, jobs  # noqa: PLC0415 - the models exist by now
        from strangler.django.doors import fencing  # noqa: PLC0415 - ditto
        from strangler.django.ports import wiring  # noqa: PLC0415 - ditto

        checks.register()
        jobs.connect()
        fencing.connect()
        wiring.wire()
