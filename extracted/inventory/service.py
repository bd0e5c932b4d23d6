"""Inventory's port.

Whoever changes stock locks in one order: first reservations, by their order's id, then stock, by
SKU and warehouse. Nobody waits for a reservation while holding stock. So there is no deadlock, and
what a lock does not cover (SQLite has none by row, but one writer at a time) the checks of the
database do: a stock below zero can't be stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session, contains_eager

from contracts.inventory import (
    Allocation,
    Availability,
    Inventory,
    Item,
    OutOfStock,
    Reservation,
    ReservationDiffers,
    ReservationEnded,
    ReservationState,
    UnknownReservation,
)
from extracted.inventory import models
from extracted.inventory.claiming import claim
from extracted.inventory.expiry import due, expire
from extracted.inventory.moments import now
from extracted.inventory.moving import in_lock_order, move, stockable
from strangler.sqlalchemy.database import Database

HOLD = timedelta(minutes=15)
"""How long goods are kept for an order that has not been confirmed."""


class InventoryService(Inventory):
    """What is in stock, and for whom it is kept."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def availability(self, skus: list[str]) -> list[Availability]:
        """What is on hand and not kept; a lapsed hold keeps nothing."""
        stock, allocation = models.Stock, models.Allocation
        free = (
            select(stock.sku, func.sum(stock.on_hand - stock.reserved))
            .where(stock.sku.in_(stockable(skus)))
            .group_by(stock.sku)
        )
        lapsed = (
            select(stock.sku, func.sum(allocation.quantity))
            .join(allocation.stock)
            .join(models.Reservation, models.Reservation.order_id == allocation.order_id)
            .where(due(now()), stock.sku.in_(stockable(skus)))
            .group_by(stock.sku)
        )
        available = dict.fromkeys(skus, 0)
        with self._database.reading() as session:
            for sums in (free, lapsed):
                for sku, quantity in session.execute(sums):
                    available[sku] += quantity
        return [Availability(sku=sku, available=available[sku]) for sku in skus]

    def reserve(self, order: UUID, items: list[Item]) -> Reservation:
        """Keep all or nothing; lapsed holds make room before anything is refused."""
        wanted: dict[str, int] = {}
        for item in items:
            wanted[item.sku] = wanted.get(item.sku, 0) + item.quantity
        try:
            return self._reserve(order, wanted)
        except OutOfStock:
            if not expire(self._database, skus=wanted):
                raise
        return self._reserve(order, wanted)

    def _reserve(self, order: UUID, wanted: Mapping[str, int]) -> Reservation:
        with self._database.transaction() as session:
            moment = now()
            row, new = _claim(session, order, ReservationState.HELD, moment + HOLD)
            if not new:
                _check_same(session, row, wanted)
                if row.state == ReservationState.COMMITTED:
                    return _shown(session, row)
                if row.state == ReservationState.HELD:
                    if row.expires_at <= moment:
                        _turn(row, ReservationState.HELD, expires_at=moment + HOLD)
                    return _shown(session, row)
                session.execute(delete(models.Allocation).filter_by(order_id=order))
                _turn(row, ReservationState.HELD, expires_at=moment + HOLD)
            _allocate(session, order, wanted)
            return _shown(session, row)

    def commit(self, order: UUID) -> Reservation:
        """The goods leave the stock; of a lapsed hold too, if nobody has needed them yet."""
        with self._database.transaction() as session:
            row = session.get(models.Reservation, order, with_for_update=True)
            if row is None:
                raise UnknownReservation(order=order)
            if row.state == ReservationState.COMMITTED:
                return _shown(session, row)
            if row.state != ReservationState.HELD:
                raise ReservationEnded(order=order, state=ReservationState(row.state))
            for allocation in in_lock_order(session, [order]):
                move(session, allocation, reserved=-1, on_hand=-1, reason=models.Reason.SOLD)
            _turn(row, ReservationState.COMMITTED)
            return _shown(session, row)

    def release(self, order: UUID) -> Reservation:
        """The goods are free again; an order that reserved nothing is remembered as released."""
        with self._database.transaction() as session:
            row, _ = _claim(session, order, ReservationState.RELEASED, now())
            if row.state == ReservationState.HELD:
                for allocation in in_lock_order(session, [order]):
                    move(session, allocation, reserved=-1)
            elif row.state == ReservationState.COMMITTED:
                for allocation in in_lock_order(session, [order]):
                    move(session, allocation, on_hand=1, reason=models.Reason.RETURNED)
            if row.state != ReservationState.RELEASED:
                _turn(row, ReservationState.RELEASED)
            return _shown(session, row)


def _claim(
    session: Session, order: UUID, state: ReservationState, expires_at: datetime
) -> tuple[models.Reservation, bool]:
    moment = now()
    born = {
        "state": state.value,
        "expires_at": expires_at,
        "created_at": moment,
        "updated_at": moment,
    }
    return claim(session, models.Reservation, {"order_id": order}, born)


def _check_same(session: Session, row: models.Reservation, wanted: Mapping[str, int]) -> None:
    if row.state == ReservationState.RELEASED:
        raise ReservationEnded(order=row.order_id, state=ReservationState.RELEASED)
    sums = (
        select(models.Stock.sku, func.sum(models.Allocation.quantity))
        .join(models.Allocation.stock)
        .where(models.Allocation.order_id == row.order_id)
        .group_by(models.Stock.sku)
    )
    if dict(session.execute(sums).all()) != wanted:
        raise ReservationDiffers(order=row.order_id)


def _allocate(session: Session, order: UUID, wanted: Mapping[str, int]) -> None:
    locked: dict[str, list[models.Stock]] = {sku: [] for sku in wanted}
    stocks = (
        select(models.Stock)
        .join(models.Stock.warehouse)
        .options(contains_eager(models.Stock.warehouse))
        .where(models.Stock.sku.in_(stockable(wanted)))
        .order_by(models.Stock.sku, models.Stock.warehouse_id)
        .with_for_update(of=models.Stock)
    )
    for stock in session.scalars(stocks):
        locked[stock.sku].append(stock)
    taken: list[models.Allocation] = []
    for sku, quantity in sorted(wanted.items()):
        missing = quantity
        for stock in sorted(locked[sku], key=_rank):
            part = min(missing, stock.available)
            if part > 0:
                missing -= part
                taken.append(models.Allocation(order_id=order, stock_id=stock.id, quantity=part))
        if missing:
            raise OutOfStock(sku=sku, requested=quantity, available=quantity - missing)
    for allocation in taken:
        move(session, allocation, reserved=1)
    session.add_all(taken)
    session.flush()


def _rank(stock: models.Stock) -> tuple[int, str]:
    return stock.warehouse.rank, stock.warehouse.code


def _turn(
    row: models.Reservation, state: ReservationState, *, expires_at: datetime | None = None
) -> None:
    row.state = state.value
    row.expires_at = expires_at or row.expires_at
    row.updated_at = now()


def _shown(session: Session, row: models.Reservation) -> Reservation:
    allocations = (
        select(models.Stock.sku, models.Warehouse.code, models.Allocation.quantity)
        .join(models.Allocation.stock)
        .join(models.Stock.warehouse)
        .where(models.Allocation.order_id == row.order_id)
        .order_by(models.Stock.sku, models.Warehouse.rank, models.Warehouse.code)
    )
    return Reservation(
        order=row.order_id,
        state=ReservationState(row.state),
        allocations=[
            Allocation(sku=sku, warehouse=code, quantity=quantity)
            for sku, code, quantity in session.execute(allocations)
        ],
        expires_at=row.expires_at,
    )
