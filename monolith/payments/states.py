"""What becomes of a payment when the provider tells how it stands there: a table.

Whatever is heard (the answer to a request, a webhook, the answer to a question) goes through this
one table, and the provider numbers its changes: what is older than what is known is no news. So it
does not matter who hears what, how often and in which order.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from contracts.payments import PaymentState


class Standing(StrEnum):
    """How a payment stands at the provider."""

    AUTHORISED = "authorised"
    CAPTURED = "captured"
    DECLINED = "declined"
    REFUNDED = "refunded"
    VOIDED = "voided"


FORWARD = {
    Standing.AUTHORISED: PaymentState.AUTHORISED,
    Standing.CAPTURED: PaymentState.CAPTURED,
    Standing.DECLINED: PaymentState.DECLINED,
    Standing.REFUNDED: PaymentState.REFUNDED,
    Standing.VOIDED: PaymentState.VOIDED,
}
BACKWARD = FORWARD | dict.fromkeys((Standing.AUTHORISED, Standing.CAPTURED), PaymentState.REFUNDING)
"""Nothing is to be taken: what was taken, or may be, goes back."""
ENDED = (PaymentState.REFUNDED, PaymentState.DECLINED, PaymentState.VOIDED)

TRANSITIONS: Mapping[PaymentState, Mapping[Standing, PaymentState]] = MappingProxyType(
    {
        PaymentState.CREATED: FORWARD,
        PaymentState.AUTHORISED: FORWARD,
        PaymentState.CAPTURED: {
            Standing.CAPTURED: PaymentState.CAPTURED,
            Standing.REFUNDED: PaymentState.REFUNDED,
        },
        PaymentState.REFUNDING: BACKWARD,
        **dict.fromkeys(ENDED, BACKWARD),
    }
)


class Impossible(ValueError):
    """The provider tells what can't be."""


def next_state(state: PaymentState, told: Standing) -> PaymentState:
    """What a payment in this state becomes, once the provider tells this.

    Raises:
        Impossible: it can't be. Nobody guesses what it means.
    """
    try:
        return TRANSITIONS[state][told]
    except KeyError:
        raise Impossible(f"the provider says {told} of a payment that is {state}") from None
