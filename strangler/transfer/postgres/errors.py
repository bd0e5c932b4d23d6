"""What PostgreSQL says, in the words of the seam."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from strangler.transfer import fence
from strangler.transfer.errors import (
    DatabaseAway,
    LockTimeout,
    ReferenceMissing,
    TransferError,
    Unfit,
    UniqueTaken,
    Unwritable,
)

# The first that fits. 08 connection, 25P03 idle too long, 53 no room (disk, memory, connections),
# 57P0 shut down, 58 the system underneath: all of these pass, and none is the fault of a row.
_KINDS: tuple[tuple[tuple[str, ...], type[TransferError]], ...] = (
    (("08", "25P03", "53", "57P0", "58", "28", "3D"), DatabaseAway),
    (("55P03", "57014", "40P01", "40001"), LockTimeout),
    (("23503",), ReferenceMissing),
    (("23505",), UniqueTaken),
    (("22", "23", "44", "P0", "428C9", "42804", "42846"), Unwritable),
)


@contextmanager
def spoken() -> Iterator[None]:
    """Errors of psycopg leave the block as the seam's.

    Raises:
        TransferError: of the kind that fits.
    """
    try:
        yield
    except psycopg.Error as error:
        raise translate(error) from error


def translate(error: psycopg.Error) -> TransferError:
    """The same in the seam's words."""
    state = error.sqlstate or ""
    said = error.diag.message_primary or str(error).strip() or type(error).__name__
    if error.diag.message_detail:
        said = f"{said}: {error.diag.message_detail}"
    table = error.diag.table_name or ""
    if state == fence.SQLSTATE:
        said = f"the fence does not let this mover pass: {said}; install again, as its role"
        return Unfit([said])
    for begins, kind in _KINDS:
        if state.startswith(begins):
            return kind(said, table) if issubclass(kind, Unwritable) else kind(said)
    if state.startswith("42"):
        return Unfit([said])
    if state:
        return TransferError(f"{said} ({state})")
    # Without a state psycopg says it: the connection is gone, or a value can't be written down.
    if isinstance(error, psycopg.OperationalError):
        return DatabaseAway(said)
    return Unwritable(said, table)
