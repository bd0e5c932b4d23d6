"""Both arms read the same rules in the same way, and price any basket the same."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import extracted.pricing.quoting
import extracted.pricing.rules
import monolith.pricing.quoting
import monolith.pricing.rules
from contracts.catalog import Product
from contracts.money import Money
from extracted.pricing.checked import RulesErrors as ServiceErrors
from monolith.pricing.checked import RulesErrors as MonolithErrors
from strangler.ports.errors import DeclaredError
from tests.monolith.pricing.test_rules import MISTAKES, RIGHT
from tests.parity.corpus import RULES

ARMS = (
    (monolith.pricing.rules, monolith.pricing.quoting),
    (extracted.pricing.rules, extracted.pricing.quoting),
)


def problems(rules: ModuleType, text: str) -> list[str]:
    try:
        rules.parse(text, file="rules.toml")
    except (MonolithErrors, ServiceErrors) as errors:
        return [str(problem) for problem in errors.problems]
    return []


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_same_mistakes_are_found(mistake: str):
    right, wrong, *_ = MISTAKES[mistake]
    monoliths, services = (problems(rules, RIGHT.replace(right, wrong, 1)) for rules, _ in ARMS)
    assert services == monoliths != []


def test_both_arms_are_delivered_with_the_same_rules():
    monoliths, services = (Path(str(rules.__file__)).with_name("rules.toml") for rules, _ in ARMS)
    assert monoliths.read_text() == services.read_text()


def products() -> st.SearchStrategy[Product]:
    amounts = st.decimals("0", "99999", places=3, allow_nan=False)
    money = st.builds(Money, amounts, st.sampled_from(["EUR", "EUR", "EUR", "CHF", "JPY", "XXX"]))
    return st.builds(
        Product,
        sku=st.sampled_from("ABCDEF"),
        name=st.just(""),
        description=st.just(""),
        category=st.just(""),
        attributes=st.just({}),
        price=money,
        active=st.sampled_from([True, True, True, False]),
    )


@given(
    quantities=st.dictionaries(st.sampled_from("ABCD"), st.integers(1, 10_000), min_size=1),
    known=st.lists(products(), unique_by=lambda product: product.sku),
    country=st.sampled_from(["DE", "CH", "JP", "US"]),
    code=st.sampled_from([None, "TENTH", "all", "FIVER", "ODD", "FOREVER", "LASTYEAR"]),
)
def test_any_basket_costs_the_same(
    quantities: dict[str, int], known: list[Product], country: str, code: str | None
):
    def priced(rules: ModuleType, quoting: ModuleType) -> Any:
        read = rules.parse(RULES.read_text(), file="rules.toml")
        asked = [product for product in known if product.sku in quantities]
        try:
            coupon = quoting.find_coupon(read, code, today=date(2026, 1, 1))
            quote = quoting.quote(read, quantities, asked, country=country, coupon=coupon)
        except DeclaredError as error:
            return type(error), error.detail()
        assert isinstance(quote.total, Decimal)
        return quote

    monoliths, services = (priced(*arm) for arm in ARMS)
    assert services == monoliths
