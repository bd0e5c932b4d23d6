"""Whoever takes and gives back the money: what we ask of them, and what they tell.

Each payment has a key of ours, its order, and whatever is asked twice under one key is done once.
So who does not know what has become of a request may ask again, and whoever died between a request
and our own record of it is succeeded by anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol
from uuid import UUID

from contracts.money import Money
from monolith.payments.states import Standing
from strangler.ports.errors import BadAnswer


@dataclass(frozen=True, slots=True)
class Told:
    """How a payment stands at the provider.

    Attributes:
        key: ours.
        reference: the provider's own name of it.
        standing: how it stands.
        version: grows with each change there.
        amount: None for one that was ended before it was asked for.
        reason: why it was declined.
    """

    key: UUID
    reference: str
    standing: Standing
    version: int
    amount: Money | None
    reason: str = ""


class Provider(Protocol):
    """Takes money and gives it back. Nothing here is called within a transaction of ours.

    Each method raises, beside what it says:
        NotExecuted: nothing was asked of the provider, or it says that it has done nothing.
        OutcomeUnknown: perhaps it was done. Ask again, or look it up.
    """

    def authorise(self, key: UUID, amount: Money, method: str, *, customer: str) -> Told:
        """Have this amount put aside, or be declined: also if the method is another customer's."""

    def capture(self, key: UUID) -> Told:
        """Take what was put aside."""

    def refund(self, key: UUID) -> Told:
        """Give back what was taken, or let go what was put aside; nothing is taken later.

        A key that was never seen is remembered: an ``authorise`` that arrives later is voided.
        """

    def look_up(self, key: UUID) -> Told | None:
        """How it stands; None for a key that was never seen."""


def read(said: Any) -> Told:
    """What a provider has said, in JSON.

    Raises:
        BadAnswer: it makes no sense.
    """
    try:
        return Told(
            key=UUID(said["key"]),
            reference=str(said["id"])[:64],
            standing=Standing(said["state"]),
            version=_version(said["version"]),
            amount=_money(said),
            reason=str(said.get("reason") or "")[:200],
        )
    except (AttributeError, InvalidOperation, KeyError, TypeError, ValueError) as error:
        raise BadAnswer(f"the payment provider says what makes no sense: {error!r}") from error


def _version(said: object) -> int:
    if isinstance(said, bool) or not isinstance(said, int) or not 0 < said < 2**31:
        raise ValueError(said)
    return said


def _money(said: Mapping[str, Any]) -> Money | None:
    amount = said["amount"]
    if amount is None:
        return None
    if not isinstance(amount, str):
        raise TypeError(amount)
    return Money(Decimal(amount), str(said["currency"]))
