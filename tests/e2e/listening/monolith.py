"""The witness in the monolith."""

from __future__ import annotations

from pathlib import Path

from django.apps import AppConfig


class WitnessConfig(AppConfig):
    """An app for its ``ready`` alone."""

    name = "tests.e2e.listening"
    label = "witness"
    path = str(Path(__file__).parent)

    def ready(self) -> None:
        from django.db import connection

        from monolith.notifications import delivering
        from monolith.notifications.handlers import handlers
        from tests.e2e.listening.witness import hurried, witnessed

        def note(order: str, kind: str, at: float) -> None:
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO witness VALUES (%s, %s, %s)", [order, kind, at])

        hurried(delivering)
        witnessed(handlers, note)
