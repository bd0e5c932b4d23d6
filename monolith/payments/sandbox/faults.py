"""What goes wrong at the sandbox: by chance, or for the next requests, one after the other.

::

    {"rates": {"late": 0.1, "duplicate": 0.5}, "next": ["after", null], "seconds": 3.0}

``next`` counts requests about payments; null lets one pass. The last three are of webhooks, and go
by chance only.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any


class Fault(StrEnum):
    """One thing that goes wrong."""

    BEFORE = "before"
    """Nothing is done, and 500 is answered."""
    AFTER = "after"
    """It is done, and 500 is answered."""
    DROP = "drop"
    """Nothing is done, and the connection breaks."""
    LOST = "lost"
    """It is done, and the connection breaks."""
    LATE = "late"
    """It is done, and answered so many seconds late."""
    NEVER = "never"
    """It is done, and never answered."""
    DUPLICATE = "duplicate"
    """A webhook comes twice."""
    REORDER = "reorder"
    """A webhook comes later than those that follow it."""
    LOSE = "lose"
    """A webhook does not arrive the first time."""


OF_WEBHOOKS = {Fault.DUPLICATE, Fault.REORDER, Fault.LOSE}


@dataclass(frozen=True, slots=True)
class Plan:
    """What shall go wrong: how often by chance, what next, and how late is late."""

    rates: dict[Fault, float] = field(default_factory=dict)
    next: list[Fault | None] = field(default_factory=list)
    seconds: float = 5.0


def read(said: Any) -> Plan:
    """A plan in JSON.

    Raises:
        ValueError: it is none; the message says why.
    """
    if not isinstance(said, dict) or said.keys() - {"rates", "next", "seconds"}:
        raise ValueError("a plan has rates, next and seconds")
    try:
        rates = {Fault(name): float(rate) for name, rate in said.get("rates", {}).items()}
        coming = [None if name is None else Fault(name) for name in said.get("next", [])]
        seconds = float(said.get("seconds", Plan().seconds))
    except (AttributeError, TypeError) as error:
        raise ValueError(f"this is no plan: {error}") from error
    if any(not 0 <= rate <= 1 for rate in rates.values()):
        raise ValueError("a rate is from 0 to 1")
    if OF_WEBHOOKS & set(coming):
        raise ValueError("next is about requests; webhooks go wrong by rates")
    if not 0 <= seconds <= 3600:
        raise ValueError("seconds is from 0 to 3600")
    return Plan(rates, coming, seconds)


class Faults:
    """The plan in force. Threads share it."""

    def __init__(self, plan: Plan, *, seed: int | None = None) -> None:
        self._random = Random(seed)  # noqa: S311 -- chance is no secret
        self._lock = threading.Lock()
        self.put(plan)

    def put(self, plan: Plan) -> None:
        """From now on this goes wrong."""
        with self._lock:
            self._plan = plan
            self._next = deque(plan.next)

    @property
    def seconds(self) -> float:
        """How late is late."""
        return self._plan.seconds

    def shown(self) -> dict[str, Any]:
        """The plan, and what of it is still to come."""
        with self._lock:
            return {
                "rates": dict(self._plan.rates),
                "next": list(self._next),
                "seconds": self._plan.seconds,
            }

    def strike(self) -> Fault | None:
        """What goes wrong with this request."""
        with self._lock:
            if self._next:
                return self._next.popleft()
            for fault, rate in self._plan.rates.items():
                if fault not in OF_WEBHOOKS and self._random.random() < rate:
                    return fault
        return None

    def strikes(self, fault: Fault) -> bool:
        """Whether this goes wrong with a webhook."""
        with self._lock:
            return self._random.random() < self._plan.rates.get(fault, 0.0)
