"""The listening half of events, as a context writes it: functions that each take one event.

::

    handlers = Handlers("notifications")


    @handlers.on
    def tell(event: OrderConfirmed) -> None:
        \"\"\"Note that the customer is to be told.\"\"\"
        models.Notice.objects.create(order=event.order)

The annotation says which events a handler is given. It runs in the transaction that remembers the
event, so what it writes in its own database happens once; what is to be done outside is written
down there too, and done by a job. The same is written in the monolith and in a service.

A consumer that keeps a copy of what others have says how that is filled anew::

    handlers.anew(empty=products.forget_all, ask=products.ask)
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

from strangler.events.declare import UnknownEvent, declared

__all__ = ["BadHandler", "Copy", "Handler", "Handlers", "NoConsumer"]

Handler = Callable[[Any], None]
F = TypeVar("F", bound=Handler)


class BadHandler(TypeError):
    """A function can't be a handler; the message says why, and what to write instead."""


class NoConsumer(LookupError):
    """A capability can't listen here; the message says what is missing."""


class Copy(NamedTuple):
    """What a consumer keeps of what others have; see ``Handlers.anew``."""

    empty: Callable[[], object]
    ask: Callable[[], object]


class Handlers:
    """What one consumer does about the events that it is told. A consumer is a capability."""

    def __init__(self, consumer: str) -> None:
        """``consumer`` is the name of the capability that listens."""
        self.consumer = consumer
        self.copies: list[Copy] = []
        self._known: dict[str, list[Handler]] = {}

    def on(self, function: F) -> F:
        """Let this function be called with each event of the type that it is annotated with.

        Several functions of one type are called in the order in which they are written.

        Raises:
            BadHandler: it does not take one event, or is no plain function.
        """
        self._known.setdefault(_heard(function), []).append(function)
        return function

    def anew(self, *, empty: Callable[[], object], ask: Callable[[], object]) -> None:
        """Say how a copy of what others have is filled anew.

        ``strangler events replay --consumer NAME`` does it.

        Args:
            empty: forgets all of it; in a transaction of its own, which is the consumer's.
            ask: has others say it again, by a command of theirs. That comes as events do.
        """
        self.copies.append(Copy(empty, ask))

    @property
    def types(self) -> tuple[str, ...]:
        """The types of event that are handled here, sorted."""
        return tuple(sorted(self._known))

    @property
    def topics(self) -> tuple[str, ...]:
        """The capabilities that say them, sorted."""
        return tuple(sorted({kind.partition(".")[0] for kind in self._known}))

    def of(self, kind: str) -> tuple[Handler, ...]:
        """What is called for an event of this type; nothing if nobody here handles it."""
        return tuple(self._known.get(kind, ()))

    def __contains__(self, kind: object) -> bool:
        return kind in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(self.types)

    def __repr__(self) -> str:
        return f"Handlers({self.consumer!r}: {', '.join(self.types) or 'nothing'})"


def _heard(function: Handler) -> str:
    name = f"{function.__module__}.{function.__qualname__}"
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise BadHandler(f"{name} is no plain function: write def, and return when all is done")
    parameters = list(inspect.signature(function).parameters.values())
    if len(parameters) != 1 or parameters[0].kind not in _POSITIONAL:
        raise BadHandler(f"{name} does not take one argument: write def handle(event: Event)")
    try:
        hints = typing.get_type_hints(function)
    except NameError as error:
        raise BadHandler(
            f"{name}: {error}; import the event outside of TYPE_CHECKING, above the handler"
        ) from error
    record = hints.get(parameters[0].name)
    if not isinstance(record, type):
        raise BadHandler(f"{name} does not say which event it takes: annotate its argument")
    if hints.get("return", type(None)) is not type(None):
        raise BadHandler(f"{name} returns something, and nobody would look at it: return None")
    try:
        return declared(record).name
    except UnknownEvent as error:
        raise BadHandler(f"{name}: {error}") from error


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
