"""What has become of events that were set aside, and that somebody has decided about."""

from __future__ import annotations

from dataclasses import dataclass


class Gone(Exception):
    """An event was set aside, and is no more: somebody has handled it meanwhile, or dropped it."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What has become of events that were tried again.

    Attributes:
        handled: so many.
        failed: once more: these stay set aside.
        put_off: so many are set aside still, and were not tried: they are behind one that failed,
            or somebody else tries them, or what they need is away.
        why: what is away; "" if nothing is.
    """

    handled: int = 0
    failed: int = 0
    put_off: int = 0
    why: str = ""

    def __add__(self, other: Replayed) -> Replayed:
        """Of both."""
        return Replayed(
            self.handled + other.handled,
            self.failed + other.failed,
            self.put_off + other.put_off,
            self.why or other.why,
        )
