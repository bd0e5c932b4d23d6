"""What a basket costs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from strangler.ports.declare import Meta, Port, query
from strangler.ports.errors import DeclaredError


@dataclass(frozen=True, slots=True)
class Line:
    """How many of what."""

    sku: Annotated[str, Meta(min_length=1, max_length=64)]
    quantity: Annotated[int, Meta(ge=1, le=10_000)]


@dataclass(frozen=True, slots=True)
class QuotedLine:
    """One SKU with its price: ``total = unit_price × quantity − discount``, rounded."""

    sku: str
    quantity: int
    unit_price: Decimal
    discount: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True)
class Quote:
    """What a basket costs: ``total = subtotal − discount + tax + rounding``.

    ``subtotal`` is the sum of the lines' totals, ``discount`` is the coupon's. Each amount is
    rounded once, as the currency wants it; ``rounding`` is what a currency without small coins adds
    to the total or takes off; ``tax_rate`` is in percent. Lines of the same SKU are one line, where
    the first of them stood.
    """

    lines: list[QuotedLine]
    country: str
    currency: str
    coupon: str | None
    subtotal: Decimal
    discount: Decimal
    tax_rate: Decimal
    tax: Decimal
    rounding: Decimal
    total: Decimal


class NotForSale(DeclaredError, status=400):
    """These SKUs are unknown, not sold any more, or priced in a currency that we do not take."""

    skus: list[str]


class UnknownCoupon(DeclaredError, status=400):
    """No coupon has this code, or it has run out."""

    coupon: str


class CouponNotApplicable(DeclaredError, status=400):
    """This coupon wants a basket in this currency, of at least this much."""

    coupon: str
    minimum: Decimal
    currency: str


class UnknownCountry(DeclaredError, status=400):
    """We do not sell to this country."""

    country: str


class MixedCurrencies(DeclaredError, status=400):
    """A basket is priced in one currency."""

    currencies: list[str]


class Pricing(Port, capability="pricing"):
    """What a basket costs."""

    @query(
        timeout=2.0,
        raises=[NotForSale, UnknownCoupon, CouponNotApplicable, UnknownCountry, MixedCurrencies],
    )
    def quote(
        self,
        lines: Annotated[list[Line], Meta(min_length=1, max_length=100)],
        country: Annotated[str, Meta(pattern="^[A-Z]{2}$")],
        coupon: Annotated[str, Meta(min_length=1, max_length=64)] | None = None,
    ) -> Quote:
        """Price a basket for a country (ISO 3166 code): volume discounts, coupon, tax, rounding.

        The case of a coupon's letters does not matter. What is wrong is named in this order:
        country, coupon, SKUs, currencies, the coupon's conditions.
        """
