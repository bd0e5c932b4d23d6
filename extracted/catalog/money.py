"""Prices as they are stored, and as everybody else knows them."""

from __future__ import annotations

from decimal import Decimal

from contracts.catalog import InvalidPrice
from contracts.money import Money
from extracted.catalog.currencies import DECIMALS, exact

LIMIT = 10_000_000_000
"""What no price reaches: the monolith, to which rows may have to go back, can't hold it."""
_FINEST = 4


def ten_thousandths(amount: Decimal) -> int:
    """An amount as it is stored; it has no more decimals than the finest currency."""
    return int(amount.scaleb(_FINEST))


def money(stored: int, currency: str) -> Money:
    """A stored price, with as many decimals as its currency has."""
    unit = Decimal(1).scaleb(-DECIMALS[currency])
    return Money(Decimal(stored).scaleb(-_FINEST).quantize(unit), currency)


def checked(sku: str, price: Money) -> int:
    """A price as it is stored.

    Raises:
        InvalidPrice: it is not positive, too large, or finer than its currency.
    """
    decimals = DECIMALS.get(price.currency)
    if decimals is None:
        raise InvalidPrice(sku=sku, reason=f"{price.currency!r} is no currency of ISO 4217")
    if not price.amount.is_finite() or not 0 < price.amount < LIMIT:
        raise InvalidPrice(sku=sku, reason=f"a price is above 0 and below {LIMIT}")
    amount = exact(price.amount, price.currency)
    if amount is None:
        raise InvalidPrice(sku=sku, reason=f"{price.currency} has {decimals} decimals")
    return ten_thousandths(amount)
