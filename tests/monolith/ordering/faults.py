"""Ports that fail when they are told to."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

Fault = BaseException | Callable[[], None] | None


class Died(BaseException):
    """The process is gone: no handler runs that a power cut would not run."""


class Faults:
    """What goes wrong at a port's methods, call by call: before it is executed, or after.

    An exception is raised, a function is run, and None lets the call pass.
    """

    def __init__(self) -> None:
        self.before: dict[str, list[Fault]] = {}
        self.after: dict[str, list[Fault]] = {}
        self.calls: list[str] = []

    def put(self, at: tuple[str, str], *faults: Fault) -> None:
        """Let this go wrong at ``("before" | "after", method)``, one call after the other."""
        when, method = at
        getattr(self, when)[method] = list(faults)

    def on(self, port: Any) -> Any:
        """The port as it is, but for the faults: the caller sees them wherever it is placed."""
        return _Faulty(self, port)

    def call(self, name: str, method: Callable[..., Any], *args: Any, **given: Any) -> Any:
        self.calls.append(name)
        self._strike(self.before, name)
        answer = method(*args, **given)
        self._strike(self.after, name)
        return answer

    def _strike(self, faults: dict[str, list[Fault]], name: str) -> None:
        queue = faults.get(name)
        fault = queue.pop(0) if queue else None
        if isinstance(fault, BaseException):
            raise fault
        if fault is not None:
            fault()


class _Faulty:
    def __init__(self, faults: Faults, port: Any) -> None:
        self._faults = faults
        self._port = port

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(self._faults.call, name, getattr(self._port, name))
