"""A service that is killed in the midst of a rehearsal, and a right one after it."""

from __future__ import annotations

import time

from tests.e2e.rehearsing.shop import Rehearsed


def test_a_service_that_is_killed_in_the_midst_has_written_nothing(shop: Rehearsed):
    shop.wrong("die")
    shop.renew("catalog")
    shop.until(
        "catalog",
        lambda it: (
            it["routes"].get("PUT /api/catalog/", {}).get("unrehearsed") or shop.reprice(2) < 0
        ),
    )
    shop.same()


def test_a_right_service_passes_again(shop: Rehearsed):
    shop.wrong("")
    shop.renew("catalog")
    end = time.monotonic() + 40
    while [one for one, _ in shop.gate("catalog")] != ["passed"]:
        assert time.monotonic() < end, shop.found("catalog")
        shop.reprice()
    assert not shop.found("catalog")["differences"]
