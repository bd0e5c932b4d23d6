"""The door: how a process that executes commands lets them in, one capability's at a time.

A command holds the door while it runs, together with any number of others; the mover closes it for
a freeze, and waits until those inside have left. Whoever has come in reads the owner row, so it
knows for certain that this side owns the rows for as long as it stays.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

from strangler.transfer.database import Owner


class DoorClosed(Exception):
    """The door did not open before the deadline, or too many wait for it; nothing has been done."""


class Door(ABC):
    """The door of one capability on one side. Shared by threads; safe across a fork."""

    @abstractmethod
    def entered(self, *, deadline: float) -> AbstractContextManager[Owner | None]:
        """Hold the door for the block, and know who owns the rows meanwhile.

        Gives None where nothing is installed: then there is no switch to wait for. Waits while the
        door is closed, or the owner row says ``frozen`` (a switch that its mover has left half
        done, and another will mend).

        Args:
            deadline: on the clock of ``time.monotonic``.

        Raises:
            DoorClosed: it is closed or frozen still, or too many wait for it already.
            DatabaseAway: nobody can say.
        """

    @abstractmethod
    def owner(self) -> Owner | None:
        """The owner row as it is now, without coming in.

        Raises:
            DatabaseAway: nobody can say.
        """

    @abstractmethod
    def position(self) -> int:
        """The highest number that the journal has given so far; whatever is committed has less.

        Raises:
            DatabaseAway: nobody can say.
        """

    @abstractmethod
    def applied(self, position: int) -> bool:
        """Is nothing of the capability left in the journal up to there?

        Raises:
            DatabaseAway: nobody can say.
        """

    @abstractmethod
    def ask(self) -> int:
        """Ask the mover whether all that is committed on the other side by now has come here.

        Gives the question's number, which is higher than that of any before.

        Raises:
            DatabaseAway: nobody can be asked.
        """

    @abstractmethod
    def answered(self, number: int) -> bool:
        """Has the mover said that it has?

        Raises:
            DatabaseAway: nobody can say.
        """

    @abstractmethod
    def delivered(self, rehearsal: str) -> list[str]:
        """What the mover has said of a rehearsed command's rows; see ``delivering``.

        Raises:
            DatabaseAway: nobody can say.
        """

    @abstractmethod
    def close(self) -> None:
        """Give up what is connected and not in use."""
