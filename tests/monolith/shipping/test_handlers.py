"""What shipping makes of orders: by the real consumer and its inbox, however often it is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.shipping import ShipmentState
from monolith.shipping import sending
from monolith.shipping.models import Inbox, ParkedEvent, Shipment
from strangler.django.events.consuming import consumer
from tests.monolith.events import cancelled, carried, confirmed

pytestmark = pytest.mark.django_db
Hear = Callable[..., UUID]


def test_a_confirmed_order_becomes_one_shipment():
    event = confirmed(country="FR")
    shipping, told = consumer("shipping"), carried(event)

    for _ in range(2):
        shipping.take([told, told])
    shipping.take([carried(event, version=2)])  # said twice, by two events

    row = Shipment.objects.get()
    assert (row.order, row.customer, row.country) == (event.order, "cleo", "FR")
    assert (row.state, row.carrier, row.tracking) == ("preparing", "", "")
    assert [(line.sku, line.quantity) for line in row.lines.all()] == [("LAMP", 2), ("DESK", 1)]
    assert Inbox.objects.count() == 2
    assert not ParkedEvent.objects.exists()


@pytest.mark.parametrize(
    ("steps", "then"),
    [
        ([], ShipmentState.CANCELLED),
        ([sending.hand_over], ShipmentState.RETURNING),
        ([sending.hand_over, sending.deliver], ShipmentState.RETURNING),
    ],
    ids=["here", "sent", "delivered"],
)
def test_a_cancelled_order_is_kept_here_or_comes_back(heard: Hear, steps: list[Any], then: str):
    order = heard()
    for step in steps:
        step(order)

    for version in (2, 3):
        consumer("shipping").take([carried(cancelled(order), version=version)])
        assert Shipment.objects.get().state == then


def test_what_is_cancelled_before_it_was_heard_of_is_never_sent():
    order = uuid4()
    consumer("shipping").take([carried(cancelled(order), version=2)])
    consumer("shipping").take([carried(confirmed(order))])

    row = Shipment.objects.get()
    assert (row.order, row.state, row.customer, row.country) == (order, "cancelled", "cleo", "")
    assert not row.lines.exists()
    with pytest.raises(sending.NotSendable):
        sending.hand_over(order)


def test_an_order_comes_and_goes_within_one_batch():
    events = [confirmed() for _ in range(3)]
    batch = [carried(event) for event in events]
    batch.insert(2, carried(cancelled(events[0].order), version=2))

    consumer("shipping").take(batch)

    states = dict(Shipment.objects.values_list("order", "state"))
    assert [states[event.order] for event in events] == ["cancelled", "preparing", "preparing"]
