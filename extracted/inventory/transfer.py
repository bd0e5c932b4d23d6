"""How inventory's rows are carried from the monolith's tables to the service's, and back.

The service says the same in fewer words: what the monolith calls ``order`` or ``reservation`` is
the key of an order everywhere, and a movement's moment is named after what happened then.
"""

from __future__ import annotations

from strangler.transfer.mapping import TableMap, Target


def _same(*columns: str) -> dict[str, str]:
    return {column: column for column in columns}


tables = (
    TableMap("inventory_warehouse", Target("warehouse", _same("id", "code", "name", "rank"))),
    TableMap(
        "inventory_stock",
        Target("stock", _same("id", "sku", "warehouse_id", "on_hand", "reserved")),
    ),
    TableMap(
        "inventory_movement",
        Target(
            "movement",
            {
                **_same("id", "stock_id", "delta", "reason", "note", "actor"),
                "order_id": "order",
                "moved_at": "at",
            },
        ),
    ),
    TableMap(
        "inventory_reservation",
        Target(
            "reservation",
            {**_same("state", "expires_at", "created_at", "updated_at"), "order_id": "order"},
        ),
    ),
    TableMap(
        "inventory_allocation",
        Target("allocation", {**_same("id", "stock_id", "quantity"), "order_id": "reservation_id"}),
    ),
)
"""One map for each table of the monolith's inventory."""
