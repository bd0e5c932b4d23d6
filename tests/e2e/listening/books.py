"""What has to be true in the end: of every order that was said, and of whoever has told of it."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from uuid import UUID

from tests.e2e.listening.stand import Stand

KINDS = ("confirmed", "cancelled")


def check(stand: Stand, said: dict[str, str], *, switches: int) -> None:
    """Each event was handled once, by whoever owned then; and each customer told once of it.

    Args:
        stand: which is quiet, and whose rows are the service's.
        said: the customer of each order.
        switches: how often the rows have changed owner.
    """
    while (left := _left(stand, said)) > 0:  # a busy machine takes its time, and gets on
        stand.until(lambda before=left: _left(stand, said) < before)
    _handled_once(stand, said, switches)
    _told_once(stand, said)
    found = stand.hand.strangler("transfer", "verify", "notifications")
    assert found.answer["findings"] == [], found
    for side, table in (("monolith", "notifications_parkedevent"), ("service", "parked_event")):
        assert list(stand.places.rows(side, f"SELECT * FROM {table}")) == []  # noqa: S608 - our own


def _left(stand: Stand, said: dict[str, str]) -> int:
    """How much is still to be handled, and to be told."""
    look = "SELECT count(*) FROM notification WHERE due_at IS NOT NULL"
    unhandled = 2 * len(said) - stand.handled("service") - stand.handled("monolith")
    # What is handled becomes three to be told, at most: so this never grows.
    return max(0, unhandled) * 4 + int(stand.places.rows("service", look)[0][0])


def _handled_once(stand: Stand, said: dict[str, str], switches: int) -> None:
    look = "SELECT placed, kind, at FROM witness"
    noted = sorted(
        (at, side, order, kind)
        for side in ("monolith", "service")
        for order, kind, at in stand.places.rows(side, look)
    )
    times = Counter((order, kind) for _, _, order, kind in noted)
    assert times == Counter((order, kind) for order in said for kind in KINDS)
    # Never both at a time: as it went, sides have changed as often as the rows have.
    sides = [side for _, side, _, _ in noted]
    changes = [one for one in pairwise(sides) if one[0] != one[1]]
    assert len(changes) == switches, changes
    order_of = {(order, kind): at for at, _, order, kind in noted}
    late = [one for one in said if order_of[one, "confirmed"] >= order_of[one, "cancelled"]]
    assert late == []


def _told_once(stand: Stand, said: dict[str, str]) -> None:
    look = "SELECT order_id, kind, channel, customer, state, attempts, id FROM notification"
    rows = stand.places.rows("service", look)
    hooked = stand.customers[-1]
    wanted = Counter(
        (order, f"order_{kind}", channel, customer, "sent")
        for order, customer in said.items()
        for kind in KINDS
        for channel in ("email", "webhook")
        if channel == "email" or customer == hooked
    )
    assert Counter((str(UUID(str(row[0]))), *row[1:5]) for row in rows) == wanted
    attempts = {str(UUID(str(row[6]))): row[5] for row in rows if row[2] == "email"}
    mails = Counter(stand.mails.ids)
    assert mails.keys() == attempts.keys()
    # A second copy only of what a killed sender had begun, and under the same id.
    assert {one: mails[one] for one in mails if mails[one] > attempts[one]} == {}
    hooks = Counter(headers["idempotency-key"] for headers, _ in stand.told.told)
    begun = {str(UUID(str(row[6]))): row[5] for row in rows if row[2] == "webhook"}
    assert hooks.keys() == begun.keys()
    assert {one: hooks[one] for one in hooks if hooks[one] > begun[one]} == {}
    assert sum(mails.values()) - len(mails) <= sum(attempts.values()) - len(attempts)
