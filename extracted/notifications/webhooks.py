"""Sends a webhook, by httpx. Nobody waits beyond a deadline, and no redirect is followed.

A receiver that has done what it was told says so by any 2xx. It may be told the same again, and
knows that by the ``Idempotency-Key``. Each is told over a connection of its own: there are many
receivers, and each is seldom told.
"""

from __future__ import annotations

import time
from uuid import UUID

from extracted.notifications.failures import NeverSent, NotSent
from extracted.notifications.signing import headers
from strangler.ports.transports.deadlines import Exchange, Transport, exchanging
from strangler.ports.transports.library import httpx

PATIENCE = 3.0
"""Seconds for all of it: less than a switch waits for whoever is inside the door."""
SILENT = "it can't be reached, or does not answer in time"
GONE = 410
"""Whoever says this does not want to be told any more."""


def send(url: str, body: bytes, *, secret: str, message: UUID) -> None:
    """Tell whoever listens at this URL.

    Raises:
        NotSent: it can't be reached, or does not say that it has heard.
        NeverSent: it does not want to, or nobody can be told there.
    """
    try:
        request = httpx.Request(
            "POST",
            url,
            content=body,
            headers={
                "Accept-Encoding": "identity",
                "Connection": "close",
                "Content-Type": "application/json",
                "Idempotency-Key": str(message),
                "User-Agent": "shop",
                **headers(secret, message, body, now=time.time()),
            },
        )
    except (httpx.InvalidURL, ValueError) as error:
        raise NeverSent("this is no URL that anybody can be told at") from error
    where = request.url.host  # the rest of a URL may be a secret
    try:
        status = _status(request)
    except (httpx.HTTPError, ValueError) as error:
        raise NotSent(f"{where}: {SILENT}", f"{type(error).__name__}: {error}") from error
    if status == GONE:
        raise NeverSent(f"{where}: it answered {status}: nobody wants to be told there")
    if not 200 <= status < 300:
        raise NotSent(f"{where}: it answered {status}")


def _status(request: httpx.Request) -> int:
    """What it answers; whatever else it says does not matter."""
    with (
        Transport(tls=request.url.scheme == "https", connections=1, kept=0) as transport,
        exchanging(Exchange(time.monotonic() + PATIENCE)),
    ):
        response = transport.handle_request(request)
        response.close()
        return response.status_code
