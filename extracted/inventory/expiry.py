"""Holds end: what is kept beyond its time is freed, when somebody needs it or by the timer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Final, Self

from sqlalchemy import ColumnElement, select, update

from contracts.inventory import ReservationState
from extracted.inventory.models import Allocation, Reservation, Stock
from extracted.inventory.moments import now
from extracted.inventory.moving import in_lock_order, move, stockable
from strangler.ports.errors import DoorShut, NotOwner
from strangler.sqlalchemy.database import Database

BATCH: Final = 200
"""Reservations that one transaction of the timer frees."""
STOPPING: Final = 5.0
"""Seconds that a batch under way may take to end when the service stops."""
Commanding = Callable[[], AbstractContextManager[object]]
"""Makes what the timer holds while it writes; it raises where this side may not write now."""

_log = logging.getLogger("extracted.inventory")


def due(moment: datetime) -> ColumnElement[bool]:
    """Whether a reservation is held beyond its time."""
    held = Reservation.state == ReservationState.HELD.value
    return held & (Reservation.expires_at <= moment)


def expire(
    database: Database,
    *,
    skus: Iterable[str] | None = None,
    limit: int | None = None,
    wait: bool = True,
) -> int:
    """Free what is held beyond its time, and say how many reservations that was.

    Only reservations which keep one of ``skus``, if given. Without ``wait``, those that somebody is
    just deciding about are left to them.
    """
    with database.transaction() as session:
        moment = now()
        lapsed = select(Reservation.order_id).where(due(moment)).order_by(Reservation.order_id)
        if skus is not None:
            keeping = (
                select(Allocation.order_id)
                .join(Allocation.stock)
                .where(Stock.sku.in_(stockable(skus)))
            )
            lapsed = lapsed.where(Reservation.order_id.in_(keeping))
        lapsed = lapsed.limit(limit).with_for_update(skip_locked=not wait)
        orders = session.scalars(lapsed).all()
        if not orders:
            return 0
        for allocation in in_lock_order(session, orders):
            move(session, allocation, reserved=-1)
        session.execute(
            update(Reservation)
            .where(Reservation.order_id.in_(orders))
            .values(state=ReservationState.EXPIRED.value, updated_at=moment)
        )
        return len(orders)


def expire_once(database: Database) -> int:
    """Free one batch, without waiting for anybody; says how many reservations that was."""
    return expire(database, limit=BATCH, wait=False)


class Timer:
    """A thread that looks for lapsed holds every so often, as long as its block runs.

    Any number of processes may have one: they share the work.
    """

    def __init__(
        self, database: Database, *, every: float, commanding: Commanding = nullcontext
    ) -> None:
        """Nothing runs before the block is entered.

        Args:
            database: where the reservations are.
            every: seconds between two looks.
            commanding: entered for each batch, before its transaction.
        """
        self._database = database
        self._every = every
        self._commanding = commanding
        self._stop = threading.Event()
        # A daemon: a database that hangs must not keep a process alive that was told to stop.
        self._thread = threading.Thread(target=self._run, name="expiry", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(STOPPING)

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self._look()
            except (NotOwner, DoorShut) as refused:
                _log.debug("lapsed reservations are not ours to free now: %s", refused)
            except Exception:  # noqa: BLE001 - whatever it is, the next look may go well
                _log.exception("lapsed reservations were not freed; the next look is due soon")

    def _look(self) -> None:
        freed = BATCH
        while freed == BATCH and not self._stop.is_set():
            with self._commanding():
                freed = expire_once(self._database)
