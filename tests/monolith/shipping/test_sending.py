"""Handing over and delivering: once, said once, and never what must not be sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, transaction

from contracts.shipping import (
    AlreadyDelivered,
    NotAllowed,
    NotAuthenticated,
    NotDeliverable,
    NotSendable,
    ShipmentDelivered,
    ShipmentSent,
    ShipmentState,
    Shipping,
    UnknownShipment,
)
from monolith.shipping.carriers import carrier, check_digit, number
from monolith.shipping.models import Shipment
from strangler.django.events.consuming import consumer
from strangler.events.envelope import opened
from strangler.ports.bind import bind
from strangler.ports.context import Context, User, use
from tests.monolith.events import cancelled, carried, waiting
from tests.monolith.people import FOR_STAFF

Hear = Callable[..., UUID]
CLEO = Context(user=User("cleo", ("customer",)))
shipping = bind(Shipping)


@pytest.mark.topologies
@pytest.mark.django_db(transaction=True)
def test_a_parcel_leaves_and_arrives_once(heard: Hear):
    order = heard()

    with use(FOR_STAFF):
        sent = shipping.hand_over(order)
        time.sleep(0.002)
        assert shipping.hand_over(order) == sent
        arrived = shipping.delivered(order)
        assert shipping.delivered(order) == shipping.hand_over(order) == arrived
        assert shipping.shipments([uuid4(), order]) == [arrived]

    assert sent.state is ShipmentState.SENT
    assert sent.carrier == "Fig Post"
    assert sent.tracking
    assert arrived.state is ShipmentState.DELIVERED
    first, second = waiting("shipping")
    assert (first.type, first.version) == ("shipping.shipment.sent", 1)
    assert opened(first) == ShipmentSent(order, "cleo", "Fig Post", sent.tracking, sent.sent_at)
    assert (second.type, second.version) == ("shipping.shipment.delivered", 2)
    assert opened(second) == ShipmentDelivered(order, "cleo", arrived.delivered_at)
    assert first.partitionkey == second.partitionkey == f"shipping.shipment/{order}"
    with use(CLEO):
        assert shipping.shipment(order) == arrived


@pytest.mark.topologies
@pytest.mark.django_db(transaction=True)
def test_what_must_not_be_sent_is_not(heard: Hear):
    gone, back = heard(), heard()
    with use(FOR_STAFF):
        with pytest.raises(NotDeliverable) as early:
            shipping.delivered(gone)
        assert early.value.state is ShipmentState.PREPARING
        shipping.hand_over(back)
    for order in (gone, back):
        consumer("shipping").take([carried(cancelled(order), version=2)])

    with use(FOR_STAFF):
        with pytest.raises(NotSendable) as caught:
            shipping.hand_over(gone)
        assert caught.value.detail() == {"order": gone, "state": ShipmentState.CANCELLED}
        with pytest.raises(NotDeliverable):
            shipping.delivered(gone)
        with pytest.raises(NotDeliverable) as returning:
            shipping.delivered(back)
        assert returning.value.state is ShipmentState.RETURNING
        assert shipping.hand_over(back).state is ShipmentState.RETURNING
        for command in (shipping.hand_over, shipping.delivered, shipping.shipment):
            with pytest.raises(UnknownShipment):
                command(uuid4())
    assert [event.type for event in waiting("shipping")] == ["shipping.shipment.sent"]


@pytest.mark.topologies
@pytest.mark.django_db(transaction=True)
def test_a_parcel_is_called_off_or_delivered(heard: Hear):
    here, sent, arrived, unheard = heard(), heard(), heard(), uuid4()
    with use(FOR_STAFF):
        for order in (sent, arrived):
            shipping.hand_over(order)
        shipping.delivered(arrived)

    with use(CLEO):
        for _ in range(2):
            assert shipping.call_off(here).state is ShipmentState.CANCELLED
            assert shipping.call_off(sent).state is ShipmentState.RETURNING
            assert shipping.call_off(unheard).state is ShipmentState.CANCELLED
            with pytest.raises(AlreadyDelivered) as caught:
                shipping.call_off(arrived)
        assert caught.value.order == arrived
        assert shipping.shipment(arrived).state is ShipmentState.DELIVERED
    with use(FOR_STAFF), pytest.raises(NotDeliverable):
        shipping.delivered(sent)


@pytest.mark.django_db
def test_nobody_calls_off_what_is_another_s(heard: Hear):
    order = heard()

    with use(Context(user=User("carl", ("customer",)))), pytest.raises(UnknownShipment):
        shipping.call_off(order)
    with use(Context(user=None)), pytest.raises(NotAuthenticated):
        shipping.call_off(order)

    assert Shipment.objects.get().state == "preparing"
    with use(FOR_STAFF):
        assert shipping.call_off(order).state is ShipmentState.CANCELLED


@pytest.mark.django_db
def test_shipments_are_their_customers_own_and_staff_send_them(heard: Hear):
    mine, other = heard(), heard(customer="carl")

    with use(CLEO):
        assert [one.order for one in shipping.shipments([other, mine])] == [mine]
        with pytest.raises(UnknownShipment):
            shipping.shipment(other)
        for command in (shipping.hand_over, shipping.delivered):
            with pytest.raises(NotAllowed):
                command(mine)
    with use(Context(user=None)):
        with pytest.raises(NotAuthenticated):
            shipping.shipment(mine)
        with pytest.raises(NotAuthenticated):
            shipping.shipments([mine])
        with pytest.raises(NotAuthenticated):
            shipping.hand_over(mine)
    with use(FOR_STAFF):
        assert [one.order for one in shipping.shipments([other, mine])] == [other, mine]
    assert Shipment.objects.filter(state="preparing").count() == 2
    assert waiting("shipping") == []


@pytest.mark.django_db
def test_the_database_itself_refuses_a_shipment_that_can_not_be(heard: Hear):
    first, second = heard(), heard()
    with use(FOR_STAFF):
        tracking = shipping.hand_over(first).tracking
        shipping.hand_over(second)

    for impossible in ({"tracking": tracking}, {"tracking": ""}, {"state": "preparing"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Shipment.objects.filter(pk=second).update(**impossible)


@pytest.mark.parametrize(
    ("country", "who"),
    [("DE", "Fig Post"), ("FR", "Fig Express"), ("US", "Strangler Cargo"), ("", "Strangler Cargo")],
)
def test_who_carries_where(country: str, who: str):
    assert carrier(country) == who


def test_numbers_end_with_a_digit_that_tells_a_mistake():
    made = {number() for _ in range(100)}

    assert len(made) == 100
    for one in made:
        assert one.startswith("SF")
        assert int(one[-1]) == check_digit(one[2:-1])
    assert check_digit("7992739871") == 3  # the example of everybody who explains it
