"""What notifications makes of events: by the real consumer and its inbox, however often told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from contracts.notifications import Kind
from contracts.shipping import ShipmentDelivered, ShipmentSent
from monolith.notifications.deciding import RULES
from monolith.notifications.models import Inbox, Notification, ParkedEvent, Preference
from monolith.shipping import sending
from strangler.django.events.consuming import consumer
from tests.monolith.events import cancelled, carried, confirmed, waiting

pytestmark = pytest.mark.django_db


def rows() -> set[tuple[UUID, str, str, str]]:
    found = Notification.objects.values_list("order", "kind", "channel", "state")
    return {tuple(row) for row in found}


def test_an_event_is_told_once_however_often_it_comes():
    event = confirmed()
    notifications, told = consumer("notifications"), carried(event)

    for _ in range(2):
        notifications.take([told, told])
    notifications.take([carried(event, version=2)])  # said twice, by two events

    row = Notification.objects.get()
    assert (row.order, row.customer, row.kind) == (event.order, "cleo", "order_confirmed")
    assert (row.channel, row.state, row.attempts) == ("email", "pending", 0)
    assert (row.happened_at, row.due_at) == (event.confirmed_at, row.created_at)
    assert row.data == {
        "lines": [{"sku": "LAMP", "quantity": 2}, {"sku": "DESK", "quantity": 1}],
        "total": "142.68",
        "currency": "EUR",
    }
    assert Inbox.objects.count() == 2
    assert not ParkedEvent.objects.exists()


def test_a_customer_is_told_the_whole_story():
    """What shipping says is heard as it stands in its outbox."""
    event = confirmed()
    told = [carried(event), carried(cancelled(event.order), version=2)]
    consumer("shipping").take(told[:1])
    sending.hand_over(event.order)
    sending.deliver(event.order)

    consumer("notifications").take([*told, *waiting("shipping")])

    assert rows() == {(event.order, kind.value, "email", "pending") for kind in Kind}
    row = Notification.objects.get(kind=Kind.SHIPMENT_SENT)
    assert row.data["carrier"] == "Fig Post"
    assert row.data["tracking"].startswith("SF")


@pytest.mark.parametrize(
    ("email", "webhook", "channels"),
    [
        (True, "", {"email"}),
        (False, "", set()),
        (False, "http://127.0.0.1/", {"webhook"}),
        (True, "http://127.0.0.1/", {"email", "webhook"}),
    ],
)
def test_a_customer_is_told_as_they_want(*, email: bool, webhook: str, channels: set[str]):
    Preference.objects.create(customer="cleo", email=email, webhook=webhook)
    Preference.objects.create(customer="carl", email=not email)

    consumer("notifications").take([carried(confirmed(customer="cleo"))])

    assert set(Notification.objects.values_list("channel", flat=True)) == channels
    assert Notification.objects.values("id").distinct().count() == len(channels)
    assert Inbox.objects.count() == 1


@pytest.mark.parametrize("kind", Kind)
def test_what_is_no_news_any_more_is_not_told(kind: Kind):
    order, late = uuid4(), datetime.now(UTC) - RULES[kind].within
    counted = []
    for at in (late - timedelta(minutes=1), late + timedelta(minutes=1)):
        event = {
            Kind.ORDER_CONFIRMED: confirmed(order, at=at),
            Kind.ORDER_CANCELLED: cancelled(order, at=at),
            Kind.SHIPMENT_SENT: ShipmentSent(order, "cleo", "Fig Post", "SF1", at),
            Kind.SHIPMENT_DELIVERED: ShipmentDelivered(order, "cleo", at),
        }[kind]
        consumer("notifications").take([carried(event)])
        counted.append((Notification.objects.count(), Inbox.objects.count()))

    assert counted == [(0, 1), (1, 2)]
