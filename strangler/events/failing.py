"""What a failure means for the events that were being handled, and for whoever brings them."""

from __future__ import annotations

from enum import Enum
from typing import Final

from strangler.ports.errors import NotOwner

__all__ = ["Failed", "Later", "NotYet", "TooMany", "Verdict", "transient", "turned"]

PAUSE: Final = 1.0
"""Seconds until events may come again that could not be taken now."""
NOT_YET: Final = 5.0
"""The same, of a type that nobody here handles yet."""


class Verdict(Enum):
    """What a failure means for the event that was being handled."""

    POISON = "poison"
    """It is this event's own: set it aside."""
    LATER = "later"
    """It would hit any other as well: hold back, and try again."""
    NOT_OURS = "not ours"
    """The other side owns the rows."""


class Later(Exception):
    """Some of these can't be taken now, through no fault of theirs: bring them again.

    ``after`` is in how many seconds. So many of them were dealt with before as ``taken`` says: of
    these, which were the first, none has to come again. What else was taken is remembered.
    """

    def __init__(self, said: str, after: float = PAUSE) -> None:
        super().__init__(said)
        self.after = after
        self.taken = 0


class TooMany(Later):
    """The time was up before all of them were handled."""


class NotYet(Later):
    """Nobody here handles events of this type, and somebody is meant to: a newer process will.

    Or they are handled, and this one was said in a ``schema`` that is newer than what is known.
    """

    def __init__(self, consumer: str, kind: str, schema: int | None = None) -> None:
        what = "handles" if schema is None else f"reads schema {schema} of"
        super().__init__(
            f"nobody here {what} {kind[:100]!r} yet: a newer deployment of {consumer} has to; if "
            "there will be none, take it out of what the manifest lets it subscribe to",
            NOT_YET,
        )


class Failed(Exception):
    """A transaction was undone; ``index`` says by which event, None by none of them alone."""

    def __init__(self, index: int | None, error: Exception, verdict: Verdict) -> None:
        super().__init__(str(error))
        self.index = index
        self.error = error
        self.verdict = verdict

    def smaller(self, size: int) -> int:
        """Of how many to try instead of so many; none where it is the first one's own fault.

        Raises:
            Later: it is nobody's.
        """
        if self.verdict is Verdict.LATER and not self.index:
            raise self.later() from self
        return size // 2 if self.index is None else self.index

    def later(self) -> Later:
        """What whoever brings the events is told."""
        if isinstance(self.error, Later):
            return Later(str(self.error), self.error.after)
        return Later(f"{type(self.error).__name__}: {self.error}")


def turned(error: BaseException, consumer: str) -> NotOwner:
    """The same, to whoever is to bring the events to the other side."""
    if isinstance(error, NotOwner):
        return error
    return NotOwner(f"the other side owns {consumer}: {error}")


def transient(error: BaseException | None) -> bool:
    """Would this error of a driver's hit any other event as well? It says which it is by a code."""
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if isinstance(state, str):
        return state[:2] in _AWAY and state not in _OWN
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(code, int):
        return code & 0xFF in _SQLITE
    return type(error).__name__ in {"OperationalError", "InterfaceError"}


_AWAY = frozenset({"08", "25", "40", "53", "55", "57", "58"})
"""Classes of PostgreSQL's errors: connections, transactions, resources, locks, the server's own."""
_OWN = frozenset({"25P02", "57014"})
"""Among them a transaction that somebody has broken, and a statement that took too long: they are
this event's, for all that anybody knows."""
_SQLITE = frozenset({5, 6, 7, 8, 10, 13, 14, 15})
"""Busy, locked, no memory, read only, I/O, full, can't be opened, protocol."""
