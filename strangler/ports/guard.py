"""A call that could leave the process, made while a database transaction is open.

It holds locks for as long as the other side takes, and nothing takes back what the other side has
done when the transaction is rolled back. In one process nobody notices, so it is looked for
wherever the call is placed. Which transactions count is for the framework's side to say.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

from strangler.ports.context import current
from strangler.ports.declare import Method


class CallInTransaction(RuntimeError):
    """A port was called inside an open database transaction."""

    def __init__(self, method: Method) -> None:
        super().__init__(
            f"{method} was called inside an open database transaction. The day it becomes remote, "
            "locks are held while it waits, and a rollback does not undo it: call it before the "
            "transaction begins, or after it has ended (transaction.on_commit)"
        )


class CallInTransactionWarning(RuntimeWarning):
    """The same, as a warning for development."""


def raising(is_open: Callable[[], bool]) -> Callable[[Method], None]:
    """A guard for tests: ``runtime.configure(guard=raising(is_open))``."""

    def guard(method: Method) -> None:
        if _counts(is_open):
            raise CallInTransaction(method)

    return guard


def warning(is_open: Callable[[], bool]) -> Callable[[Method], None]:
    """A guard for development: warns, once for each place in the code."""

    def guard(method: Method) -> None:
        if _counts(is_open):
            # Above this frame are the guarded run and the bound method; then comes the caller.
            warnings.warn(str(CallInTransaction(method)), CallInTransactionWarning, stacklevel=4)

    return guard


def _counts(is_open: Callable[[], bool]) -> bool:
    # A shadow call is kept in a read-only transaction by the kit itself.
    return is_open() and not current().shadow
