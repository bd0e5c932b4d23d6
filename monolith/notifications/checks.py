"""What Django's own checks cannot know about notifications before they are deployed."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register  # noqa: A004 -- Django's name

SENDING = "django.core.mail.backends.smtp.EmailBackend"


@register(Tags.security, deploy=True)
def mail_is_sent(**_: Any) -> list[CheckMessage]:
    """In production mail leaves the house."""
    if settings.EMAIL_BACKEND == SENDING:
        return []
    return [
        Warning(
            f"No customer gets any mail: {settings.EMAIL_BACKEND} keeps it here.",
            hint="Set EMAIL_URL, such as smtp+tls://user:password@host:587.",
            id="shop.W003",
        )
    ]
