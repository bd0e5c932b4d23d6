"""What can go wrong between two databases."""

from __future__ import annotations

from collections.abc import Sequence


class TransferError(Exception):
    """What went wrong between two databases.

    ::

        TransferError
        ├── DatabaseAway        it can't be reached, or broke off: nobody knows what was committed
        ├── Superseded          another mover has taken over, or the epoch is another by now
        ├── LockTimeout         somebody holds a lock for longer than we may wait
        ├── Unwritable          the database refuses a row
        │   ├── UniqueTaken     a unique value is another row's
        │   └── ReferenceMissing  a foreign key leads nowhere, or its target is still referred to
        ├── Unfit               the schema can't be transferred as it is
        └── SwitchRefused       the old owner goes on
    """


class DatabaseAway(TransferError):
    """It can't be reached, or broke off."""


class Superseded(TransferError):
    """The owner row has another token or epoch than ours: whatever we meant to do is too late."""


class LockTimeout(TransferError):
    """Somebody holds a lock for longer than we may wait; the message says who."""


class Unwritable(TransferError):
    """The database refuses a row. ``table`` is empty where it does not say which."""

    def __init__(self, said: str, table: str = "") -> None:
        super().__init__(said)
        self.table = table


class UniqueTaken(Unwritable):
    """A unique value is another row's."""


class ReferenceMissing(Unwritable):
    """A foreign key leads nowhere, or a row that goes is still referred to."""


class Unfit(TransferError):
    """The schema can't be transferred as it is; ``problems`` says everything that is wrong."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class SwitchRefused(TransferError):
    """It was not begun, or undone before the decision: the old owner goes on. Says why."""
