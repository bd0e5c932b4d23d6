"""The kit's timers as Celery's tasks, which finds them where ``strangler.django`` is installed.

::

    CELERY_BEAT_SCHEDULE = {
        "sagas": {"task": "strangler.django.tasks.sweep_sagas", "schedule": 1.0},
    }
"""

from __future__ import annotations

from celery import shared_task

from strangler.django.saga import sweep


@shared_task
def sweep_sagas() -> int:
    """Go on with the sagas that were left behind; how many there were."""
    return sweep()
