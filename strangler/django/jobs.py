"""Celery's tasks: one run, one cohort, whatever it calls. Does nothing without Celery."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import Any

from strangler.django.doors import fencing, writers
from strangler.django.observing import observations
from strangler.ports import context

_running: dict[str, ExitStack] = {}


def connect() -> None:
    """Listen to Celery."""
    if "celery" not in sys.modules:
        return  # Whatever runs tasks has imported it before Django was set up; no other needs it.
    from celery import signals  # noqa: PLC0415  # the project's own choice

    signals.task_prerun.connect(_begin)
    signals.task_postrun.connect(_end)
    # Celery's child processes leave without Python's own farewell.
    signals.worker_process_shutdown.connect(_leave)


def _begin(*, task_id: str, task: Any, **_: Any) -> None:
    if task.request.is_eager and context.current().cohort is not None:
        return  # It runs within a request, and stays with that request's client.
    with ExitStack() as running:
        running.enter_context(context.job())
        running.enter_context(writers.doing(f"celery:{task.name}"))
        _running[task_id] = running.pop_all()
    fencing.taken()


def _end(*, task_id: str, **_: Any) -> None:
    running = _running.pop(task_id, None)
    if running is not None:
        running.close()


def _leave(**_: Any) -> None:
    observations.at_exit()
