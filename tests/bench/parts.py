"""What the http bench asks for: a part, or a hundred, by a port and by a pydantic API."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from strangler.ports.declare import Port, query

MANIFEST = """
[edge]
monolith = "http://127.0.0.1:9"

[capability.parts]
context  = "tests.assets.sky"
owner    = "team-bench"
contract = "tests.bench.parts:Parts"
service  = ["http://127.0.0.1:{port}"]
routes   = ["/parts/"]
callers  = []
"""

HUNDRED = 100
ROWS = [
    {
        "sku": f"SKU-{number}",
        "name": f"Part number {number}",
        "price": Decimal(number) + Decimal("0.95"),
        "currency": "EUR",
        "active": number % 7 != 0,
    }
    for number in range(HUNDRED)
]


@dataclass(frozen=True, slots=True)
class Part:
    """A small DTO."""

    sku: str
    name: str
    price: Decimal
    currency: str
    active: bool


class Parts(Port, capability="parts"):
    """What the bench calls."""

    @query(timeout=10.0)
    def part(self, sku: str) -> Part:
        """One of them."""

    @query(timeout=10.0)
    def some(self, count: int) -> list[Part]:
        """That many of them."""


PARTS = [Part(**row) for row in ROWS]


class PartsService(Parts):
    """Has its answers already: what is measured is how they cross."""

    def part(self, sku: str) -> Part:
        return PARTS[0]

    def some(self, count: int) -> list[Part]:
        return PARTS[:count]
