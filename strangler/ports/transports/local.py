"""The call itself: no codec, no deadline, nothing in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from strangler.ports.declare import Method, Port


class Local:
    """Calls an implementation in this process."""

    __slots__ = ("_implementation",)

    def __init__(self, implementation: Port) -> None:
        self._implementation = implementation

    def connect(self, method: Method) -> Callable[..., Any]:
        """The implementation's own bound method."""
        connected: Callable[..., Any] = getattr(self._implementation, method.name)
        return connected
