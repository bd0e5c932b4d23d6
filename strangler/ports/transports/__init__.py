"""How a call gets to whoever answers: siblings behind one seam.

``local`` calls, ``loopback`` calls through the whole codec, ``http`` crosses a network and waits,
``httpx`` crosses it for callers that await.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from strangler.ports.declare import Method


class Transport(Protocol):
    """Makes of a port's method something that can be called with the method's own arguments."""

    def connect(self, method: Method) -> Callable[..., Any]:
        """The way to this method's answer."""
