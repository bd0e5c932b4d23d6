"""Pricing's port: reads the clock and the catalog, and lets ``quoting`` compute."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

from contracts.catalog import Catalog
from contracts.pricing import Line, Pricing, Quote
from extracted.pricing import quoting
from extracted.pricing.rules import Rules
from strangler.ports.bind import bind

catalog = bind(Catalog)


def today() -> date:
    """The day in UTC, which coupons run out by."""
    return datetime.now(UTC).date()


class PricingService(Pricing):
    """What a basket costs, by the shop's rules and the catalog's prices."""

    def __init__(self, rules: Rules, today: Callable[[], date] = today) -> None:
        self._rules = rules
        self._today = today

    def quote(self, lines: list[Line], country: str, coupon: str | None = None) -> Quote:
        """Price a basket; the catalog is asked once, and only for what can be priced at all."""
        quoting.tax_rate(self._rules, country)
        found = quoting.find_coupon(self._rules, coupon, today=self._today())
        quantities = quoting.merge(lines)
        products = catalog.products(list(quantities))
        return quoting.quote(self._rules, quantities, products, country=country, coupon=found)
