"""What Django's own checks cannot know about this project before it is deployed."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register  # noqa: A004 -- Django's name


@register(Tags.security, deploy=True)
def counts_are_shared(**_: Any) -> list[CheckMessage]:
    """Attempts at passwords are counted in the cache, which each process should not have alone."""
    if not settings.CACHES["default"]["BACKEND"].endswith(".LocMemCache"):
        return []
    return [
        Warning(
            "Every process counts attempts at passwords by itself, since each has its own cache: "
            "with several workers somebody has several times as many guesses.",
            hint="Set REDIS_URL to a Redis that all processes share.",
            id="shop.W001",
        )
    ]
