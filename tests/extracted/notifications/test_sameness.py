"""Whoever tells, customers are told the same: the service's words and rows are the monolith's."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from contracts.notifications import Channel, Kind
from contracts.shipping import ShipmentDelivered, ShipmentSent
from extracted.notifications import deciding, mailing, models, rendering, signing
from extracted.notifications.transfer import tables
from monolith.notifications import deciding as their_deciding
from monolith.notifications import mailing as their_mailing
from monolith.notifications import models as their_models
from monolith.notifications import rendering as their_rendering
from monolith.notifications import signing as their_signing
from strangler.django.events.consuming import consumer as their_consumer
from strangler.events.consumer import Consumer
from strangler.sqlalchemy.database import Database
from tests.monolith.events import cancelled, carried, confirmed
from tests.monolith.notifications.conftest import DATA
from tests.monolith.notifications.postbox import Postbox

ORDER = UUID("0198c0de-0000-7000-8000-000000000001")
NOW = datetime(2026, 11, 22, tzinfo=UTC)
MAP = next(one for one in tables if one.source == "notifications_notification")
MOMENTS = ("due_at", "created_at")


@pytest.mark.parametrize("kind", Kind)
def test_a_text(kind: Kind) -> None:
    said: dict[str, Any] = {"name": "Zoë $name", "order": ORDER, "data": DATA[kind]}
    mine, theirs = rendering.mail(kind, **said), their_rendering.mail(kind, **said)
    assert (mine.subject, mine.text) == (theirs.subject, theirs.text)
    told: dict[str, Any] = {"order": ORDER, "customer": "zoë", "at": NOW, "data": DATA[kind]}
    body = rendering.body(kind, **told)
    assert body == their_rendering.body(kind, **told)
    secret = their_signing.new_secret()
    assert signing.headers(secret, ORDER, body, now=7.5) == their_signing.headers(
        secret, ORDER, body, now=7.5
    )


@pytest.mark.parametrize("kind", Kind)
def test_who_is_told_and_under_which_id(kind: Kind) -> None:
    assert deciding.RULES[kind].within == their_deciding.RULES[kind].within
    for channel in Channel:
        assert deciding.identify(ORDER, kind, channel) == their_deciding.identify(
            ORDER, kind, channel
        )
    for age in (timedelta(), timedelta(days=3), timedelta(days=8)):
        for email in (True, False):
            for webhook in ("", "http://127.0.0.1/"):
                mine = deciding.Wishes(email=email, webhook=webhook)
                theirs = their_deciding.Wishes(email=email, webhook=webhook)
                asked = {"happened": NOW - age, "now": NOW}
                assert deciding.channels(kind, mine, **asked) == their_deciding.channels(
                    kind, theirs, **asked
                )
    for attempts in range(1, deciding.ATTEMPTS + 2):
        assert deciding.pause(attempts) == their_deciding.pause(attempts)


def test_a_mail_as_it_arrives(mails: Postbox, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", mails.port
    told = settings.NOTIFICATIONS
    mailer = mailing.Mailer(
        f"smtp://127.0.0.1:{mails.port}", timeout=20, sender=told["SENDER"], domain=told["DOMAIN"]
    )
    written: dict[str, Any] = {"name": "Zoë", "order": ORDER, "data": DATA[Kind.ORDER_CONFIRMED]}
    to = "zoe@bücher.example"
    their_mailing.send(their_rendering.mail(Kind.ORDER_CONFIRMED, **written), to=to, message=ORDER)
    mailer.send(rendering.mail(Kind.ORDER_CONFIRMED, **written), to=to, message=ORDER)
    first, second = (
        (*(str(mail[name]) for name in ("From", "To", "Subject", "Message-ID", "Auto-Submitted")),
         re.sub(r"\r\n", "\n", mail.get_content()).rstrip("\n"))
        for mail in mails.mails
    )  # fmt: skip
    assert first == second


@pytest.fixture
def wishes(db: None, database: Database) -> None:
    """The same on both sides: cleo has a program, and carl wants nothing."""
    for customer, email, webhook in (("cleo", True, "http://127.0.0.1/"), ("carl", False, "")):
        row = {"customer": customer, "email": email, "webhook": webhook, "secret": "whsec_YQ=="}
        their_models.Preference.objects.create(**row)
        with database.transaction() as session:
            session.add(models.Preference(**row))


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("wishes")
def test_events_make_the_same_rows(database: Database, listener: Consumer) -> None:
    said: list[object] = []
    for customer in ("cleo", "carl", "ann"):
        order, now = uuid4(), datetime.now(UTC)
        sent = {"order": order, "customer": customer}
        said += [
            confirmed(order, customer=customer),
            ShipmentSent(**sent, carrier="Fig Post", tracking="SF1", sent_at=now),
            ShipmentDelivered(**sent, delivered_at=now - timedelta(days=3)),
            cancelled(order, customer=customer),
        ]
    batch = [carried(one, version=number) for number, one in enumerate(said, start=1)]
    for _ in range(2):
        listener.take(batch)
        their_consumer("notifications").take(batch)

    with database.reading() as session:
        mine = {row.id: vars(row) for row in session.scalars(select(models.Notification))}
        assert len(session.scalars(select(models.Inbox)).all()) == len(batch)
    theirs = {row["id"]: row for row in their_models.Notification.objects.values()}
    assert mine.keys() == theirs.keys()
    assert len(mine) == 9
    for key, row in theirs.items():
        up = MAP.up(row)["notification"]
        for name in up.keys() - set(MOMENTS):
            assert mine[key][name] == up[name], name
