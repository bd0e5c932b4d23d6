"""The arithmetic of a quote, for any basket: it adds up, and it rounds once."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.catalog import Product
from contracts.money import Money
from contracts.pricing import Line, Quote, UnknownCoupon
from monolith.pricing.quoting import find_coupon, merge, quote
from monolith.pricing.rules import Coupon, Currency, Rules, Tier

CURRENCIES = {
    "EUR": Currency(2, ROUND_HALF_UP),
    "GBP": Currency(2, ROUND_HALF_EVEN),
    "CHF": Currency(2, ROUND_HALF_EVEN, Decimal("0.05")),
    "JPY": Currency(0, ROUND_HALF_EVEN),
    "KWD": Currency(3, ROUND_HALF_UP),
}
Basket = tuple[Rules, list[Line], list[Product], Coupon | None]
percentages = st.decimals("0.01", "100", places=2)


@st.composite
def tiers(draw: st.DrawFn) -> tuple[Tier, ...]:
    quantities = sorted(draw(st.sets(st.integers(2, 60), max_size=4)))
    percents = sorted(
        draw(st.sets(percentages, min_size=len(quantities), max_size=len(quantities)))
    )
    return tuple(map(Tier, quantities, percents))


@st.composite
def baskets(draw: st.DrawFn) -> Basket:
    code = draw(st.sampled_from(sorted(CURRENCIES)))
    coupon = draw(
        st.none()
        | st.builds(lambda percent: Coupon("C", percent, None, None, Decimal(0), None), percentages)
        | st.builds(
            lambda amount: Coupon("C", None, amount, code, Decimal(0), None),
            st.decimals("0.01", "500", places=2),
        )
    )
    rules = Rules(
        CURRENCIES,
        {"XX": draw(st.decimals("0", "100", places=2))},
        draw(tiers()),
        {} if coupon is None else {"C": coupon},
    )
    prices = draw(
        st.dictionaries(
            st.sampled_from("abcdefgh"),
            st.decimals("0.001", "99999", places=draw(st.integers(0, 3))),
            min_size=1,
        )
    )
    products = [
        Product(sku, sku, "", "", {}, Money(price, code), active=True)
        for sku, price in prices.items()
    ]
    lines = draw(
        st.lists(st.builds(Line, st.sampled_from(sorted(prices)), st.integers(1, 100)), min_size=1)
    )
    wanted = {line.sku for line in lines}
    return rules, lines, [product for product in products if product.sku in wanted], coupon


def price(basket: Basket) -> Quote:
    rules, lines, products, coupon = basket
    return quote(rules, merge(lines), products, country="XX", coupon=coupon)


def nearest(currency: Currency, exact: Fraction) -> Decimal:
    """What an exact amount is once rounded, computed in fractions: no decimal context is asked."""
    scaled = exact * 10**currency.digits
    floor = scaled.numerator // scaled.denominator
    rest = scaled - floor
    up = rest > Fraction(1, 2) or (
        rest == Fraction(1, 2) and (currency.rounding == ROUND_HALF_UP or floor % 2 == 1)
    )
    return Decimal(floor + up).scaleb(-currency.digits)


@given(baskets())
def test_a_quote_adds_up(basket: Basket):
    answer = price(basket)

    for line in answer.lines:
        gross = nearest(CURRENCIES[answer.currency], Fraction(line.unit_price) * line.quantity)
        assert line.total == gross - line.discount
    assert answer.subtotal == sum(line.total for line in answer.lines)
    assert answer.total == answer.subtotal - answer.discount + answer.tax + answer.rounding


@given(baskets())
def test_each_amount_is_rounded_once(basket: Basket):
    rules, _, _, coupon = basket
    answer = price(basket)
    currency = CURRENCIES[answer.currency]

    for line in answer.lines:
        percent = max(
            (Fraction(tier.percent) for tier in rules.volume if tier.quantity <= line.quantity),
            default=Fraction(0),
        )
        exact = Fraction(line.unit_price) * line.quantity * percent / 100
        assert line.discount == nearest(currency, exact)
    if coupon is None:
        assert answer.discount == 0
    elif coupon.percent is not None:
        exact = Fraction(answer.subtotal) * Fraction(coupon.percent) / 100
        assert answer.discount == nearest(currency, exact)
    taxable = Fraction(answer.subtotal - answer.discount)
    assert answer.tax == nearest(currency, taxable * Fraction(answer.tax_rate) / 100)


@given(baskets())
def test_no_discount_is_negative_or_more_than_what_it_is_taken_from(basket: Basket):
    answer = price(basket)

    for line in answer.lines:
        assert line.discount >= 0
        assert line.total >= 0
    assert 0 <= answer.discount <= answer.subtotal
    assert answer.tax >= 0
    assert answer.total >= 0


@given(baskets())
def test_every_amount_can_be_written_and_paid_in_its_currency(basket: Basket):
    answer = price(basket)
    currency = CURRENCIES[answer.currency]
    amounts = [answer.subtotal, answer.discount, answer.tax, answer.rounding, answer.total]
    amounts += [amount for line in answer.lines for amount in (line.discount, line.total)]

    assert all(amount.as_tuple().exponent == -currency.digits for amount in amounts)
    if currency.total_step is None:
        assert answer.rounding == 0
    else:
        assert answer.total % currency.total_step == 0
        assert abs(answer.rounding) <= currency.total_step / 2


@given(baskets(), st.randoms(use_true_random=False))
def test_the_order_of_lines_and_how_they_are_split_do_not_matter(basket: Basket, random: Random):
    rules, lines, products, coupon = basket
    answer = price(basket)
    shuffled = [Line(line.sku, 1) for line in lines for _ in range(line.quantity)]
    random.shuffle(shuffled)

    again = price((rules, shuffled, products[::-1], coupon))

    assert sorted(again.lines, key=lambda line: line.sku) == sorted(
        answer.lines, key=lambda line: line.sku
    )
    assert (again.subtotal, again.discount, again.tax, again.total) == (
        answer.subtotal,
        answer.discount,
        answer.tax,
        answer.total,
    )


def test_the_callers_decimal_context_changes_nothing():
    currency = CURRENCIES["EUR"]
    rules = Rules({"EUR": currency}, {"XX": Decimal(19)}, (), {})
    product = Product("a", "a", "", "", {}, Money(Decimal("12345.67"), "EUR"), active=True)

    with localcontext(prec=3):
        answer = quote(rules, {"a": 1000}, [product], country="XX", coupon=None)

    assert answer.subtotal == Decimal("12345670.00")
    assert answer.tax == Decimal("2345677.30")


def test_a_coupon_is_good_through_its_last_day():
    coupon = Coupon("SPRING", Decimal(10), None, None, Decimal(0), date(2026, 5, 31))
    rules = Rules(CURRENCIES, {}, (), {"SPRING": coupon})

    assert find_coupon(rules, "spring", today=date(2026, 5, 31)) is coupon
    with pytest.raises(UnknownCoupon, match="spring"):
        find_coupon(rules, "spring", today=date(2026, 6, 1))
    with pytest.raises(UnknownCoupon):
        find_coupon(rules, "AUTUMN", today=date(2026, 5, 31))
