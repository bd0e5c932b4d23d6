"""How catalog's rows map: the monolith's tables to the service's, and back, without loss."""

from __future__ import annotations

from decimal import Decimal

from strangler.transfer.mapping import Row, Rows, TableMap, Target

FINEST = 4
"""Decimals of a price in the monolith: as many as the finest currency has."""


def _depth(row: Row) -> int:
    path: str = row["path"]
    return path.count("/") + 1


def _withdrawn(row: Row) -> bool:
    return not row["active"]


def _active(rows: Rows) -> bool:
    return not rows["product"]["withdrawn"]


def _ten_thousandths(row: Row) -> int:
    amount: Decimal = row["amount"]
    units = amount.scaleb(FINEST)
    if units != int(units):
        raise ValueError(f"{amount} has more than {FINEST} decimals")
    return int(units)


def _amount(rows: Rows) -> Decimal:
    return Decimal(rows["price"]["ten_thousandths"]).scaleb(-FINEST)


tables: tuple[TableMap, ...] = (
    TableMap(
        "catalog_category",
        Target(
            "category",
            {
                "id": "id",
                "parent_id": "parent_id",
                "slug": "slug",
                "title": "name",
                "path": "path",
                "depth": _depth,
            },
        ),
    ),
    TableMap(
        "catalog_product",
        Target(
            "product",
            {
                "sku": "sku",
                "title": "name",
                "details": "description",
                "category_id": "category_id",
                "attributes": "attributes",
                "withdrawn": _withdrawn,
                "added_at": "created_at",
                "changed_at": "updated_at",
                "words": "search",
            },
        ),
        Target(
            "price",
            {
                "sku": "sku",
                "ten_thousandths": _ten_thousandths,
                "currency": "currency",
            },
        ),
        down={"active": _active, "amount": _amount},
    ),
    TableMap(
        "catalog_productversion",
        Target("productversion", {"aggregate": "aggregate", "version": "version"}),
    ),
)
