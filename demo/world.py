"""What the customers know of the shop before the film begins."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody who is logged in: a user of the shop, and their token."""

    id: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """What they prove themselves with."""
        return {"Authorization": f"Bearer {self.token}"}


@dataclass(frozen=True, slots=True)
class Basket:
    """A basket, and what it costs: the answer which the monolith gave before the climb."""

    request: dict[str, Any]
    quote: dict[str, Any]

    @property
    def units(self) -> dict[str, int]:
        """How many of each SKU."""
        return {line["sku"]: line["quantity"] for line in self.request["lines"]}


@dataclass(frozen=True, slots=True)
class World:
    """Products, baskets, people. ``rare`` is what everybody wants at once in the last scene.

    ``staffed`` are the SKUs that staff reprice and receive, each with its warehouse; nobody buys
    them.
    """

    products: dict[str, dict[str, Any]]
    baskets: list[Basket]
    customers: list[Customer]
    staff: Customer | None = None
    staffed: dict[str, str] = field(default_factory=dict)
    rare: list[Basket] = field(default_factory=list)
