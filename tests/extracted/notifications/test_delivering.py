"""Sending: each is claimed by one, sent, and marked; what fails is tried again, or given up."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from contracts.notifications import Channel, Kind
from extracted.notifications.deciding import ATTEMPTS, identify
from extracted.notifications.delivering import Deliverer
from extracted.notifications.failures import NotSent
from extracted.notifications.models import Notification, Preference
from extracted.notifications.signing import new_secret, signature
from extracted.notifications.telling import telling
from extracted.notifications.timer import Timer
from strangler.ports.errors import NotOwner
from strangler.sqlalchemy.database import Database
from tests.monolith.notifications.conftest import DATA
from tests.monolith.notifications.postbox import Postbox, Program

Told = Callable[..., UUID]


@pytest.fixture
def told(database: Database) -> Told:
    """``told("cleo")`` notes that somebody is to be told; gives the order's id."""
    numbers = iter(range(1, 1000))

    def note(customer: str) -> UUID:
        order, kind = UUID(int=next(numbers)), Kind.ORDER_CONFIRMED
        telling(database)(
            kind, order=order, customer=customer, happened=datetime.now(UTC), data=DATA[kind]
        )
        return order

    return note


def states(database: Database) -> dict[str, list[tuple[str, int]]]:
    found: dict[str, list[tuple[str, int]]] = {}
    with database.reading() as session:
        for row in session.scalars(select(Notification).order_by(Notification.channel)):
            found.setdefault(row.customer, []).append((row.state, row.attempts))
    return found


def pass_time(database: Database) -> None:
    with database.transaction() as session:
        past = datetime.now(UTC) - timedelta(seconds=1)
        due = update(Notification).where(Notification.due_at.is_not(None))
        session.execute(due.values(due_at=past))


def test_each_gets_a_mail_and_a_program_its_signed_call(
    database: Database, deliverer: Deliverer, told: Told, mails: Postbox, hooked: Program
) -> None:
    secret = new_secret()
    with database.transaction() as session:
        session.add(Preference(customer="cleo", email=True, webhook=hooked.url, secret=secret))
    first, second = told("cleo"), told("ann")
    while deliverer.deliver_next():
        pass
    assert states(database) == {"cleo": [("sent", 1)] * 2, "ann": [("sent", 1)]}
    ids = [identify(order, Kind.ORDER_CONFIRMED, Channel.EMAIL) for order in (first, second)]
    assert sorted(mails.ids) == sorted(map(str, ids))
    ((headers, body),) = hooked.told
    message = headers["idempotency-key"]
    assert message == str(identify(first, Kind.ORDER_CONFIRMED, Channel.WEBHOOK))
    assert json.loads(body)["data"]["order"] == str(first)
    signed = signature(secret, message, headers["webhook-timestamp"], body)
    assert headers["webhook-signature"] == f"v1,{signed}"


@pytest.mark.parametrize(
    ("customer", "state"),
    [("silent", "given_up"), ("nobody", "given_up"), ("full", "failed"), ("gone", "given_up"),
     ("a b", "given_up")],
)  # fmt: skip
def test_what_can_t_be_sent(
    database: Database,
    deliverer: Deliverer,
    told: Told,
    mails: Postbox,
    *,
    customer: str,
    state: str,
) -> None:
    mails.refused = {"full@example.com": 452, "gone@example.com": 550}
    told(customer)
    assert deliverer.deliver_next()
    assert not deliverer.deliver_next()
    assert states(database) == {customer: [(state, 1)]}
    assert mails.mails == []


def test_it_is_given_up_in_the_end(
    database: Database, deliverer: Deliverer, told: Told, mails: Postbox
) -> None:
    mails.refused = {"full@example.com": 452}
    told("full")
    for _ in range(ATTEMPTS):
        pass_time(database)
        assert deliverer.deliver_next()
    pass_time(database)
    assert not deliverer.deliver_next()
    assert states(database) == {"full": [("given_up", ATTEMPTS)]}


def test_who_was_given_up_for_dead_marks_nothing(
    database: Database, deliverer: Deliverer, told: Told, mails: Postbox
) -> None:
    told("cleo")
    dead = deliverer.claim()
    assert dead is not None
    assert deliverer.claim() is None
    pass_time(database)
    assert deliverer.deliver_next()
    deliverer._give_up(dead, NotSent("too late"))
    assert states(database) == {"cleo": [("sent", 2)]}
    assert len(mails.mails) == 1


def test_however_many_deliver_each_is_sent_once(
    database: Database, deliverer: Deliverer, told: Told, mails: Postbox
) -> None:
    for _ in range(12):
        told("cleo")

    def deliver(_number: int) -> None:
        while deliverer.deliver_next():
            pass

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(deliver, range(4)))
    deliver(0)
    assert len(mails.mails) == len(set(mails.ids)) == 12


def test_the_timer_delivers_only_inside_the_door() -> None:
    asked: list[str] = []
    rest = [1, 2]

    @contextmanager
    def door():  # noqa: ANN202 - a generator's own type
        asked.append("door")
        if len(asked) < 3:
            raise NotOwner("not here")
        yield
        asked.append("left")

    def deliver_next() -> bool:
        asked.append("sent")
        return bool(rest and rest.pop())

    with Timer(deliver_next, every=0.01, commanding=door) as timer:
        while rest:
            timer._stop.wait(0.01)
    assert asked[:6] == ["door", "door", "door", "sent", "left", "door"]
