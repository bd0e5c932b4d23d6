"""The rules file: what it says, and every mistake that can be made in it."""

# ruff: noqa: E501 - a table is read by rows

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from monolith.pricing import service
from monolith.pricing.checked import RulesErrors
from monolith.pricing.rules import Coupon, Rules, Tier, load, parse

RIGHT = """
[currencies.EUR]
digits = 2
rounding = "half-up"

[countries.DE]
tax = 19.5

[[volume]]
from = 10
percent = 5

[[volume]]
from = 20
percent = 7.5

[coupons.FIVER]
amount = 5
minimum = 25.10
currency = "EUR"
valid_until = 2030-12-31
"""


def problems(text: str) -> list[tuple[str, str, str]]:
    with pytest.raises(RulesErrors) as caught:
        parse(text, file="rules.toml")
    assert all(problem.file == "rules.toml" for problem in caught.value.problems)
    return [(problem.key, problem.found, problem.remedy) for problem in caught.value.problems]


def test_a_right_file_is_read_exactly():
    rules = parse(RIGHT, file="rules.toml")

    assert rules.taxes == {"DE": Decimal("19.5")}
    assert rules.volume == (Tier(10, Decimal(5)), Tier(20, Decimal("7.5")))
    assert rules.coupons == {
        "FIVER": Coupon("FIVER", None, Decimal(5), "EUR", Decimal("25.10"), date(2030, 12, 31))
    }
    assert rules.currencies["EUR"].round(Decimal("0.125")) == Decimal("0.13")


def test_the_shops_own_rules_are_right():
    rules = load(Path(service.__file__).with_name("rules.toml"))

    assert {"EUR", "CHF", "JPY"} <= set(rules.currencies)
    assert rules.currencies["CHF"].round_total(Decimal("10.03")) == Decimal("10.05")
    assert rules.currencies["JPY"].round(Decimal("10.5")) == Decimal(10)


MISTAKES = {
    "digits too many": ("digits = 2", "digits = 5", "currencies.EUR.digits", "found 5", "whole number from 0 to 4"),
    "digits no number": ("digits = 2", 'digits = "2"', "currencies.EUR.digits", "found '2'", "whole number"),
    "digits a boolean": ("digits = 2", "digits = true", "currencies.EUR.digits", "found True", "whole number"),
    "digits missing": ("digits = 2", "", "currencies.EUR.digits", "it is missing", "whole number"),
    "rounding unknown": ('"half-up"', '"up"', "currencies.EUR.rounding", "found 'up'", "half-even, half-up"),
    "step no multiple": ("digits = 2", "digits = 2\ntotal_step = 0.055", "currencies.EUR.total_step", "found 0.055", "multiple of the last of the 2 digits"),
    "step zero": ("digits = 2", "digits = 2\ntotal_step = 0", "currencies.EUR.total_step", "found 0", "above 0"),
    "currency malformed": ("[currencies.EUR]", "[currencies.GBP]\ndigits = 2\nrounding = 'half-up'\n[currencies.Euro]", "currencies.Euro", "its name is malformed", "[A-Z]{3}"),
    "currency no table": ("[currencies.EUR]", "[currencies]\nUSD = 2\n[currencies.EUR]", "currencies.USD", "found 2", "[currencies.USD]"),
    "currency key unknown": ("digits = 2", "digits = 2\nsymbol = '€'", "currencies.EUR.symbol", "no such key", "digits, rounding, total_step"),
    "tax missing": ("tax = 19.5", "", "countries.DE.tax", "it is missing", "from 0 to 100"),
    "tax over 100": ("tax = 19.5", "tax = 100.5", "countries.DE.tax", "found 100.5", "from 0 to 100"),
    "tax not a number": ("tax = 19.5", "tax = nan", "countries.DE.tax", "found NaN", "from 0 to 100"),
    "country malformed": ("[countries.DE]", "[countries.FR]\ntax = 20\n[countries.Germany]", "countries.Germany", "its name is malformed", "[A-Z]{2}"),
    "tier from one piece": ("from = 10", "from = 1", "volume[0].from", "found 1", "from 2 to 10000"),
    "tier without percent": ("percent = 5", "", "volume[0].percent", "it is missing", "above 0"),
    "tiers do not rise": ("from = 20", "from = 10", "volume[1]", "from 10: 7.5 %, after from 10: 5 %", "rise from tier to tier"),
    "a tier gives less": ("percent = 7.5", "percent = 4", "volume[1]", "from 20: 4 %, after from 10: 5 %", "rise"),
    "coupon of neither kind": ("amount = 5", "", "coupons.FIVER.percent, amount", "neither is there", "one of the two"),
    "coupon of both kinds": ("amount = 5", "amount = 5\npercent = 5", "coupons.FIVER.percent, amount", "both are there", "one of the two"),
    "coupon negative": ("amount = 5", "amount = -5", "coupons.FIVER.amount", "found -5", "above 0"),
    "coupon for nothing": ("amount = 5", "amount = 0", "coupons.FIVER.amount", "found 0", "above 0"),
    "coupon without currency": ('currency = "EUR"', "", "coupons.FIVER.currency", "it is missing", "in which currency"),
    "coupon of a strange currency": ('currency = "EUR"', 'currency = "XXX"', "coupons.FIVER.currency", "found 'XXX'", "one of EUR"),
    "coupon day with a time": ("2030-12-31", "2030-12-31T10:00:00Z", "coupons.FIVER.valid_until", "found 2030-12-31 10:00:00+00:00", "such as 2030-12-31"),
    "coupon code in lower case": ("[coupons.FIVER]", "[coupons.fiver]", "coupons.fiver", "its name is malformed", "[A-Z0-9]{3,32}"),
    "section unknown": ("[currencies.EUR]", "[taxes]\nDE = 19\n[currencies.EUR]", "taxes", "no such key", "currencies, countries, volume, coupons"),
    "currencies missing": ('[currencies.EUR]\ndigits = 2\nrounding = "half-up"', "", "currencies", "it is missing or empty", "[currencies.CODE]"),
    "countries missing": ("[countries.DE]\ntax = 19.5", "", "countries", "it is missing or empty", "[countries.CODE]"),
    "volume no array": ("[[volume]]\nfrom = 10\npercent = 5\n\n[[volume]]", "[volume]", "volume", "found {'from': 20, 'percent': Decimal('7.5')}", "[[volume]]"),
    "coupons no table": ("[coupons.FIVER]", "[[coupons]]", "coupons", "found [", "[coupons.CODE]"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_mistake_names_its_key_what_was_found_and_the_remedy(mistake: str):
    right, wrong, key, found, remedy = MISTAKES[mistake]
    assert right in RIGHT

    told = problems(RIGHT.replace(right, wrong, 1))

    match = [problem for problem in told if problem[0] == key]
    assert match, told
    assert found in match[0][1]
    assert remedy in match[0][2]


def test_one_mistake_is_one_problem():
    assert len(problems(RIGHT.replace("tax = 19.5", "tax = -1"))) == 1
    assert len(problems(RIGHT.replace("amount = 5", ""))) == 1


def test_all_mistakes_are_told_at_once():
    text = (
        RIGHT.replace("digits = 2", "digits = 9")
        .replace("tax = 19.5", 'tax = "x"')
        .replace("from = 10", "from = 0")
        .replace("amount = 5", "amount = -1")
        + "\n[surcharge]\nfuel = 3\n"
    )

    assert [key for key, _, _ in problems(text)] == [
        "currencies.EUR.digits",
        "countries.DE.tax",
        "volume[0].from",
        "coupons.FIVER.amount",
        "surcharge",
    ]


def test_what_is_no_toml_and_no_file_is_told_like_a_mistake(tmp_path: Path):
    assert problems("digits = = 2")[0][2] == "write valid TOML"
    with pytest.raises(RulesErrors, match=r"missing\.toml: \(file\): .*let PRICING_RULES name"):
        load(tmp_path / "missing.toml")


def test_the_environment_names_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    mine = tmp_path / "rules.toml"
    mine.write_text(RIGHT, encoding="utf-8")
    monkeypatch.setenv("PRICING_RULES", str(mine))
    service.load_once.cache_clear()
    try:
        rules: Rules = service.current_rules()
    finally:
        service.load_once.cache_clear()

    assert set(rules.coupons) == {"FIVER"}
