"""How a basket is priced: pure arithmetic in decimals, no I/O and no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal, localcontext

from contracts.catalog import Product
from contracts.pricing import (
    CouponNotApplicable,
    Line,
    MixedCurrencies,
    NotForSale,
    Quote,
    QuotedLine,
    UnknownCountry,
    UnknownCoupon,
)
from extracted.pricing.rules import Coupon, Currency, Rules

PRECISION = 60
"""Digits to compute with: more than the longest price, quantity and percentage have together."""


def merge(lines: Iterable[Line]) -> dict[str, int]:
    """How many of each SKU, in the order in which they first appear."""
    quantities: dict[str, int] = {}
    for line in lines:
        quantities[line.sku] = quantities.get(line.sku, 0) + line.quantity
    return quantities


def tax_rate(rules: Rules, country: str) -> Decimal:
    """The tax of a country, in percent.

    Raises:
        UnknownCountry: we do not sell there.
    """
    if country not in rules.taxes:
        raise UnknownCountry(country=country)
    return rules.taxes[country]


def find_coupon(rules: Rules, code: str | None, *, today: date) -> Coupon | None:
    """The coupon with this code, in whatever case it is written; None without a code.

    Raises:
        UnknownCoupon: there is none, or it was good until before today.
    """
    if code is None:
        return None
    coupon = rules.coupons.get(code.upper())
    if coupon is None or (coupon.valid_until is not None and coupon.valid_until < today):
        raise UnknownCoupon(coupon=code)
    return coupon


def quote(
    rules: Rules,
    quantities: Mapping[str, int],
    products: Sequence[Product],
    *,
    country: str,
    coupon: Coupon | None,
) -> Quote:
    """What these quantities of these products cost in a country.

    Raises:
        UnknownCountry, NotForSale, MixedCurrencies, CouponNotApplicable: see each of them.
    """
    rate = tax_rate(rules, country)
    with localcontext(prec=PRECISION):
        prices = _prices(rules, quantities, products)
        code = _one_currency(products)
        currency = rules.currencies[code]
        lines = [
            _line(rules, currency, sku, quantity, prices[sku])
            for sku, quantity in quantities.items()
        ]
        subtotal = sum((line.total for line in lines), start=currency.round(Decimal(0)))
        discount = _coupon_discount(coupon, currency, code, subtotal)
        taxable = subtotal - discount
        tax = currency.round(taxable * rate / 100)
        total = currency.round_total(taxable + tax)
        return Quote(
            lines=lines,
            country=country,
            currency=code,
            coupon=None if coupon is None else coupon.code,
            subtotal=subtotal,
            discount=discount,
            tax_rate=rate,
            tax=tax,
            rounding=total - taxable - tax,
            total=total,
        )


def _prices(
    rules: Rules, quantities: Mapping[str, int], products: Sequence[Product]
) -> dict[str, Decimal]:
    prices = {
        product.sku: product.price.amount
        for product in products
        if product.active and product.price.currency in rules.currencies
    }
    missing = [sku for sku in quantities if sku not in prices]
    if missing:
        raise NotForSale(skus=missing)
    return prices


def _one_currency(products: Sequence[Product]) -> str:
    currencies = sorted({product.price.currency for product in products})
    if len(currencies) > 1:
        raise MixedCurrencies(currencies=currencies)
    return currencies[0]


def _line(
    rules: Rules, currency: Currency, sku: str, quantity: int, unit_price: Decimal
) -> QuotedLine:
    gross = unit_price * quantity
    percent = next(
        (tier.percent for tier in reversed(rules.volume) if tier.quantity <= quantity), Decimal(0)
    )
    discount = currency.round(gross * percent / 100)
    return QuotedLine(
        sku=sku,
        quantity=quantity,
        unit_price=unit_price,
        discount=discount,
        total=currency.round(gross) - discount,
    )


def _coupon_discount(
    coupon: Coupon | None, currency: Currency, code: str, subtotal: Decimal
) -> Decimal:
    if coupon is None:
        return currency.round(Decimal(0))
    if coupon.currency is not None and (coupon.currency != code or subtotal < coupon.minimum):
        raise CouponNotApplicable(
            coupon=coupon.code, minimum=coupon.minimum, currency=coupon.currency
        )
    if coupon.amount is not None:
        return currency.round(min(coupon.amount, subtotal))
    return currency.round(subtotal * (coupon.percent or 0) / 100)
