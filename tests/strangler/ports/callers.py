"""What tests of calls over a network share."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from strangler.manifest.model import Breaker, Resilience
from strangler.ports import runtime
from tests.strangler.django.faults import Seen

SPADE = {"name": "spade", "price": "9.99"}
NOT_EXECUTED = "X-Strangler-Executed: no"

Ask = Callable[..., Any]


def patient(*, attempts: int = 3, failures: int = 100, concurrency: int = 20) -> None:
    """Try again, and keep the breaker out of it."""
    resilience = Resilience(
        attempts=attempts, breaker=Breaker(failures, 30.0), concurrency=concurrency
    )
    runtime.configure(resilience=lambda _capability: resilience)


def surplus(peer: socket.socket, seen: Seen) -> None:
    """Send more than was promised."""
    peer.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n7777"
    )
