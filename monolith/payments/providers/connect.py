"""Which provider this process asks."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from django.conf import settings

from monolith.payments.providers import Provider
from monolith.payments.providers.embedded import EmbeddedProvider
from monolith.payments.providers.http import HttpProvider


def provider() -> Provider:
    """The one at ``PAYMENTS_PROVIDER_URL``; without a URL, the sandbox in this process."""
    told = settings.PAYMENTS
    return _connected(told["PROVIDER_URL"], str(told["SANDBOX_BOOKS"]))


@cache
def _connected(url: str, books: str) -> Provider:
    return HttpProvider(url) if url else EmbeddedProvider(Path(books))
