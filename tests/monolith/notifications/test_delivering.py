"""Sending: by a real mail server, to a real program; what goes wrong is tried again, and ends."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core import mail as locmem
from django.utils import timezone

from contracts.notifications import Kind
from monolith.identity.models import User
from monolith.notifications import delivering, mailing, webhooks
from monolith.notifications.deciding import ATTEMPTS, PAUSES
from monolith.notifications.delivering import LEASE, claim, deliver_next
from monolith.notifications.failures import NotSent
from monolith.notifications.models import Notification, Preference
from monolith.notifications.tasks import deliver_notifications
from strangler.ports.errors import NotOwner, Unreachable
from tests.monolith.notifications.postbox import Postbox, Program
from tests.servers import free_port

pytestmark = pytest.mark.django_db
Note = Callable[..., UUID]
Pass = Callable[[timedelta], None]


def prefer_webhook(customer: User, url: str) -> Preference:
    return Preference.objects.create(customer=str(customer.pk), email=False, webhook=url)


def test_a_customer_gets_a_mail(cleo: User, told: Note, mails: Postbox):
    order = told(str(cleo.pk))

    assert deliver_notifications() == 1

    (mail,) = mails.mails
    row = Notification.objects.get()
    assert mail["To"] == "cleo@example.com"
    assert mail["From"] == "shop@shop.invalid"
    assert mail["Subject"] == f"Your order {order} is confirmed"
    assert mail["Message-ID"] == f"<{row.id}@shop.invalid>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "Hello cleo," in mail.get_content()
    assert "  2 × LAMP" in mail.get_content()
    assert (row.state, row.attempts, row.due_at, row.token) == ("sent", 1, None, None)
    assert row.sent_at is not None
    assert deliver_notifications() == 0


def test_a_program_is_told_and_can_prove_who_tells(cleo: User, told: Note, hooked: Program):
    secret = prefer_webhook(cleo, hooked.url).secret
    order = told(str(cleo.pk), Kind.SHIPMENT_SENT)

    assert deliver_notifications() == 1

    ((headers, body),) = hooked.told
    row = Notification.objects.get()
    assert json.loads(body) == {
        "type": "shipment_sent",
        "timestamp": row.happened_at.isoformat(),
        "data": {
            "order": str(order),
            "customer": str(cleo.pk),
            "carrier": "Fig Post",
            "tracking": "SF1",
        },
    }
    assert headers["idempotency-key"] == headers["webhook-id"] == str(row.id)
    assert headers["content-type"] == "application/json"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    signed = f"{row.id}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    proof = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{proof}"
    assert row.state == "sent"
    assert locmem.outbox == []


def test_what_fails_is_tried_again_with_growing_pauses_and_then_given_up(
    cleo: User, told: Note, hooked: Program, time_passes: Pass
):
    prefer_webhook(cleo, hooked.url)
    told(str(cleo.pk))
    hooked.statuses = [503] * ATTEMPTS

    for attempt, span in enumerate(PAUSES, start=1):
        now = timezone.now()
        assert deliver_notifications() == 1
        row = Notification.objects.get()
        assert (row.state, row.attempts, row.token) == ("failed", attempt, None)
        assert row.reason == "127.0.0.1: it answered 503", "the rest of a URL may be a secret"
        assert row.due_at is not None
        assert timedelta(0) <= row.due_at - now - span < timedelta(minutes=1)
        assert deliver_notifications() == 0, "before it is due"
        time_passes(span + timedelta(minutes=1))
    assert deliver_notifications() == 1

    row = Notification.objects.get()
    assert (row.state, row.attempts, row.due_at) == ("given_up", ATTEMPTS, None)
    assert len(hooked.told) == ATTEMPTS
    assert {headers["idempotency-key"] for headers, _ in hooked.told} == {str(row.id)}
    assert len({body for _, body in hooked.told}) == 1
    assert deliver_notifications() == 0


def test_what_has_failed_may_still_arrive(
    cleo: User, told: Note, mails: Postbox, time_passes: Pass
):
    told(str(cleo.pk))
    mails.refused = {"cleo@example.com": 450}

    deliver_notifications()
    row = Notification.objects.get()
    assert (row.state, row.reason) == ("failed", mailing.NOT_NOW)
    mails.refused = {}
    time_passes(PAUSES[0])
    deliver_notifications()

    row.refresh_from_db()
    assert (row.state, row.attempts, row.reason) == ("sent", 2, "")
    assert mails.ids == [str(row.id)]


def test_a_server_that_takes_it_and_does_not_say_so_gets_the_same_again(
    cleo: User, told: Note, mails: Postbox, hooked: Program, time_passes: Pass
):
    Preference.objects.create(customer=str(cleo.pk), webhook=hooked.url)
    told(str(cleo.pk))
    mails.silent, hooked.stops = True, 1

    assert deliver_notifications() == 2
    assert set(Notification.objects.values_list("state", flat=True)) == {"failed"}
    mails.silent = False
    time_passes(PAUSES[0])
    assert deliver_notifications() == 2

    for channel, ids in (
        ("email", mails.ids),
        ("webhook", [headers["idempotency-key"] for headers, _ in hooked.told]),
    ):
        row = Notification.objects.get(channel=channel)
        assert row.state == "sent"
        assert ids == [str(row.id)] * 2


def test_what_nobody_will_ever_take_is_given_up_at_once(
    cleo: User, user: Callable[..., User], told: Note, mails: Postbox, hooked: Program
):
    refused, nowhere, strange = user("carl"), user("dora"), user("emil")
    mails.refused = {"carl@example.com": 550}
    User.objects.filter(pk=nowhere.pk).update(email="")
    User.objects.filter(pk=strange.pk).update(email="emil@example.com\nBcc: all@example.com")
    told(str(refused.pk))
    told(str(nowhere.pk))
    told(str(strange.pk))
    told(str(uuid4()))
    told("nobody")
    prefer_webhook(cleo, hooked.url)
    hooked.statuses = [410]
    told(str(cleo.pk))

    assert deliver_notifications() == 6

    assert set(Notification.objects.values_list("state", flat=True)) == {"given_up"}
    reasons = dict(Notification.objects.values_list("customer", "reason"))
    assert reasons[str(refused.pk)] == reasons[str(strange.pk)] == mailing.REFUSED
    assert reasons[str(nowhere.pk)] == "this customer has no address"
    assert reasons["nobody"] == "there is no such customer any more"
    assert "nobody wants to be told there" in reasons[str(cleo.pk)]
    assert mails.mails == []


def test_a_program_that_does_not_answer_keeps_nobody(
    cleo: User, told: Note, monkeypatch: pytest.MonkeyPatch
):
    """It takes the connection, and what is sent, and says nothing at all."""
    monkeypatch.setattr(webhooks, "PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        prefer_webhook(cleo, f"http://127.0.0.1:{silent.getsockname()[1]}/")
        told(str(cleo.pk))
        assert deliver_notifications() == 1

    row = Notification.objects.get()
    assert (row.state, row.attempts) == ("failed", 1)
    assert row.reason == f"127.0.0.1: {webhooks.SILENT}"


@pytest.mark.parametrize("status", [302, 400, 404, 500])
def test_any_other_answer_is_no_yes_and_no_redirect_is_followed(
    cleo: User, told: Note, hooked: Program, status: int
):
    prefer_webhook(cleo, hooked.url)
    told(str(cleo.pk))
    hooked.statuses = [status]

    assert deliver_notifications() == 1

    assert Notification.objects.get().state == "failed"
    assert len(hooked.told) == 1


def test_whoever_is_away_is_tried_again(
    cleo: User,
    told: Note,
    settings: Any,
    mails: Postbox,
    caplog: pytest.LogCaptureFixture,
):
    prefer_webhook(cleo, f"http://127.0.0.1:{free_port()}/")
    told(str(cleo.pk))
    Preference.objects.update(email=True)
    told(str(cleo.pk))
    settings.EMAIL_PORT = free_port()

    assert deliver_notifications() == 3

    assert set(Notification.objects.values_list("state", flat=True)) == {"failed"}
    reasons = {row.reason for row in Notification.objects.all()}
    assert reasons == {f"127.0.0.1: {webhooks.SILENT}", mailing.NOT_NOW}
    assert "Connection refused" in caplog.text
    assert not any("refused" in one for one in reasons), "what we have met with is for us"


def test_while_nobody_says_who_it_is_for_it_waits(
    cleo: User,
    told: Note,
    mails: Postbox,
    time_passes: Pass,
    monkeypatch: pytest.MonkeyPatch,
):
    told(str(cleo.pk))

    def away(user: str) -> None:
        raise Unreachable(f"identity is away, so nobody knows {user}")

    with monkeypatch.context() as patched:
        patched.setattr(type(delivering.identity), "account", staticmethod(away))
        assert deliver_notifications() == 1
    row = Notification.objects.get()
    assert (row.state, row.attempts) == ("failed", 1)
    assert row.reason == "who it is for can't be found out now"
    time_passes(PAUSES[0])
    assert deliver_notifications() == 1
    assert mails.ids == [str(row.id)]


def test_one_that_is_broken_does_not_keep_the_others_waiting(
    cleo: User, told: Note, mails: Postbox, caplog: pytest.LogCaptureFixture
):
    told(str(cleo.pk))
    Notification.objects.update(data={})
    told(str(cleo.pk))

    assert deliver_notifications() == 2

    states = Notification.objects.order_by("created_at").values_list("state", flat=True)
    assert list(states) == ["failed", "sent"]
    assert "can't be sent" in caplog.text


def test_who_was_given_up_for_dead_marks_nothing(
    cleo: User, told: Note, mails: Postbox, time_passes: Pass, caplog: pytest.LogCaptureFixture
):
    """The first is slow, the second takes over when the lease has ended; both come to an end."""
    told(str(cleo.pk))
    slow = claim()
    assert slow is not None
    assert claim() is None, "it is left to whoever is at it"
    time_passes(LEASE)

    assert deliver_next()
    row = Notification.objects.get()
    assert (row.state, row.attempts) == ("sent", 2)
    delivering._put_off(slow, NotSent("slow"))
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("sent", 2)
    assert "was taken over" in caplog.text


def test_who_is_taken_over_while_at_it_leaves_it_to_the_other(
    cleo: User, told: Note, mails: Postbox, time_passes: Pass
):
    told(str(cleo.pk))
    slow = claim()
    time_passes(LEASE)
    fast = claim()
    assert slow is not None
    assert fast is not None

    delivering._mark(slow, state="sent", due_at=None, sent_at=timezone.now())

    row = Notification.objects.get()
    assert (row.state, row.token) == ("pending", fast.token)
    delivering._put_off(fast, NotSent("not now"))
    row.refresh_from_db()
    assert row.state == "failed"


def test_one_whose_senders_all_die_is_given_up(
    cleo: User, told: Note, mails: Postbox, time_passes: Pass
):
    told(str(cleo.pk))
    for _ in range(ATTEMPTS):
        assert claim() is not None
        time_passes(LEASE)

    assert deliver_next()

    row = Notification.objects.get()
    assert row.state == "given_up"
    assert row.reason == "whoever has tried to send it has never come to an end"
    assert mails.mails == []


def test_nothing_is_sent_by_the_side_that_does_not_own_it(
    cleo: User, told: Note, mails: Postbox, monkeypatch: pytest.MonkeyPatch
):
    told(str(cleo.pk))

    @contextmanager
    def theirs(capability: str) -> Iterator[None]:
        raise NotOwner(f"the service owns {capability}")
        yield

    monkeypatch.setattr("monolith.notifications.tasks.commanding", theirs)

    assert deliver_notifications() == 0
    assert mails.mails == []
    assert Notification.objects.get().attempts == 0
