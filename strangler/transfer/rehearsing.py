"""A rehearsal's transaction in a service's database: doomed from its first statement.

What dooms it is in the database, and not in what the application does: a row that no COMMIT
survives. Only in such a transaction does the fence let writes pass, and the keys that are written
are noted in it; the rows are read by these keys before they are undone, and again afterwards. The
mover waits meanwhile: on PostgreSQL for half a second at most, on SQLite until it has ended.
Numbers that a sequence has given are not given again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from strangler.transfer.errors import TransferError
from strangler.transfer.mapping import Key, Row
from strangler.transfer.tables import Table

Keys = Mapping[str, set[Key]]
"""Keys by table."""


class Unrehearsable(TransferError):
    """No rehearsal can be here now; the message says why."""


class Doomed(ABC):
    """A service's own connection, which its application writes on too."""

    @abstractmethod
    def doom(self) -> int:
        """Let the transaction that is open never be committed, and the fence let it pass.

        Returns the number of the last batch that was applied.

        Raises:
            Unrehearsable: the rows are not fenced here, or transfer is not installed.
        """

    @abstractmethod
    def written(self) -> Keys:
        """The keys that have been written so far, or would have been.

        Raises:
            Unrehearsable: the transaction is not the one that was doomed.
        """

    @abstractmethod
    def undo(self) -> None:
        """Everything is as it was when the transaction was doomed; doomed it stays."""

    @abstractmethod
    def rows(self, keys: Keys) -> dict[str, dict[Key, Row]]:
        """These rows, as they are now."""

    @abstractmethod
    def number(self) -> int:
        """The number of the last batch that was applied."""

    @abstractmethod
    def abandon(self) -> None:
        """End the transaction now, from another thread, whatever it is at."""

    @abstractmethod
    def moment(self) -> str:
        """What the database calls now for as long as the transaction lasts; "" if nothing."""

    @abstractmethod
    def table(self, name: str) -> Table:
        """A table as it is."""


NOT_FENCED = "{}: its rows are not fenced here: the other side does not own them, or a switch runs"
NOT_INSTALLED = "{}: transfer is not installed here"
LOST = "{}: the transaction was ended by somebody else: what commits by itself can't be rehearsed"
