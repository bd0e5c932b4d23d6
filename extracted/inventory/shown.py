"""What inventory's HTTP face gives, and what it takes; OpenAPI is told the same."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from extracted.inventory import models

BIG = 2**63 - 1
SLUG = r"^[-a-zA-Z0-9_]+$"
SKU = r"^[A-Z0-9]+(-[A-Z0-9]+)*$"
T = TypeVar("T")


def _unsaid(schema: dict[str, Any]) -> None:
    """Nobody is promised what is there when nothing is."""
    schema.pop("default")


MAYBE = Field(json_schema_extra=_unsaid)
Big = Annotated[int, Field(ge=-BIG - 1, le=BIG)]
Rank = Annotated[int, Field(ge=0, le=BIG)]
Link = Annotated[str, Field(json_schema_extra={"format": "uri"})]


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    count: int
    next: Link | None = None
    previous: Link | None = None
    results: list[T]


class AvailabilityShown(BaseModel):
    """How many of a SKU can be ordered now."""

    sku: str
    available: int


class WarehouseShown(BaseModel):
    """Where goods lie; orders are served from the lowest rank first."""

    model_config = ConfigDict(from_attributes=True)

    code: Annotated[str, Field(max_length=32, pattern=SLUG)]
    name: Annotated[str, Field(max_length=100)]
    rank: Annotated[Rank, MAYBE] = 100


class StockShown(BaseModel):
    """How many of a SKU lie in a warehouse, and how many of them are kept for orders."""

    sku: Annotated[str, Field(max_length=64)]
    warehouse: str
    on_hand: Annotated[Big, MAYBE] = 0
    reserved: Annotated[Big, MAYBE] = 0
    available: int

    @classmethod
    def of(cls, row: models.Stock) -> StockShown:
        """A stock, with its warehouse."""
        return cls(
            sku=row.sku,
            warehouse=row.warehouse.code,
            on_hand=row.on_hand,
            reserved=row.reserved,
            available=row.available,
        )


class MovementShown(BaseModel):
    """One change of what is on hand."""

    id: int
    sku: str
    warehouse: str
    delta: Big
    reason: models.Reason
    note: Annotated[str, Field(max_length=200), MAYBE] = ""
    order: UUID | None = None
    actor: Annotated[str, Field(max_length=64), MAYBE] = ""
    at: datetime

    @classmethod
    def of(cls, row: models.Movement) -> MovementShown:
        """A movement, with its stock and warehouse."""
        return cls(
            id=row.id,
            sku=row.stock.sku,
            warehouse=row.stock.warehouse.code,
            delta=row.delta,
            reason=models.Reason(row.reason),
            note=row.note,
            order=row.order_id,
            actor=row.actor,
            at=row.moved_at,
        )


class Adjustment(BaseModel):
    """A change by hand: so many more, or fewer, in a warehouse, and why."""

    sku: Annotated[str, Field(min_length=1, max_length=64, pattern=SKU)]
    warehouse: Annotated[str, Field(min_length=1)]
    delta: Annotated[int, Field(ge=-1_000_000, le=1_000_000)]
    reason: Literal["received", "counted", "damaged", "lost"]
    note: Annotated[str, Field(max_length=200)] = ""


class NewWarehouse(BaseModel):
    """A warehouse to be."""

    code: Annotated[str, Field(min_length=1, max_length=32, pattern=SLUG)]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    rank: Annotated[Rank, MAYBE] = 100


class ChangedWarehouse(BaseModel):
    """What shall be another in a warehouse."""

    code: Annotated[str, Field(min_length=1, max_length=32, pattern=SLUG), MAYBE] = ""
    name: Annotated[str, Field(min_length=1, max_length=100), MAYBE] = ""
    rank: Annotated[Rank, MAYBE] = 0


def body(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """What OpenAPI says of a request that has such a body."""
    schema = model.model_json_schema()
    return {
        "requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}
    }


def exact(document: Any) -> None:
    """Make the bounds of numbers whole again: of the largest ones, no float is exact."""
    if isinstance(document, dict):
        for name, value in document.items():
            if name in {"maximum", "minimum"} and isinstance(value, float):
                document[name] = min(int(value), BIG)
            else:
                exact(value)
    elif isinstance(document, list):
        for value in document:
            exact(value)
