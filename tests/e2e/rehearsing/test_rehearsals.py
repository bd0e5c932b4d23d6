"""Commands that the monolith executes, rehearsed by the services themselves."""

from __future__ import annotations

import itertools
import time
from typing import Any

from strangler.transfer.gate import SHOWN
from tests.e2e.rehearsing.shop import Rehearsed

RIGHT = ("PUT /api/catalog/", "POST /api/catalog/", "PATCH /api/catalog/", "PORT catalog.reprice")
STOCKED = (
    "POST /api/inventory/", "PATCH /api/inventory/", "PORT inventory.reserve",
    "PORT inventory.commit", "PORT inventory.release",
)  # fmt: skip
_number = itertools.count(1)


def agreed(found: dict[str, Any], *routes: str) -> bool:
    return all(found["routes"].get(route, {}).get("agreed", 0) for route in routes)


def seen(found: dict[str, Any]) -> set[tuple[str, str]]:
    """The paths and kinds of what differs."""
    return {(path, kind) for _, path, kind, _, _ in found["differences"]}


def shelve(shop: Rehearsed) -> None:
    """Every command of the catalog's face."""
    number = next(_number)
    path, sku = f"herbs-{number}", f"HERB-{number}"
    product = {"sku": sku, "name": "Dill", "category": path, "attributes": {"fresh": "yes"}}
    price = {"amount": "1.50", "currency": "EUR"}
    shop.command("POST", "/api/catalog/categories/", {"path": path, "name": "Herbs"}, 201)
    shop.command("POST", "/api/catalog/products/", product | {"price": price}, 201)
    shop.command("PATCH", f"/api/catalog/products/{sku}/", {"active": False}, 200)


def restock(shop: Rehearsed) -> None:
    """Every command of inventory's face."""
    code = f"w-{next(_number)}"
    house = {"code": code, "name": "Attic", "rank": 7}
    move = {"sku": shop.stock["sku"], "delta": 3, "reason": "received", "note": "by hand"}
    shop.command("POST", "/api/inventory/warehouses", house, 201)
    shop.command("PATCH", f"/api/inventory/warehouses/{code}", {"name": "Loft"}, 200)
    for warehouse in (code, shop.stock["warehouse"]):
        shop.command("POST", "/api/inventory/movements", move | {"warehouse": warehouse}, 201)


def test_the_services_agree_with_all_their_commands(shop: Rehearsed):
    sku, currency = shop.products[0]
    end = time.monotonic() + 60
    while not (
        agreed(catalog := shop.found("catalog"), *RIGHT)
        and agreed(inventory := shop.found("inventory"), *STOCKED)
        and [one for one, _ in shop.gate("catalog")] == ["passed"]
        and [one for one, _ in shop.gate("inventory")] == ["passed"]
    ):
        assert time.monotonic() < end, (catalog, inventory)
        shop.reprice(3)
        shelve(shop)
        restock(shop)
        shop.hand.call("tests.e2e.rehearsing.making:reprice", sku, currency, 2)
        shop.hand.call("tests.e2e.rehearsing.making:orders", shop.stock["sku"], 6)
    assert catalog["differences"] == inventory["differences"] == []
    shop.same()


WRONG = {
    ("$.price.ten_thousandths", "column"),  # another value
    ("$.price", "row"),  # a row that is forgotten
    ("$.category", "row"),  # one too many
    ("$.productversion", "row"),  # of what is forgotten nobody is told
    ("status", "answer"),
    ("$.price.amount", "answer"),  # the value, as it is told
    ("$.name", "answer"),  # what is told, and was not written
}


def test_a_wrong_service_is_found_and_named(shop: Rehearsed):
    shop.wrong("wrong")
    shop.renew("catalog")
    found = shop.until("catalog", lambda it: seen(it) >= WRONG or shop.reprice(5) < 0)
    assert seen(found) == WRONG
    assert not found["routes"]["PUT /api/catalog/"].get("agreed")
    said = shop.gate("catalog")
    assert [outcome for outcome, _ in said] == ["failed"] * (SHOWN + 1) + ["inconclusive"]
    named = {
        (path, kind)
        for path, kind in WRONG
        for _, one in said
        if f": {path} differs ({kind}" in one
    }
    assert len(named) == SHOWN
    assert shop.hand.strangler("advance", "catalog", "--to", "canary").code == 1
    shop.same()


def test_what_commits_or_hangs_changes_nothing_and_delays_nobody(shop: Rehearsed):
    shop.wrong("rude")
    shop.renew("catalog")
    slowest = [0.0]

    def unrehearsed(found: dict[str, Any]) -> bool:
        slowest.append(shop.reprice(4))
        return bool(found["routes"].get("PUT /api/catalog/", {}).get("unrehearsed"))

    found = shop.until("catalog", unrehearsed)
    assert max(slowest) < 1
    assert not found["routes"]["PUT /api/catalog/"].get("agreed")
    assert shop.gate("catalog")[0][0] != "passed"
    shop.same()
