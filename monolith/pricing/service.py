"""Pricing's port: reads the rules, the clock and the catalog, and lets ``quoting`` compute."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path

from contracts.catalog import Catalog
from contracts.pricing import Line, Pricing, Quote
from monolith.pricing import quoting
from monolith.pricing.rules import Rules, load
from strangler.ports.bind import bind

catalog = bind(Catalog)


def rules_path() -> Path:
    """Where the rules are: ``PRICING_RULES``, or the file beside this module."""
    return Path(os.environ.get("PRICING_RULES") or Path(__file__).with_name("rules.toml"))


load_once = lru_cache(maxsize=1)(load)


def current_rules() -> Rules:
    """The rules, read once.

    Raises:
        RulesErrors: the file has mistakes; the system check has told them when the shop started.
    """
    return load_once(rules_path())


def today() -> date:
    """The day in UTC, which coupons run out by."""
    return datetime.now(UTC).date()


class PricingService(Pricing):
    """What a basket costs, by the shop's rules and the catalog's prices."""

    def __init__(
        self, rules: Callable[[], Rules] = current_rules, today: Callable[[], date] = today
    ) -> None:
        self._rules = rules
        self._today = today

    def quote(self, lines: list[Line], country: str, coupon: str | None = None) -> Quote:
        """Price a basket; the catalog is asked once, and only for what can be priced at all."""
        rules = self._rules()
        quoting.tax_rate(rules, country)
        found = quoting.find_coupon(rules, coupon, today=self._today())
        quantities = quoting.merge(lines)
        products = catalog.products(list(quantities))
        return quoting.quote(rules, quantities, products, country=country, coupon=found)
