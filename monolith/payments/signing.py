"""How webhooks are signed: ``t=<seconds>,v1=<hex>``, HMAC-SHA256 over ``<seconds>.<body>``.

The time is signed too, so that what was recorded once can't be played again for ever. Several
``v1`` may stand there, while whoever signs changes secrets.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence

HEADER = "Sandbox-Signature"
TOLERANCE = 300
"""Seconds that the clocks of both sides, and the way between them, may differ."""

_TIME = re.compile("[0-9]{1,12}")
_LONGEST = 1000


class Unproved(ValueError):
    """The signature proves nothing."""


def sign(secret: str, body: bytes, *, now: float) -> str:
    """The header of a webhook that is sent now."""
    return f"t={int(now)},v1={_digest(secret, str(int(now)), body)}"


def verify(secrets: Sequence[str], header: str, body: bytes, *, now: float) -> None:
    """See that whoever knows one of the secrets has signed this body, and not long ago.

    Raises:
        Unproved: nobody has.
    """
    if len(header) > _LONGEST:
        raise Unproved("the signature is too long")
    parts = [part.partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    digests = [value.encode() for name, _, value in parts if name == "v1"]
    if len(times) != 1 or not _TIME.fullmatch(times[0]) or not digests:
        raise Unproved("the signature is t=<seconds>,v1=<hex>")
    proved = False
    for secret in filter(None, secrets):
        wanted = _digest(secret, times[0], body).encode()
        for digest in digests:
            proved |= hmac.compare_digest(wanted, digest)
    if not proved:
        raise Unproved("nobody who knows the secret has signed this")
    if abs(now - int(times[0])) > TOLERANCE:
        raise Unproved(f"it was signed more than {TOLERANCE} seconds ago, or will be")


def _digest(secret: str, seconds: str, body: bytes) -> str:
    return hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
