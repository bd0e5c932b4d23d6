"""The rules of pricing, read from a checked file: every mistake in it is told at once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from itertools import pairwise
from pathlib import Path

from extracted.pricing.checked import Problem, RulesErrors, Table

ROUNDINGS = {"half-even": ROUND_HALF_EVEN, "half-up": ROUND_HALF_UP}


@dataclass(frozen=True, slots=True)
class Currency:
    """How amounts are rounded: to ``digits`` after the point; totals to ``total_step`` as well."""

    digits: int
    rounding: str
    total_step: Decimal | None = None

    def round(self, amount: Decimal) -> Decimal:
        """The nearest amount that this currency can write."""
        return amount.quantize(Decimal(1).scaleb(-self.digits), rounding=self.rounding)

    def round_total(self, amount: Decimal) -> Decimal:
        """The nearest amount that can be paid."""
        if self.total_step is None:
            return self.round(amount)
        steps = (amount / self.total_step).quantize(Decimal(1), rounding=self.rounding)
        return self.round(steps * self.total_step)


@dataclass(frozen=True, slots=True)
class Tier:
    """So many percent off a line of at least ``quantity`` pieces."""

    quantity: int
    percent: Decimal


@dataclass(frozen=True, slots=True)
class Coupon:
    """Either ``percent`` off the basket or ``amount`` in ``currency``, through ``valid_until``."""

    code: str
    percent: Decimal | None
    amount: Decimal | None
    currency: str | None
    minimum: Decimal
    valid_until: date | None


@dataclass(frozen=True, slots=True)
class Rules:
    """All that a price depends on, beside the catalog; ``taxes`` in percent, ``volume`` rising."""

    currencies: Mapping[str, Currency]
    taxes: Mapping[str, Decimal]
    volume: tuple[Tier, ...]
    coupons: Mapping[str, Coupon]


def load(path: Path) -> Rules:
    """The rules in a file.

    Raises:
        RulesErrors: with every mistake that is in it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        remedy = "let PRICING_RULES name a file that can be read, or leave it unset"
        raise RulesErrors((Problem(str(path), "(file)", str(error), remedy),)) from error
    return parse(text, file=str(path))


def parse(text: str, *, file: str) -> Rules:
    """The rules in a text; ``file`` is what its mistakes are reported under.

    Raises:
        RulesErrors: with every mistake that is in it.
    """
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise RulesErrors((Problem(file, "(file)", str(error), "write valid TOML"),)) from error
    problems: list[Problem] = []
    root = Table(document, "", file, problems)
    for name in ("currencies", "countries"):
        if not document.get(name):
            root.report(name, "it is missing or empty", f"add at least one [{name}.CODE]")
    currencies = {code: _currency(table) for code, table in root.tables("currencies", r"[A-Z]{3}")}
    taxes = {code: _tax(table) for code, table in root.tables("countries", r"[A-Z]{2}")}
    volume = tuple(_tier(table) for table in root.array("volume"))
    _check_rising(root, volume)
    coupons = {
        code: _coupon(code, table, currencies)
        for code, table in root.tables("coupons", r"[A-Z0-9]{3,32}")
    }
    root.end()
    if problems:
        raise RulesErrors(tuple(problems))
    return Rules(currencies, taxes, volume, coupons)


def _currency(table: Table) -> Currency:
    digits = table.whole("digits", low=0, high=4)
    rounding = table.choice("rounding", tuple(ROUNDINGS), required=True)
    step = table.number("total_step", low=Decimal(0), above=True)
    if step is not None and digits is not None and step % Decimal(1).scaleb(-digits):
        table.report(
            "total_step", f"found {step}", f"write a multiple of the last of the {digits} digits"
        )
    return Currency(digits or 0, ROUNDINGS.get(rounding or "", ROUND_HALF_EVEN), step)


def _tax(table: Table) -> Decimal:
    tax = table.number("tax", low=Decimal(0), high=Decimal(100), required=True)
    return tax if tax is not None else Decimal(0)


def _tier(table: Table) -> Tier:
    quantity = table.whole("from", low=2, high=10_000)
    percent = table.number("percent", low=Decimal(0), high=Decimal(100), above=True, required=True)
    return Tier(quantity or 0, percent or Decimal(0))


def _check_rising(root: Table, volume: tuple[Tier, ...]) -> None:
    for index, (lower, higher) in enumerate(pairwise(volume), start=1):
        if not (lower.quantity < higher.quantity and lower.percent < higher.percent):
            root.report(
                f"volume[{index}]",
                f"from {higher.quantity}: {higher.percent} %, after "
                f"from {lower.quantity}: {lower.percent} %",
                "let both from and percent rise from tier to tier",
            )


def _coupon(code: str, table: Table, currencies: Mapping[str, Currency]) -> Coupon:
    percent = table.number("percent", low=Decimal(0), high=Decimal(100), above=True)
    amount = table.number("amount", low=Decimal(0), above=True)
    minimum = table.number("minimum", low=Decimal(0))
    currency = table.choice("currency", tuple(currencies), required=False)
    if table.has("percent") == table.has("amount"):
        found = "both are there" if table.has("percent") else "neither is there"
        table.report("percent, amount", found, "write one of the two")
    if (table.has("amount") or table.has("minimum")) and not table.has("currency"):
        table.report("currency", "it is missing", "say in which currency the amounts are")
    valid_until = table.day("valid_until")
    return Coupon(code, percent, amount, currency, minimum or Decimal(0), valid_until)
