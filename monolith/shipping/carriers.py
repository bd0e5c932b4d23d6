"""Who carries parcels where, and how they are numbered.

Nobody outside is asked: a number is made here, as from a range that the carrier has given us. It
ends with a check digit, so that one that was mistyped is noticed.
"""

from __future__ import annotations

import secrets

HOME = "DE"
NEIGHBOURS = frozenset({"AT", "BE", "CH", "CZ", "DK", "FR", "LU", "NL", "PL"})
DIGITS = 18


def carrier(country: str) -> str:
    """Who carries to this country."""
    if country == HOME:
        return "Fig Post"
    return "Fig Express" if country in NEIGHBOURS else "Strangler Cargo"


def number() -> str:
    """A tracking number that nobody has had, as far as chance can say; the database sees to it."""
    body = "".join(secrets.choice("0123456789") for _ in range(DIGITS - 1))
    return f"SF{body}{check_digit(body)}"


def check_digit(body: str) -> int:
    """The digit behind these, by Luhn's rule."""
    doubled = (int(digit) * (2 - index % 2) for index, digit in enumerate(reversed(body)))
    return -sum(digit // 10 + digit % 10 for digit in doubled) % 10
