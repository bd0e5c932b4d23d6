"""How webhooks are signed: as Standard Webhooks says (https://www.standardwebhooks.com).

HMAC-SHA256 over ``id.seconds.body``, so that neither can be changed, and what was recorded once
can't be played again for ever. The id stays the same however often a webhook is sent.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from uuid import UUID

PREFIX = "whsec_"
LENGTH = 24
"""Bytes of a secret."""


def new_secret() -> str:
    """A secret for one customer's webhooks."""
    return PREFIX + base64.b64encode(secrets.token_bytes(LENGTH)).decode()


def headers(secret: str, message: UUID, body: bytes, *, now: float) -> dict[str, str]:
    """What a webhook shows beside its body.

    Raises:
        ValueError: this is no secret.
    """
    seconds = str(int(now))
    return {
        "webhook-id": str(message),
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{signature(secret, str(message), seconds, body)}",
    }


def signature(secret: str, message: str, seconds: str, body: bytes) -> str:
    """What proves that whoever knows the secret has sent this.

    Raises:
        ValueError: this is no secret.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(f"a secret is {PREFIX} and base64 behind it") from error
    signed = f"{message}.{seconds}.".encode() + body
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
