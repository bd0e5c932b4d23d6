"""Money, which several contracts speak of."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in one currency (ISO 4217), in whole units: ``Money(Decimal("9.99"), "EUR")``."""

    amount: Decimal
    currency: str
