"""Inventory's HTTP face: everybody may ask what is to be had, the rest is for staff."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter

from contracts.inventory import Inventory
from extracted.inventory import shown
from extracted.inventory.answers import SKUS_AT_ONCE, Answers
from extracted.inventory.rest import Operation, Resource, add
from strangler.sqlalchemy.database import Database


def router(inventory: Inventory, database: Database) -> APIRouter:
    """``/api/inventory/``, answered by this implementation and from this database."""
    routes = APIRouter(prefix="/api/inventory", tags=["inventory"])
    face = Answers(inventory, database)
    sku, warehouse = _parameter("sku"), _parameter("warehouse")
    paging = [_parameter("page", "integer"), _parameter("page_size", "integer")]
    add(
        routes,
        "/availability",
        Resource(
            {
                "GET": Operation(
                    face.availability,
                    list[shown.AvailabilityShown],
                    described={"parameters": [_SKUS]},
                )
            },
            staff=False,
        ),
    )
    add(
        routes,
        "/warehouses",
        Resource(
            {
                "GET": Operation(
                    face.warehouses,
                    shown.Page[shown.WarehouseShown],
                    described={"parameters": paging},
                ),
                "POST": Operation(
                    face.create_warehouse,
                    shown.WarehouseShown,
                    status=201,
                    described=shown.body(shown.NewWarehouse),
                ),
            }
        ),
    )
    code = {**_parameter("code"), "in": "path", "required": True}
    add(
        routes,
        "/warehouses/{code}",
        Resource(
            {
                "GET": Operation(
                    face.warehouse, shown.WarehouseShown, described={"parameters": [code]}
                ),
                "PATCH": Operation(
                    face.change_warehouse,
                    shown.WarehouseShown,
                    described={
                        "parameters": [code],
                        **shown.body(shown.ChangedWarehouse, required=False),
                    },
                ),
            },
            known=_is_code,
        ),
    )
    lists = {"parameters": [*paging, sku, warehouse]}
    add(
        routes,
        "/stock",
        Resource({"GET": Operation(face.stock, shown.Page[shown.StockShown], described=lists)}),
    )
    refused = {"409": {"description": "NotOnHand: more would be taken away than is free."}}
    add(
        routes,
        "/movements",
        Resource(
            {
                "GET": Operation(face.movements, shown.Page[shown.MovementShown], described=lists),
                "POST": Operation(
                    face.move,
                    shown.MovementShown,
                    status=201,
                    described={**shown.body(shown.Adjustment), "responses": refused},
                ),
            }
        ),
    )
    return routes


def _is_code(parameters: Mapping[str, Any]) -> bool:
    return re.fullmatch(r"[-a-zA-Z0-9_]+", parameters["code"]) is not None


def _parameter(name: str, kind: str = "string") -> dict[str, Any]:
    return {"in": "query", "name": name, "schema": {"type": kind}}


_SKUS: Final = {
    **_parameter("sku"),
    "required": True,
    "schema": {
        "type": "array",
        "items": {"type": "string", "maxLength": 64},
        "minItems": 1,
        "maxItems": SKUS_AT_ONCE,
    },
}
