"""A write that the fence has refused: named, flagged, and rolled back with all that was around it.

On SQLite it looks like an IntegrityError, which get_or_create would swallow, and the rest of the
request would be committed. So it is raised as ``Fenced``, the transaction it happened in is marked
for rollback, whoever catches what, and the flag outranks whatever the view answers.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from strangler.django.doors import writers
from strangler.ladder import Arm
from strangler.transfer import fence

_log = logging.getLogger("strangler.fence")

refused: Counter[tuple[str, str]] = Counter()
"""How many writes the fence has refused in this process, by capability and writer."""


class Fenced(DatabaseError):
    """This side does not own the rows that were to be written; nothing of the transaction stays.

    Attributes:
        capability: whose rows they are; "" if nobody says.
        owner: who owns them; None while they are changing owner.
        writer: who wrote.
        inside: whether it had come in by the door: then it is a fault of the kit's.
    """

    def __init__(
        self, said: str, *, capability: str, owner: Arm | None, writer: str, inside: bool
    ) -> None:
        super().__init__(said)
        self.capability = capability
        self.owner = owner
        self.writer = writer
        self.inside = inside


_hit: ContextVar[Fenced | None] = ContextVar("strangler_fenced", default=None)

hit = _hit.get
"""The first refusal since the flag was last taken; None for none."""


def taken() -> Fenced | None:
    """The same, and the flag is down again."""
    found = _hit.get()
    if found is not None:
        _hit.set(None)
    return found


def connect() -> None:
    """Stand around every statement of every connection from now on."""
    connection_created.connect(_install, dispatch_uid="strangler.fencing")


def _install(*, connection: BaseDatabaseWrapper, **_: object) -> None:
    if _around not in connection.execute_wrappers:
        connection.execute_wrappers.append(_around)


def _around(
    execute: Callable[[Any, Any, bool, Any], Any],
    sql: Any,
    params: Any,
    many: bool,  # noqa: FBT001  # Django's signature
    context: dict[str, Any],
) -> Any:
    capability = writers.written(sql) if isinstance(sql, str) else None
    if capability is not None:
        sql = _signed(context["connection"], sql, capability)
    try:
        return execute(sql, params, many, context)
    except DatabaseError as error:
        fenced = _read(error)
        if fenced is None:
            raise
        _doom(context["connection"])
        _note(fenced)
        raise fenced from error


def _signed(connection: Any, sql: str, capability: str) -> str:
    writer, inside = writers.signature(capability), writers.inside(capability)
    if connection.vendor == "postgresql":
        return f"{sql} /*strangler door={int(inside)} by={writer}*/" if writer or inside else sql
    if connection.vendor == "sqlite":
        from strangler.transfer.sqlite import stamp  # noqa: PLC0415  # only where there is one

        stamp(connection.connection, writer=writer, door=inside)
    return sql


def _read(error: DatabaseError) -> Fenced | None:
    """What the fence has said, if it was the fence."""
    said = str(error)
    found = fence.read(error.__cause__, said)
    if found is None:
        return None
    return Fenced(
        said.strip(),
        capability=found.capability,
        owner=found.owner,
        writer=writers.writer(),
        inside=writers.inside(found.capability),
    )


def _note(fenced: Fenced) -> None:
    if _hit.get() is None:
        _hit.set(fenced)
    refused[fenced.capability, fenced.writer] += 1
    level = logging.CRITICAL if fenced.inside else logging.WARNING
    _log.log(level, "%s: a write of %s is refused: %s", fenced.capability, fenced.writer, fenced)


def _doom(connection: Any) -> None:
    """Let nothing be committed of the transaction that is open, whoever catches the error.

    A block that rolls back to its savepoint calls the rest sound again; without the savepoint's
    name it marks the block around it, and so on outwards. A TestCase's own blocks go on.
    """
    if not connection.in_atomic_block:
        return
    blocks = connection.atomic_blocks
    if blocks[-1]._from_testcase:  # noqa: SLF001  # there is no public mark
        return
    connection.needs_rollback = True
    names = connection.savepoint_ids
    for number, outer in enumerate(blocks[: len(names)]):
        if not outer._from_testcase:  # noqa: SLF001  # ditto
            names[number] = None
