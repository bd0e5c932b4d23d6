"""Which event is being handled, for a handler that has to know more of it than it says."""

from __future__ import annotations

from contextvars import ContextVar

from strangler.events.envelope import Envelope
from strangler.ports.inside import Inside

__all__ = ["NotHandling", "handling", "present"]

_present: ContextVar[Envelope] = ContextVar("strangler_event")


class NotHandling(LookupError):
    """No event is being handled."""


def present() -> Envelope:
    """The event that is being handled, as it came: with its id, and its version.

    Raises:
        NotHandling: none is.
    """
    try:
        return _present.get()
    except LookupError:
        raise NotHandling("no event is being handled here: ask within a handler") from None


class handling(Inside[Envelope]):  # noqa: N801 - a context manager, read as a participle
    """Within the block this one is."""

    __slots__ = ()

    def __init__(self, event: Envelope) -> None:
        super().__init__(_present, event)
