"""What was told and paid is held against the orders, and against whoever has said it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from demo.ledger import FoundOrder, Reckoning
from demo.postbox import Arrived


@dataclass(frozen=True, slots=True)
class Told:
    """What was said and heard, and how sagas ended; ``charged`` is the provider's word."""

    published: int = 0
    delivered: int = 0
    parked: int = 0
    sagas: Mapping[str, int] = field(default_factory=dict)
    """How many ended how."""
    shipments: Mapping[str, list[str]] = field(default_factory=dict)
    """The states of an order's shipments."""
    mails: Sequence[Arrived] = ()
    """What is in the customers' mailboxes."""
    begun: Mapping[str, int] = field(default_factory=dict)
    """How often somebody has begun to send a mail, by its id."""
    written: Mapping[str, str] = field(default_factory=dict)
    """What notifications' books say of the mail about an order."""
    copies: Sequence[str] = ()
    """Products of which ordering's copy is not what catalog says."""
    charged: Mapping[str, Decimal] = field(default_factory=dict)
    unfinished: Mapping[str, int] = field(default_factory=dict)
    """What did not come to its end in time."""

    @property
    def money(self) -> Decimal:
        """All that was charged, and not given back."""
        return sum(self.charged.values(), Decimal(0))

    @property
    def by_arm(self) -> dict[str, int]:
        """How many mails came from which arm."""
        return dict(Counter(mail.arm for mail in self.mails))


def hold_against(told: Told, orders: Iterable[FoundOrder]) -> Reckoning:
    """Hold what was told and paid against the orders.

    Each confirmed order is paid for, sent and told of, once; nothing else costs anybody anything,
    and nobody is told anything else.
    """
    found = Reckoning(lost=[], twice=[], differing=[])
    mails: dict[str, Counter[str]] = {}
    for mail in told.mails:
        mails.setdefault(plain(mail.confirmed), Counter())[mail.message] += 1
    for order in orders:
        due = order.total if order.state == "confirmed" else Decimal(0)
        paid = told.charged.get(plain(order.id), Decimal(0))
        if paid != due:
            found.differing.append(f"order {order.id}: {due} is due, and {paid} was charged")
        if order.state in {"confirmed", "cancelled"}:
            _once(
                found, f"the shipment of {order.id}", len(told.shipments.get(plain(order.id), ()))
            )
            arrived = mails.pop(plain(order.id), Counter())
            state = told.written.get(plain(order.id), "nothing")
            _once(found, f"the mail about {order.id} (the books: {state})", len(arrived))
            found.twice.extend(_repeated(arrived, told.begun))
    for nobody, arrived in mails.items():
        found.twice.append(f"{len(arrived)} mails about {nobody or 'something else'}")
    found.lost.extend(f"{count} {what}" for what, count in told.unfinished.items())
    found.lost.extend(f"ordering's copy of {product}" for product in told.copies)
    if told.parked:
        found.lost.append(f"{told.parked} events are parked")
    for state in ("stuck", "abandoned"):
        if count := told.sagas.get(state, 0):
            found.lost.append(f"{count} sagas are {state}")
    return found


def differing(said: Iterable[Sequence[Any]], copied: Iterable[Sequence[Any]]) -> list[str]:
    """Products of which the copy is not what was said of them: rows that begin with a SKU."""
    rows = {row[0]: [*row[1:]] for row in said}
    copies = {row[0]: [*row[1:]] for row in copied}
    return [
        f"{sku}: {copies.get(sku, 'nothing')} instead of {rows.get(sku, 'nothing')}"
        for sku in sorted(rows.keys() | copies.keys())
        if rows.get(sku) != copies.get(sku)
    ]


def _repeated(arrived: Mapping[str, int], begun: Mapping[str, int]) -> Iterable[str]:
    """Copies of one mail, beyond what somebody had begun to send who was killed in the midst."""
    for message, copies in arrived.items():
        identifier = plain(message.strip("<>").partition("@")[0])
        if copies > max(1, begun.get(identifier, 0)):
            yield f"{copies} copies of the mail {message}"


def _once(found: Reckoning, what: str, times: int) -> None:
    if times == 0:
        found.lost.append(what)
    elif times > 1:
        found.twice.append(f"{what}, {times} times")


def plain(identifier: object) -> str:
    """A UUID as SQLite keeps it."""
    return str(identifier).replace("-", "")
