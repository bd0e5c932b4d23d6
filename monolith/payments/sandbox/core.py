"""What the sandbox does with one payment: plain functions from what is known to what comes."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

from monolith.payments.sandbox import magic


class Refused(ValueError):
    """This can't be asked: ``status`` as in HTTP."""

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error = error


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be put aside."""

    amount: str
    currency: str
    method: str
    customer: str


@dataclass(frozen=True, slots=True)
class Record:
    """One payment: ``version`` counts its changes; without an amount where none was ever asked."""

    key: str
    id: str
    state: str
    version: int = 1
    amount: str | None = None
    currency: str | None = None
    method: str | None = None
    reason: str | None = None
    customer: str | None = None

    def shown(self) -> dict[str, Any]:
        """The JSON of it."""
        return asdict(self)

    def turned(self, state: str, reason: str | None = None) -> Record:
        """The same, one change later."""
        return replace(self, state=state, version=self.version + 1, reason=reason or self.reason)


@dataclass(frozen=True, slots=True)
class Entry:
    """Money that has moved: a ``charge`` or a ``refund``."""

    kind: str
    amount: str


def authorise(known: Record | None, key: str, asked: Asked) -> Record:
    """Put it aside, once.

    Raises:
        Refused: it is no amount, or the key stands for another one.
    """
    _check(asked)
    if known is None:
        reason = magic.declined(asked.method, Decimal(asked.amount), asked.customer)
        state = "declined" if reason else "authorised"
        terms = (asked.amount, asked.currency, asked.method)
        return Record(key, _identifier(), state, 1, *terms, reason, asked.customer)
    if known.amount is not None and not _same(known, asked):
        raise Refused(409, "KeyReused", "this key stands for another payment")
    return known


def capture(known: Record | None) -> Record:
    """Take what was put aside.

    Raises:
        Refused: there is nothing of this key.
    """
    if known is None:
        raise Refused(404, "UnknownPayment", "there is no payment with this key")
    if known.state != "authorised":
        return known
    reason = magic.lost(known.method or "")
    return known.turned("declined", reason) if reason else known.turned("captured")


def refund(known: Record | None, key: str) -> Record:
    """Give back what was taken, or let it go, and take nothing later."""
    if known is None:
        return Record(key, _identifier(), "voided")
    ends = {"captured": "refunded", "authorised": "voided"}
    return known.turned(ends[known.state]) if known.state in ends else known


def moved(before: Record | None, after: Record) -> Entry | None:
    """The money that moves when a payment changes so."""
    was = before.state if before else None
    if after.amount is None or after.state == was:
        return None
    if after.state == "captured":
        return Entry("charge", after.amount)
    return Entry("refund", after.amount) if after.state == "refunded" else None


def _same(known: Record, asked: Asked) -> bool:
    customer = known.customer or asked.customer  # older books do not say whose it was
    return Asked(known.amount or "", known.currency or "", known.method or "", customer) == asked


def _identifier() -> str:
    return f"pay_{uuid.uuid4().hex}"


def _check(asked: Asked) -> None:
    try:
        amount = Decimal(asked.amount)
    except InvalidOperation:
        raise Refused(400, "BadAmount", f"{asked.amount!r} is no amount") from None
    if not amount.is_finite() or amount.is_signed():
        raise Refused(400, "BadAmount", "an amount is 0 or more")
