"""Inventory's port.

Whoever changes stock locks in one order: first reservations, by their order's id, then stock, by
SKU and warehouse. Nobody waits for a reservation while holding stock. So there is no deadlock, and
what a lock does not cover (SQLite has none by row, but one writer at a time) the checks of the
database do: a stock below zero can't be stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet, Sum
from django.db.models.expressions import Combinable
from django.utils import timezone

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
from monolith.inventory import models
from monolith.inventory.stocking import storable

HOLD = timedelta(minutes=15)
"""How long goods are kept for an order that has not been confirmed."""


class InventoryService(Inventory):
    """What is in stock, and for whom it is kept."""

    def availability(self, skus: list[str]) -> list[Availability]:
        """What is on hand and not kept; a lapsed hold keeps nothing."""
        known = list(filter(storable, skus))
        stocks = models.Stock.objects.filter(sku__in=known)
        free = _sums(stocks, "sku", F("on_hand") - F("reserved"))
        lapsed = _sums(
            models.Allocation.objects.filter(_due("reservation__"), stock__sku__in=known),
            "stock__sku",
            F("quantity"),
        )
        return [
            Availability(sku=sku, available=free.get(sku, 0) + lapsed.get(sku, 0)) for sku in skus
        ]

    def reserve(self, order: UUID, items: list[Item]) -> Reservation:
        """Keep all or nothing; lapsed holds make room before anything is refused."""
        wanted: dict[str, int] = {}
        for item in items:
            wanted[item.sku] = wanted.get(item.sku, 0) + item.quantity
        try:
            return self._reserve(order, wanted)
        except OutOfStock:
            if not expire(skus=wanted):
                raise
        return self._reserve(order, wanted)

    @transaction.atomic
    def _reserve(self, order: UUID, wanted: Mapping[str, int]) -> Reservation:
        now = timezone.now()
        row, new = models.Reservation.objects.select_for_update().get_or_create(
            order=order, defaults={"state": ReservationState.HELD, "expires_at": now + HOLD}
        )
        if not new:
            self._check_same(row, wanted)
            if row.state == ReservationState.COMMITTED:
                return _shown(row)
            if row.state == ReservationState.HELD:
                if row.expires_at <= now:
                    self._turn(row, ReservationState.HELD, expires_at=now + HOLD)
                return _shown(row)
            row.allocations.all().delete()
            self._turn(row, ReservationState.HELD, expires_at=now + HOLD)
        self._allocate(row, wanted)
        return _shown(row)

    def _check_same(self, row: models.Reservation, wanted: Mapping[str, int]) -> None:
        if row.state == ReservationState.RELEASED:
            raise ReservationEnded(order=row.order, state=ReservationState.RELEASED)
        before = _sums(row.allocations.all(), "stock__sku", F("quantity"))
        if before != wanted:
            raise ReservationDiffers(order=row.order)

    def _allocate(self, row: models.Reservation, wanted: Mapping[str, int]) -> None:
        locked: dict[str, list[models.Stock]] = {sku: [] for sku in wanted}
        stocks = (
            models.Stock.objects.select_for_update(of=("self",))
            .select_related("warehouse")
            .filter(sku__in=list(filter(storable, wanted)))
            .order_by("sku", "warehouse_id")
        )
        for stock in stocks:
            locked[stock.sku].append(stock)
        taken: list[models.Allocation] = []
        for sku, quantity in sorted(wanted.items()):
            missing = quantity
            for stock in sorted(locked[sku], key=_rank):
                part = min(missing, stock.available)
                if part > 0:
                    missing -= part
                    taken.append(models.Allocation(reservation=row, stock=stock, quantity=part))
            if missing:
                raise OutOfStock(sku=sku, requested=quantity, available=quantity - missing)
        for allocation in taken:
            _move(allocation, reserved=1)
        models.Allocation.objects.bulk_create(taken)

    @transaction.atomic
    def commit(self, order: UUID) -> Reservation:
        """The goods leave the stock; of a lapsed hold too, if nobody has needed them yet."""
        row = models.Reservation.objects.select_for_update().filter(order=order).first()
        if row is None:
            raise UnknownReservation(order=order)
        if row.state == ReservationState.COMMITTED:
            return _shown(row)
        if row.state != ReservationState.HELD:
            raise ReservationEnded(order=order, state=ReservationState(row.state))
        for allocation in _in_lock_order(row):
            _move(allocation, reserved=-1, on_hand=-1, reason=models.Reason.SOLD)
        self._turn(row, ReservationState.COMMITTED)
        return _shown(row)

    @transaction.atomic
    def release(self, order: UUID) -> Reservation:
        """The goods are free again; an order that reserved nothing is remembered as released."""
        row, _ = models.Reservation.objects.select_for_update().get_or_create(
            order=order,
            defaults={"state": ReservationState.RELEASED, "expires_at": timezone.now()},
        )
        if row.state == ReservationState.HELD:
            for allocation in _in_lock_order(row):
                _move(allocation, reserved=-1)
        elif row.state == ReservationState.COMMITTED:
            for allocation in _in_lock_order(row):
                _move(allocation, on_hand=1, reason=models.Reason.RETURNED)
        if row.state != ReservationState.RELEASED:
            self._turn(row, ReservationState.RELEASED)
        return _shown(row)

    def _turn(
        self,
        row: models.Reservation,
        state: ReservationState,
        *,
        expires_at: datetime | None = None,
    ) -> None:
        row.state = state
        row.expires_at = expires_at or row.expires_at
        row.save(update_fields=["state", "expires_at", "updated_at"])


@transaction.atomic
def expire(
    *, skus: Iterable[str] | None = None, limit: int | None = None, wait: bool = True
) -> int:
    """Free what is held beyond its time, and say how many reservations that was.

    Only reservations which keep one of ``skus``, if given. Without ``wait``, those that somebody is
    just deciding about are left to them.
    """
    due = models.Reservation.objects.filter(_due()).order_by("order")
    if skus is not None:
        keeping = models.Allocation.objects.filter(stock__sku__in=list(filter(storable, skus)))
        due = due.filter(order__in=keeping.values("reservation"))
    orders = [row.order for row in due.select_for_update(skip_locked=not wait)[:limit]]
    for allocation in _locked_order(models.Allocation.objects.filter(reservation__in=orders)):
        _move(allocation, reserved=-1)
    models.Reservation.objects.filter(order__in=orders).update(
        state=ReservationState.EXPIRED, updated_at=timezone.now()
    )
    return len(orders)


def _due(prefix: str = "") -> Q:
    return Q(
        **{f"{prefix}state": ReservationState.HELD, f"{prefix}expires_at__lte": timezone.now()}
    )


def _rank(stock: models.Stock) -> tuple[int, str]:
    return stock.warehouse.rank, stock.warehouse.code


def _sums(rows: QuerySet[Any], key: str, value: Combinable) -> dict[str, int]:
    return dict(rows.order_by().values_list(key).annotate(sum=Sum(value)))


def _in_lock_order(row: models.Reservation) -> QuerySet[models.Allocation]:
    return _locked_order(row.allocations.all())


def _locked_order(allocations: QuerySet[models.Allocation]) -> QuerySet[models.Allocation]:
    return allocations.order_by("stock__sku", "stock__warehouse_id")


def _move(
    allocation: models.Allocation,
    *,
    reserved: int = 0,
    on_hand: int = 0,
    reason: models.Reason | None = None,
) -> None:
    quantity = allocation.quantity
    models.Stock.objects.filter(pk=allocation.stock_id).update(
        reserved=F("reserved") + reserved * quantity, on_hand=F("on_hand") + on_hand * quantity
    )
    if reason is not None:
        models.Movement.objects.create(
            stock_id=allocation.stock_id,
            delta=on_hand * quantity,
            reason=reason,
            order=allocation.reservation_id,
        )


def _shown(row: models.Reservation) -> Reservation:
    allocations = row.allocations.select_related("stock__warehouse").order_by(
        "stock__sku", "stock__warehouse__rank", "stock__warehouse__code"
    )
    return Reservation(
        order=row.order,
        state=ReservationState(row.state),
        allocations=[
            Allocation(
                sku=allocation.stock.sku,
                warehouse=allocation.stock.warehouse.code,
                quantity=allocation.quantity,
            )
            for allocation in allocations
        ],
        expires_at=row.expires_at,
    )
