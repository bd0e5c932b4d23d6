"""What Django's own checks cannot know about payments before they are deployed."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register  # noqa: A004 -- Django's name


@register(Tags.security, deploy=True)
def money_is_real(**_: Any) -> list[CheckMessage]:
    """In production somebody else than ourselves says what was paid."""
    if settings.PAYMENTS["PROVIDER_URL"]:
        return []
    return [
        Warning(
            "No money is taken: the sandbox within this process plays the payment provider.",
            hint="Set PAYMENTS_PROVIDER_URL and PAYMENTS_WEBHOOK_SECRETS.",
            id="shop.W002",
        )
    ]
