"""What an engine answers when it does not do what it was asked.

::

    SagaError
    ├── NotDeclared    no saga of this name is declared in this process
    ├── Newer          its data has what this process does not know
    ├── UnknownSaga    there is none with this id
    ├── KeyReused      the key belongs to a saga with other data
    ├── LockHeld       another saga holds what this one would
    ├── NotStuck       only what is stuck is retried
    ├── HasEnded       it is abandoned no more
    ├── NotNow         what its abandonment writes can't be written now
    ├── ReasonMissing  it has to be said why
    ├── Unfit          what is written of it does not fit its declaration
    └── TakenOver      somebody else has gone on with it
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from strangler.ports.declare import Violation
from strangler.saga.machine import State


class DeclarationError(TypeError):
    """A saga is declared in a way that could not end well; ``violations`` has all there is."""

    def __init__(self, name: str, violations: Iterable[Violation]) -> None:
        self.violations = tuple(violations)
        lines = "".join(f"\n  {violation}" for violation in self.violations)
        super().__init__(f"{name} can't be a saga:{lines}")


class SagaError(Exception):
    """The engine did not do what it was asked."""


class NotDeclared(SagaError, LookupError):
    """No saga of this name is declared in this process; the message says which are."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(name, known)
        self.name = name
        self.known = sorted(known)

    def __str__(self) -> str:
        there = ", ".join(self.known) or "none"
        return f"the saga {self.name!r} is not declared here: there is {there}"


class Newer(SagaError):
    """The data of a saga has a field that this process does not know, and would lose."""

    def __init__(self, name: str, field: str) -> None:
        super().__init__(name, field)
        self.name = name
        self.field = field

    def __str__(self) -> str:
        return (
            f"its data has {self.field}, which the {self.name} that is declared here has not: "
            "a newer process goes on with it"
        )


class UnknownSaga(SagaError, LookupError):
    """There is no saga with this id."""


class KeyReused(SagaError):
    """A saga of this name was started with this key, and with other data."""

    def __init__(self, name: str, key: str, saga: UUID) -> None:
        super().__init__(name, key, saga)
        self.name = name
        self.key = key
        self.saga = saga

    def __str__(self) -> str:
        return f"the key {self.key!r} belongs to another {self.name}: {self.saga}"


class LockHeld(SagaError):
    """Another saga, which has not ended, holds a lock that this one would hold."""

    def __init__(self, lock: str, saga: UUID) -> None:
        super().__init__(lock, saga)
        self.lock = lock
        self.saga = saga

    def __str__(self) -> str:
        return f"{self.lock!r} is held by the saga {self.saga}, until that has ended"


class NotStuck(SagaError):
    """Only what is stuck is retried: whatever moves tries again by itself."""

    def __init__(self, saga: UUID, state: State) -> None:
        super().__init__(saga, state)
        self.saga = saga
        self.state = state

    def __str__(self) -> str:
        return f"the saga {self.saga} is {self.state}, and not stuck: there is nothing to retry"


class HasEnded(SagaError):
    """What has ended is abandoned no more."""

    def __init__(self, saga: UUID, state: State) -> None:
        super().__init__(saga, state)
        self.saga = saga
        self.state = state

    def __str__(self) -> str:
        return f"the saga {self.saga} is {self.state} already"


class NotNow(SagaError):
    """What a saga's abandonment writes can't be written now, so it is not abandoned."""

    def __init__(self, saga: UUID, trouble: str) -> None:
        super().__init__(saga, trouble)
        self.saga = saga
        self.trouble = trouble

    def __str__(self) -> str:
        return f"the saga {self.saga} can't be abandoned now: {self.trouble}"


class ReasonMissing(SagaError):
    """It is kept why a saga was abandoned, and nothing was said."""

    def __str__(self) -> str:
        return "say why it is abandoned: the log keeps it"


class Unfit(SagaError):
    """What is written of a saga does not fit its declaration; the message says in what."""


class TakenOver(SagaError):
    """Somebody else has gone on with this saga: what we know of it is old, and nothing was done."""


class BadData(ValueError):
    """The data of a saga can't be written, or what is written can't be read."""
