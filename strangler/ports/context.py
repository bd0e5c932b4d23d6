"""What travels with every call beside its arguments: for whom, by whom, until when.

The rim (a middleware, a port endpoint) sets it with ``use``; everything that runs inside reads it
with ``current``. It is a context variable, so threads and tasks each have their own.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from strangler.ladder import Arm
from strangler.ports.inside import Inside
from strangler.routing.cohorts import draw


@dataclass(frozen=True, slots=True)
class User:
    """Whom a call is made for: an id that the whole system knows, and what they may do."""

    id: str
    roles: tuple[str, ...] = ()


_VERSION_00 = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_LATER_VERSION = re.compile(
    r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?"
)
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
_STATE = re.compile(r"[\x20-\x7e]{1,512}")


class Trace(NamedTuple):
    """One span of a W3C trace context: https://www.w3.org/TR/trace-context/.

    ``trace`` is 32 hexadecimal digits, ``span`` 16; ``state`` is the ``tracestate`` header as it
    came, which we carry and never read. A tuple, because two are made for every call.
    """

    trace: str
    span: str
    sampled: bool = True
    state: str = ""

    @classmethod
    def begin(cls) -> Trace:
        """A trace that starts here."""
        return cls(f"{_identifier(128):032x}", f"{_identifier(64):016x}")

    @classmethod
    def parse(cls, traceparent: str, tracestate: str = "") -> Trace | None:
        """The caller's span as the headers name it, or None where ``traceparent`` is invalid."""
        found = _parsed(traceparent, tracestate)
        return cls(*found) if found else None

    @classmethod
    def continued(cls, traceparent: str | None, tracestate: str | None = None) -> Trace:
        """A span of our own in the caller's trace; a trace of our own where theirs is invalid."""
        found = _parsed(traceparent, tracestate or "") if traceparent else None
        if found is None:
            return cls.begin()
        trace, _, sampled, state = found
        return cls(trace, f"{_identifier(64):016x}", sampled, state)

    def child(self) -> Trace:
        """The next span of this trace."""
        return Trace(self.trace, f"{_identifier(64):016x}", self.sampled, self.state)

    @property
    def header(self) -> str:
        """The ``traceparent`` header of whatever this span calls."""
        return f"00-{self.trace}-{self.span}-{'01' if self.sampled else '00'}"


def _parsed(traceparent: str, tracestate: str) -> tuple[str, str, bool, str] | None:
    header = traceparent.strip()
    found = _VERSION_00.fullmatch(header)
    if found is None and not header.startswith("00-"):
        found = _LATER_VERSION.fullmatch(header)
    if found is None:
        return None
    trace, span, flags = found.groups()
    if trace == _NO_TRACE or span == _NO_SPAN:
        return None
    state = tracestate if tracestate and _STATE.fullmatch(tracestate) else ""
    return trace, span, bool(int(flags, 16) & 1), state


def _identifier(bits: int) -> int:
    # An identifier is no secret. Zero is invalid; the generator is seeded anew after a fork.
    return random.getrandbits(bits) or 1


class Later:
    """A user who is looked up when somebody asks, and then once."""

    __slots__ = ("_find", "_lock", "_user")

    def __init__(self, find: Callable[[], User | None]) -> None:
        self._find: Callable[[], User | None] | None = find
        self._lock = threading.Lock()
        self._user: User | None = None

    def get(self) -> User | None:
        """The user, looked up by whoever is the first to ask."""
        with self._lock:
            if self._find is not None:
                self._user = self._find()
                self._find = None
        return self._user


def _lazily(user: User | Later | Callable[[], User | None] | None) -> User | Later | None:
    return user if user is None or isinstance(user, User | Later) else Later(user)


NOTHING_FORCED: Mapping[str, Arm] = MappingProxyType({})
NO_PINS: AbstractSet[str] = frozenset()


class Context:
    """What is known about the call that is being served. Never changed: see ``replace``.

    Args:
        caller: the party that called, None for a client from outside.
        user: whom it is made for; a function is asked at most once, when somebody wants to know.
        cohort: 0 to 999, None where nobody has drawn one.
        deadline: on the clock of ``time.monotonic``, None for no deadline.
        hops: how many kit parties it has passed.
        shadow: it is a comparison: it may change nothing and send nothing out.
        rehearsal: it is a command that is to be rehearsed; a shadow's, too.
        forced: the arms which a tester forces, by capability; they count for queries only.
        trace: the span of the call that is being served.
        doors: the doors that are held for it, each ``capability@arm``: nested calls pass them.
        epoch: since when the callee's capability has its owner, as the caller knows; 0 for unknown.
        pins: the capabilities whose queries go to the owner, for whom this is done has commanded
            them. One that can be added to remembers what is commanded within.
    """

    __slots__ = (
        "_user", "caller", "cohort", "deadline", "doors", "epoch", "forced", "hops", "pins",
        "rehearsal", "shadow", "trace",
    )  # fmt: skip

    def __init__(
        self,
        *,
        caller: str | None = None,
        user: User | Callable[[], User | None] | None = None,
        cohort: int | None = None,
        deadline: float | None = None,
        hops: int = 0,
        shadow: bool = False,
        rehearsal: bool = False,
        forced: Mapping[str, Arm] = NOTHING_FORCED,
        trace: Trace | None = None,
        doors: tuple[str, ...] = (),
        epoch: int = 0,
        pins: AbstractSet[str] = NO_PINS,
    ) -> None:
        self.caller = caller
        self._user = _lazily(user)
        self.cohort = cohort
        self.deadline = deadline
        self.hops = hops
        self.shadow = shadow
        self.rehearsal = rehearsal
        self.forced = forced
        self.trace = trace
        self.doors = doors
        self.epoch = epoch
        self.pins = pins

    @property
    def user(self) -> User | None:
        """Whom the call is made for, None for nobody known."""
        return self._user.get() if isinstance(self._user, Later) else self._user

    def replace(self, **changes: Any) -> Context:
        """The same context but for these arguments. A user not yet looked up stays so."""
        copy = Context.__new__(Context)
        copy._user = self._user  # noqa: SLF001 - of our own kind; and no loop: every call does this
        copy.caller = self.caller
        copy.cohort = self.cohort
        copy.deadline = self.deadline
        copy.hops = self.hops
        copy.shadow = self.shadow
        copy.rehearsal = self.rehearsal
        copy.forced = self.forced
        copy.trace = self.trace
        copy.doors = self.doors
        copy.epoch = self.epoch
        copy.pins = self.pins
        if "user" in changes:
            changes["_user"] = _lazily(changes.pop("user"))
        for name, value in changes.items():
            if name not in self.__slots__:
                raise TypeError(f"a context has no {name!r}")
            setattr(copy, name, value)
        return copy

    def __repr__(self) -> str:
        known = {name: getattr(self, name) for name in self.__slots__}
        said = (f"{name.lstrip('_')}={value!r}" for name, value in known.items() if value)
        return f"Context({', '.join(said)})"


_NOBODY = Context()
_current: ContextVar[Context] = ContextVar("strangler_context", default=_NOBODY)

current = _current.get
"""The context of the call that is being served; an empty one outside of any."""

enter, leave = _current.set, _current.reset
"""What ``use`` does, without the block: ``leave`` takes what ``enter`` gave."""


class use(Inside[Context]):  # noqa: N801 - a context manager, read as a verb
    """Everything inside is done for this context; afterwards the former one is back."""

    __slots__ = ()

    def __init__(self, context: Context) -> None:
        super().__init__(_current, context)


def commanded(capability: str) -> None:
    """Whoever this is done for has commanded the capability, and is to see what came of it."""
    pins = current().pins
    if isinstance(pins, set):
        pins.add(capability)


def job() -> use:
    """One run of a job: it draws one cohort, and all its calls use that."""
    return use(current().replace(cohort=draw(), pins=set()))
