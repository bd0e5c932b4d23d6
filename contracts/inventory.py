"""What is in stock, and for whom it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from strangler.ports.declare import Meta, Port, command, query
from strangler.ports.errors import DeclaredError


@dataclass(frozen=True, slots=True)
class Item:
    """How many of what."""

    sku: Annotated[str, Meta(min_length=1, max_length=64)]
    quantity: Annotated[int, Meta(ge=1, le=10_000)]


@dataclass(frozen=True, slots=True)
class Availability:
    """How many of a SKU can be reserved now, over all warehouses."""

    sku: str
    available: int


@dataclass(frozen=True, slots=True)
class Allocation:
    """How many of a SKU are kept in which warehouse."""

    sku: str
    warehouse: str
    quantity: int


class ReservationState(StrEnum):
    """``held`` ends as one of the others.

    What was committed may still be released, and what has expired may be reserved again;
    ``released`` is the end.
    """

    HELD = "held"
    COMMITTED = "committed"
    RELEASED = "released"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Reservation:
    """What is kept for one order, and until when."""

    order: UUID
    state: ReservationState
    allocations: list[Allocation]
    expires_at: datetime


class OutOfStock(DeclaredError, status=409):
    """There is not enough of this in stock."""

    sku: str
    requested: int
    available: int


class UnknownReservation(DeclaredError, status=404):
    """Nothing was ever reserved for this order."""

    order: UUID


class ReservationEnded(DeclaredError, status=409):
    """This reservation has ended another way already."""

    order: UUID
    state: ReservationState


class ReservationDiffers(DeclaredError, status=409):
    """Something else was reserved for this order before."""

    order: UUID


class Inventory(Port, capability="inventory"):
    """What is in stock, and for whom it is kept."""

    @query(timeout=1.0)
    def availability(self, skus: list[str]) -> list[Availability]:
        """How many can be reserved now, in the order asked; 0 for a SKU that nobody stocks."""

    @command(idempotent=True, raises=[OutOfStock, ReservationEnded, ReservationDiffers])
    def reserve(
        self,
        order: UUID,
        items: Annotated[list[Item], Meta(min_length=1, max_length=100)],
    ) -> Reservation:
        """Keep all of these items for an order, or none; again for one order: the same answer.

        Items of the same SKU are added up.
        """

    @command(idempotent=True)
    def release(self, order: UUID) -> Reservation:
        """Give back what is held for an order, or was committed for it; nothing is reserved later.

        That holds for an order that has reserved nothing yet: a ``reserve`` that was delayed on its
        way and arrives after its ``release`` is refused.
        """

    @command(idempotent=True, raises=[UnknownReservation, ReservationEnded])
    def commit(self, order: UUID) -> Reservation:
        """Take what is held for an order out of stock, for good."""
