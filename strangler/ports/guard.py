"""A call that could leave the process, made while a database transaction is open.

It holds locks for as long as the other side takes, and a rollback does not undo what the other side
has done. In one process nobody notices; so it is looked for wherever the call is placed. What looks
is ``runtime.configure(guard=…)``: only a framework's side can tell which transactions are open, and
whether this is a test.
"""

from __future__ import annotations

from strangler.ports.declare import Method


class CallInTransaction(RuntimeError):
    """A port was called inside an open database transaction."""

    def __init__(self, method: Method, database: str) -> None:
        super().__init__(
            f"{method} is called inside an open transaction on {database!r}: once it is remote it "
            "would hold locks while it waits, and would not be rolled back. Call it before the "
            "transaction begins, or after it has ended"
        )
