"""Who is told of what, when, and how often that is tried: plain data, and plain Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from uuid import NAMESPACE_URL, UUID, uuid5

from contracts.notifications import Channel, Kind

NAMESPACE = uuid5(NAMESPACE_URL, "urn:shop:notifications")


@dataclass(frozen=True, slots=True)
class Rule:
    """By which channels a kind is told, and until how long after it has happened."""

    channels: tuple[Channel, ...]
    within: timedelta


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a customer wants; by default mail alone."""

    email: bool = True
    webhook: str = ""


BOTH = (Channel.EMAIL, Channel.WEBHOOK)
RULES: Mapping[Kind, Rule] = MappingProxyType(
    {
        Kind.ORDER_CONFIRMED: Rule(BOTH, timedelta(days=7)),
        Kind.ORDER_CANCELLED: Rule(BOTH, timedelta(days=7)),
        Kind.SHIPMENT_SENT: Rule(BOTH, timedelta(days=7)),
        Kind.SHIPMENT_DELIVERED: Rule(BOTH, timedelta(days=2)),
    }
)
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 3 * 60, 6 * 60, 12 * 60))
"""Until it is tried again, after each attempt; then it is given up."""
ATTEMPTS = len(PAUSES) + 1


def channels(kind: Kind, wishes: Wishes, *, happened: datetime, now: datetime) -> list[Channel]:
    """By which channels a customer is told; by none of what is no news any more."""
    rule = RULES[kind]
    if happened + rule.within < now:
        return []
    wanted = {Channel.EMAIL: wishes.email, Channel.WEBHOOK: bool(wishes.webhook)}
    return [channel for channel in rule.channels if wanted[channel]]


def identify(order: UUID, kind: Kind, channel: Channel) -> UUID:
    """The id of a notification: whoever decides the same again makes no second one."""
    return uuid5(NAMESPACE, f"{order}/{kind}/{channel}")


def pause(attempts: int) -> timedelta | None:
    """Until it is tried again, after so many attempts; None for never."""
    return PAUSES[attempts - 1] if attempts < ATTEMPTS else None
