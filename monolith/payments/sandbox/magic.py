"""The means of payment, and the amounts, by which the sandbox does what a bad day would do."""

from __future__ import annotations

from decimal import Decimal

from monolith.payments.sandbox.faults import Fault

LARGEST = Decimal(1_000_000)
"""An amount above this is declined, in whatever currency."""
NOT_THEIRS = "This customer has no such means of payment."
DECLINED = {
    "sandbox-declined": "The card was declined.",
    "sandbox-no-funds": "There is not enough on the account.",
}
LOST = {"sandbox-expires": "The authorisation has expired."}
"""Put aside, and gone when it is to be taken."""
FAULTS = {
    "sandbox-before": Fault.BEFORE,
    "sandbox-after": Fault.AFTER,
    "sandbox-late": Fault.LATE,
    "sandbox-never": Fault.NEVER,
}
"""What goes wrong as long as the sandbox does not know the payment."""


def owner(method: str) -> str | None:
    """Whose means of payment this is: ``7:visa`` is customer 7's; None is for everybody's."""
    name, mark, _ = method.partition(":")
    return name if mark else None


def declined(method: str, amount: Decimal, customer: str) -> str | None:
    """Why nothing is put aside; None if something is."""
    if owner(method) not in {None, customer}:
        return NOT_THEIRS
    if amount > LARGEST:
        return "The amount is above the limit."
    return DECLINED.get(method)


def lost(method: str) -> str | None:
    """Why what was put aside can't be taken; None if it can."""
    return LOST.get(method)
