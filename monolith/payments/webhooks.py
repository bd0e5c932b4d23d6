"""What the provider tells by itself: heard once, whoever repeats it, and in whatever order."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
from django.conf import settings
from django.db import transaction

from monolith.payments.charging import learn
from monolith.payments.models import Webhook
from monolith.payments.providers import Told, read
from monolith.payments.signing import Unproved, verify
from strangler.ports.errors import BadAnswer, DeclaredError

LIMIT = 64 * 1024
"""Bytes that a webhook may have."""

log = logging.getLogger(__name__)


class SignatureRefused(DeclaredError, status=401):
    """Nobody proves that the provider has sent this, and not long ago."""

    reason: str


class InvalidEvent(DeclaredError, status=400):
    """This is no event of a payment."""

    reason: str


def receive(body: bytes, signature: str, *, now: float) -> bool:
    """Hear one webhook; whether it was new.

    Raises:
        SignatureRefused, InvalidEvent: see each of them.
    """
    try:
        verify(settings.PAYMENTS["WEBHOOK_SECRETS"], signature, body, now=now)
    except Unproved as error:
        raise SignatureRefused(reason=str(error)) from error
    event, kind, told = _read(body)
    with transaction.atomic():
        _, new = Webhook.objects.get_or_create(
            event=event, defaults={"type": kind, "order": told.key}
        )
        if new:
            _learn(event, told)
    return new


def _learn(event: str, told: Told) -> None:
    try:
        row = learn(told)
    except BadAnswer:  # said again, it would be no better
        log.exception("the provider's event %s can't be", event)
    else:
        if row is None:
            log.warning("the provider's event %s is of no payment of ours: %s", event, told.key)


def _read(body: bytes) -> tuple[str, str, Told]:
    try:
        said: Any = msgspec.json.decode(body)
        told = read(said["payment"])
        return _text(said["id"]), _text(said["type"]), told
    except (BadAnswer, KeyError, RecursionError, TypeError, ValueError) as error:
        raise InvalidEvent(reason=str(error)[:200]) from error


def _text(said: Any) -> str:
    if not isinstance(said, str) or not 0 < len(said) <= 64 or not said.isprintable():
        raise ValueError("an event has an id and a type of 1 to 64 printable characters")
    return said
