"""The door of a capability, as commands pass it: once for each request, however deep they nest.

Whoever holds a door says so in the context, as ``capability@arm``; what is called within passes
without waiting, since a freeze waits for the holder. While a door is held its side stays the owner,
so a hold also tells every other side that it is not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Any

from strangler.ladder import Arm
from strangler.ports import runtime
from strangler.ports.context import Context, current, use
from strangler.ports.declare import Kind, Method
from strangler.ports.errors import DoorShut, NotOwner


def holder(context: Context, capability: str) -> Arm | None:
    """The arm whose door is held for this context; None if none is."""
    for arm in Arm:
        if f"{capability}@{arm}" in context.doors:
            return arm
    return None


def inside(context: Context, capability: str) -> Context:
    """The context of what is done while this side's door is held."""
    return context.replace(doors=(*context.doors, f"{capability}@{runtime.wiring.arm}"), epoch=0)


def passes(context: Context, capability: str) -> bool:
    """Is this side's door held for this context already?

    Raises:
        NotOwner: the other side's is.
    """
    arm = holder(context, capability)
    if arm is None:
        return False
    if arm is runtime.wiring.arm:
        return True
    raise NotOwner(f"the {arm} owns {capability}, and its door is held for this call", owner=arm)


def agreed(capability: str, found: int, known: int) -> None:
    """Both sides speak of the same epoch, or one of them of none.

    Raises:
        NotOwner: they do not.
    """
    if known and found and known != found:
        arm = runtime.wiring.arm
        raise NotOwner(
            f"the {arm} owns {capability} since epoch {found}; the caller knows epoch {known}",
            owner=arm,
            epoch=found,
        )


class entered:  # noqa: N801 - a context manager, read as a participle
    """Inside the door of a capability on this side, for the block.

    Args:
        capability: whose rows are to be changed.
        deadline: on the clock of ``time.monotonic``; until then one waits for the door.
        door: how one enters; by default as the wiring says.

    Raises:
        NotOwner: this side does not own the rows, or since another epoch than the caller knows.
        DoorShut: the door has not opened in time.
    """

    __slots__ = ("_capability", "_deadline", "_door", "_hold", "_use")

    def __init__(self, capability: str, deadline: float, door: runtime.Door | None = None) -> None:
        self._capability = capability
        self._deadline = deadline
        self._door = door
        self._hold: AbstractContextManager[int | None] | None = None
        self._use: use | None = None

    def __enter__(self) -> None:
        context, door = current(), self._door or runtime.wiring.door
        if passes(context, self._capability):
            if context.epoch:
                self._become(context.replace(epoch=0))
            return
        if door is None:
            return
        hold = door(self._capability, self._deadline)
        found = hold.__enter__()
        try:
            agreed(self._capability, found or 0, context.epoch)
        except NotOwner:
            hold.__exit__(None, None, None)
            raise
        self._hold = hold
        if found is not None:
            self._become(inside(context, self._capability))

    def _become(self, context: Context) -> None:
        self._use = use(context)
        self._use.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._use is not None:
            self._use.__exit__(kind, error, traceback)
        if self._hold is not None:
            self._hold.__exit__(kind, error, traceback)


class Turned(Exception):
    """A call was turned away at the door: by this ``error``, and nothing has been executed.

    It is no ``PortError``: those that an implementation raises are about calls of its own.
    """

    def __init__(self, error: NotOwner | DoorShut) -> None:
        super().__init__(str(error))
        self.error = error


class Rounds:
    """The rounds of one command from side to side, until one of them says that it owns the rows.

    ``told`` is what the last side knew that has turned it away.
    """

    __slots__ = ("_capability", "_wait", "deadline", "told")

    def __init__(self, capability: str, deadline: float) -> None:
        self._capability = capability
        self._wait = FIRST
        self.deadline = deadline
        self.told: NotOwner | None = None

    def again(self, error: NotOwner | DoorShut) -> None:
        """Go on with what this side knows; wait a little if it has not said anything new.

        Raises:
            DoorShut: the deadline would pass.
        """
        wait = self._wait
        if isinstance(error, NotOwner):
            former, self.told = self.told, error
            if former is None or error.epoch > former.epoch:
                wait = 0.0
        if time.monotonic() + wait + LEAST >= self.deadline:
            raise DoorShut(
                f"{self._capability} changes owner, and nobody has taken this in time: {error}"
            ) from error
        if wait:
            time.sleep(wait)
            self._wait = min(self._wait * 2, LONGEST)


FIRST = 0.01
"""Seconds before a side is asked again that has nothing new to say; doubled each time."""
LEAST = 0.05
"""Seconds that a round has to have: one that is cut short may have been executed, or not."""
LONGEST = 0.2
"""Seconds between two rounds at most."""


def through(
    method: Method, call: Callable[..., Any], elsewhere: Callable[..., Any] | None = None
) -> Callable[..., Any]:
    """This process's own answer to a command, given inside the door.

    Args:
        method: what is called; queries have no door.
        call: answers.
        elsewhere: answers where this side does not own the rows; None raises ``NotOwner``.
    """
    if method.kind is Kind.QUERY or runtime.wiring.door is None:
        return call

    def held(*args: Any, **kwargs: Any) -> Any:
        context = current()
        deadline = time.monotonic() + method.timeout
        if context.deadline is not None and context.deadline < deadline:
            deadline = context.deadline
        with ExitStack() as stack:
            try:
                stack.enter_context(entered(method.capability, deadline))
            except NotOwner:
                if elsewhere is None:
                    raise
                return elsewhere(*args, **kwargs)
            return call(*args, **kwargs)

    return held
