"""What the control plane refuses with, and what can go wrong with it.

::

    ControlError
    ├── UnknownCapability   the manifest has none of this name
    ├── UnknownDifference   the shadow report has none of this signature, or several
    ├── ReasonMissing       it has to be said why
    ├── MoveRefused         a gate is not proved
    ├── RowsStay            the rows could not change owner; nothing has changed
    ├── RowsTorn            a switch broke off half done, and has to be repaired
    ├── RevisionConflict    somebody else was faster
    ├── TableAhead          the routing table has a revision that the database does not know
    ├── ControlPlaneAway    the database can't be used
    └── TableLags           it is done, but the routing table does not say so yet

Beside them stand ``IllegalMove`` of the ladder, and ``PublishFailed`` of the routing table, after
which nothing was changed.
"""

from __future__ import annotations

from strangler.gates import GATHERED, UNFORCEABLE, Outcome, Verdict
from strangler.ladder import Move


class ControlError(Exception):
    """The control plane did not do, or not wholly do, what it was asked."""


class UnknownCapability(ControlError, LookupError):
    """The manifest has no such capability; the message says which it has."""


class UnknownDifference(ControlError, LookupError):
    """The shadow report has no such difference, or more than one that begins so."""


class ReasonMissing(ControlError):
    """This is recorded with a reason, and none was given."""


class RowsStay(ControlError):
    """The rows could not change owner; the capability stands where it stood."""


class RowsTorn(ControlError):
    """A switch broke off half done: a mover puts it right, or ``strangler transfer repair``."""


class MoveRefused(ControlError):
    """A gate is not proved; ``verdicts`` has what each of them said, passed or not.

    Where the move was forced, only of those that force does not open.
    """

    def __init__(self, capability: str, move: Move, verdicts: tuple[Verdict, ...]) -> None:
        super().__init__(capability, move, verdicts)
        self.capability = capability
        self.move = move
        self.verdicts = verdicts

    @property
    def inconclusive(self) -> bool:
        """Nothing failed: there is too little evidence yet."""
        return not self.failed

    @property
    def failed(self) -> tuple[Verdict, ...]:
        """What has been disproved, rather than not proved yet."""
        return tuple(one for one in self.verdicts if one.outcome is Outcome.FAILED)

    @property
    def renewable(self) -> bool:
        """Would it help to begin the evidence anew, once what failed is repaired?"""
        return any(one.gate in GATHERED for one in self.failed)

    @property
    def forceable(self) -> bool:
        """Would ``force`` help?"""
        return not any(
            verdict.gate in UNFORCEABLE and verdict.outcome is not Outcome.PASSED
            for verdict in self.verdicts
        )

    def __str__(self) -> str:
        how = {Outcome.FAILED: "is shut", Outcome.INCONCLUSIVE: "knows too little yet"}
        missing = [
            f"the gate {verdict.gate.value!r} {how[verdict.outcome]} ({verdict.message})"
            for verdict in self.verdicts
            if verdict.outcome in how
        ]
        return f"{self.capability} stays on {self.move.before}: {'; '.join(missing)}"


class RevisionConflict(ControlError):
    """It is not the revision any more that the caller has seen; ``last`` says who moved."""

    def __init__(self, expected: int, found: int, last: str) -> None:
        super().__init__(expected, found, last)
        self.expected = expected
        self.found = found
        self.last = last

    def __str__(self) -> str:
        return (
            f"somebody else was faster: you have seen revision {self.expected}, and it is "
            f"{self.found} now ({self.last}). Nothing was changed; look at it again, then decide"
        )


class TableAhead(ControlError):
    """A routing table is newer than the database: a local kill, or a database put back.

    ``where`` is the agent whose table that is; empty for the one here.
    """

    def __init__(self, table: int, database: int, where: str = "") -> None:
        super().__init__(table, database, where)
        self.table = table
        self.database = database
        self.where = where

    def __str__(self) -> str:
        return (
            f"the routing table{f' of {self.where}' if self.where else ''} is at revision "
            f"{self.table}, the database at {self.database}: "
            "somebody killed locally, or the database was put back. Nothing was changed; "
            "'strangler kill CAPABILITY' records a local kill, 'strangler publish' undoes it"
        )


class ControlPlaneAway(ControlError):
    """The database can't be used; the message says whether anything may have changed."""


class TableLags(ControlError):
    """It is done and recorded, but readers do not know yet: the routing table can't be written."""

    def __init__(self, revision: int, cause: Exception) -> None:
        super().__init__(revision, cause)
        self.revision = revision
        self.cause = cause

    def __str__(self) -> str:
        return (
            f"revision {self.revision} is recorded, but the routing table does not say so yet: "
            f"{self.cause}. Then: strangler publish"
        )
