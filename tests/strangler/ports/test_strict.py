"""Long lists of records are checked field by field; that must not show."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from strangler.ports.strict import Unfit, check


@dataclass(frozen=True, slots=True)
class Price:
    sku: str
    net: Decimal
    tax: Decimal


FIT = Price("A", Decimal("9.95"), Decimal(0))


@pytest.mark.parametrize("length", [1, 9, 10, 40])
@pytest.mark.parametrize("field", ["net", "tax"])
def test_what_does_not_fit_is_found_where_it_is(length: int, field: str):
    values = {"sku": "B", "net": Decimal(1), "tax": Decimal(1), field: Decimal("nan")}
    for place in {0, length // 2, length - 1}:
        prices = [FIT] * length
        prices[place] = Price(**values)
        with pytest.raises(Unfit) as refused:
            check(list[Price])(prices)
        assert refused.value.path == f"$[{place}].{field}"


@pytest.mark.parametrize("length", [1, 40])
def test_what_fits_passes_and_so_does_what_is_of_another_type(length: int):
    strangers: list[Any] = [None, "A", Decimal("nan")]
    check(list[Price])([FIT] * length)
    check(tuple[Price, ...])((FIT,) * length)
    check(list[Price])([*strangers, *[FIT] * length])
