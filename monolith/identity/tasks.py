"""What identity does by itself."""

from __future__ import annotations

from celery import shared_task

from monolith.identity import sessions


@shared_task
def purge_refresh_tokens() -> int:
    """Forget expired refresh tokens; how many there were."""
    return sessions.purge()
