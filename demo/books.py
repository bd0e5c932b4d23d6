"""What the books say in the end, read past everybody's code, in the database of whoever owns."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from demo.databases import Databases
from demo.ledger import FoundOrder, Kept

SOLD = {
    "monolith": """
        SELECT movement."order", stock.sku, -SUM(movement.delta)
        FROM inventory_movement AS movement
        JOIN inventory_stock AS stock ON stock.id = movement.stock_id
        WHERE movement.reason = 'sold' GROUP BY 1, 2
    """,
    "service": """
        SELECT movement.order_id, stock.sku, -SUM(movement.delta)
        FROM movement JOIN stock ON stock.id = movement.stock_id
        WHERE movement.reason = 'sold' GROUP BY 1, 2
    """,
}
STOCK = {
    "monolith": """
        SELECT stock.sku, SUM(stock.on_hand), SUM(stock.reserved),
            (SELECT COALESCE(SUM(movement.delta), 0) FROM inventory_movement AS movement
             JOIN inventory_stock AS other ON other.id = movement.stock_id
             WHERE other.sku = stock.sku)
        FROM inventory_stock AS stock GROUP BY 1
    """,
    "service": """
        SELECT stock.sku, SUM(stock.on_hand), SUM(stock.reserved),
            (SELECT COALESCE(SUM(movement.delta), 0) FROM movement
             JOIN stock AS other ON other.id = movement.stock_id WHERE other.sku = stock.sku)
        FROM stock GROUP BY 1
    """,
}
RECEIVED = {
    "monolith": "SELECT note FROM inventory_movement WHERE note <> ''",
    "service": "SELECT note FROM movement WHERE note <> ''",
}
PRICES = {
    "monolith": "SELECT sku, amount FROM catalog_product",
    "service": "SELECT sku, ten_thousandths / 10000.0 FROM price",
}


@dataclass(frozen=True, slots=True)
class Owners:
    """Whose database is the system of record: ``monolith`` or ``service``."""

    catalog: str
    inventory: str
    notifications: str


class Books:
    """The databases as they are when everything is over."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    def orders(self, owners: Owners) -> list[FoundOrder]:
        """Every order in ordering's books, with what has left the stock for it."""
        found = self._rows("monolith", "SELECT id, key, state, total FROM ordering_order")
        sold: dict[str, dict[str, int]] = {}
        for order, sku, units in self._of("inventory", owners.inventory, SOLD):
            sold.setdefault(_hyphened(order), {})[sku] = int(units)
        return [
            FoundOrder(
                id=_hyphened(row[0]),
                key=row[1],
                state=row[2],
                total=Decimal(str(row[3] or 0)),
                units=sold.get(_hyphened(row[0]), {}),
            )
            for row in found
        ]

    def kept(self, owners: Owners) -> Kept:
        """What staff have done, and whether the stock is the sum of its movements."""
        stock = self._of("inventory", owners.inventory, STOCK)
        return Kept(
            prices={
                sku: Decimal(str(amount)).quantize(Decimal("0.01"))
                for sku, amount in self._of("catalog", owners.catalog, PRICES)
            },
            received=[str(note) for (note,) in self._of("inventory", owners.inventory, RECEIVED)],
            unbalanced=[
                f"{sku}: {on_hand} on hand, {reserved} reserved, movements come to {moved}"
                for sku, on_hand, reserved, moved in stock
                if on_hand != moved or not 0 <= reserved <= on_hand
            ],
        )

    def _of(self, capability: str, owner: str, queries: dict[str, str]) -> list[Any]:
        return self._rows("monolith" if owner == "monolith" else capability, queries[owner])

    def _rows(self, name: str, query: str) -> list[Any]:
        return list(self._databases.rows(name, query))


def _hyphened(identifier: object) -> str:
    """A UUID is kept without hyphens on SQLite."""
    plain = str(identifier).replace("-", "")
    return "-".join((plain[:8], plain[8:12], plain[12:16], plain[16:20], plain[20:]))
