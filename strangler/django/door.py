"""What a project's own code needs of the door: jobs come in by it, and the fence stops the rest.

::

    @shared_task(autoretry_for=(DoorShut,), retry_backoff=1)
    def expire_reservations() -> int:
        try:
            with commanding("inventory"):
                return expire()
        except NotOwner:
            return 0  # the service has a timer of its own
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from strangler.django.doors import writers
from strangler.django.doors.fencing import Fenced
from strangler.ports.calling.door import entered
from strangler.ports.errors import DoorShut, NotOwner

__all__ = ["DoorShut", "Fenced", "NotOwner", "commanding"]

PATIENCE = 8.0
"""Seconds that a command waits for its door: longer than a freeze may take."""


@contextmanager
def commanding(
    capability: str, *, by: str | None = None, patience: float = PATIENCE
) -> Iterator[None]:
    """Inside the door of a capability for the block, which commands it by no path and no port.

    Hold it for one piece of work at a time: a switch waits until everybody is outside.

    Args:
        capability: whose rows the block writes.
        by: who it is, for the journal; by default the task or the command that is run.
        patience: seconds to wait for the door.

    Raises:
        NotOwner: the other side owns the rows, and has to do this.
        DoorShut: the door has not opened in time: try again later.
    """
    with ExitStack() as stack:
        if by is not None:
            stack.enter_context(writers.doing(by))
        stack.enter_context(entered(capability, time.monotonic() + patience))
        yield
