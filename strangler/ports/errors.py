"""What a port call can end with, other than an answer.

::

    PortError
    ├── DeclaredError            the callee answered with an error of its contract: final
    ├── NotExecuted              nothing has happened: safe to try again
    │   ├── Unreachable            refused, or no connection could be made
    │   ├── CircuitOpen            the breaker of this capability is open
    │   ├── BulkheadFull           too many calls of this capability are under way
    │   ├── Busy                   the callee sheds load: 429, or 503 before it began
    │   ├── TooLate                the deadline had passed before anything was sent
    │   ├── DoorShut               the capability changes owner, and took longer than we could wait
    │   ├── NotOwner               the callee does not own the rows: the call is placed again
    │   └── CallRefused            the callee will not take this call: trying again will not help
    └── OutcomeUnknown           perhaps executed, in part or in full
        ├── TimedOut               the deadline passed while waiting for the answer
        ├── ConnectionLost         the connection broke before the answer was whole
        └── BadAnswer              something answered that does not speak this contract

The tree is the retry policy: ``NotExecuted`` may be tried again for every method (``CallRefused``,
``CircuitOpen`` and ``TooLate`` excepted; ``NotOwner`` by whoever places the call),
``OutcomeUnknown`` only for queries and for commands declared idempotent, and a ``DeclaredError``
never.
"""

from __future__ import annotations

import dataclasses
from enum import Enum
from typing import Any, ClassVar, dataclass_transform

from strangler.ladder import Arm


class PortError(Exception):
    """A port call did not end with an answer."""


@dataclass_transform(eq_default=False)
class DeclaredError(PortError):
    """A business error which a contract declares; the same type arrives on the other side.

    A subclass is a dataclass by itself: its annotations are what travels. The first line of its
    docstring is what a person reads; ``status`` is its HTTP status on the public face::

        class UnknownProduct(DeclaredError, status=404):
            \"\"\"No product has this SKU.\"\"\"

            sku: str
    """

    status: ClassVar[int] = 400

    def __init_subclass__(cls, *, status: int | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if status is not None:
            cls.status = status
        dataclasses.dataclass(eq=False, repr=False)(cls)

    def __str__(self) -> str:
        summary = (self.__doc__ or type(self).__name__).strip().splitlines()[0]
        fields = ", ".join(f"{name}={_said(value)}" for name, value in self.detail().items())
        return f"{summary} ({fields})" if fields else summary

    def detail(self) -> dict[str, Any]:
        """The declared fields and their values."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]  # every subclass is a dataclass


def _said(value: Any) -> str:
    """A value as a person reads it, who need not know Python: a Decimal is a number, not a call."""
    if isinstance(value, Enum):
        value = value.value
    return repr(value) if isinstance(value, str | list | dict | bytes) else str(value)


class NotExecuted(PortError):
    """Nothing has happened on the other side: the call is safe to try again."""


class Unreachable(NotExecuted):
    """The callee refused the connection, or none could be made."""


class CircuitOpen(NotExecuted):
    """The breaker of this capability is open; the callee was not asked."""


class BulkheadFull(NotExecuted):
    """As many calls of this capability as may be are under way already."""


class Busy(NotExecuted):
    """The callee sheds load and has not begun."""


class TooLate(NotExecuted):
    """The deadline had passed before anything was sent."""


class DoorShut(NotExecuted):
    """The capability changes owner, and its door has not opened in time."""


class NotOwner(NotExecuted):
    """The callee is not the owner, or since another epoch than the caller thinks: place it anew.

    ``owner`` and ``epoch`` are what the callee knows; None and 0 if that is nothing.
    """

    def __init__(self, message: str, *, owner: Arm | None = None, epoch: int = 0) -> None:
        super().__init__(message)
        self.owner = owner
        self.epoch = epoch


class CallRefused(NotExecuted):
    """The callee will not take this call (caller, token, method or arguments): do not try again."""


class OutcomeUnknown(PortError):
    """The call was perhaps executed, in part or in full."""


class TimedOut(OutcomeUnknown):
    """The deadline passed while waiting for the answer."""


class ConnectionLost(OutcomeUnknown):
    """The connection broke before the answer was whole."""


class BadAnswer(OutcomeUnknown):
    """Something answered that does not speak this contract."""
