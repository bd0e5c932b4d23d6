"""An order from its customer's click to the mail that says it has arrived, by what contexts say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from monolith.identity.models import User
from monolith.notifications.tasks import deliver_notifications
from strangler.django.events.consuming import consumer
from tests.monolith.events import waiting
from tests.monolith.notifications.postbox import Postbox
from tests.monolith.ordering.conftest import open_shop


def carry(*capabilities: str) -> None:
    """What these have said is brought to whoever listens, all of it each time."""
    said = [event for capability in capabilities for event in waiting(capability)]
    for listener in ("shipping", "notifications"):
        consumer(listener).take(said)


@pytest.mark.django_db(transaction=True)
def test_an_order_is_placed_sent_told_and_cancelled(
    cleo: User, client_of: Callable[[Any], APIClient], staff: APIClient, mails: Postbox
):
    open_shop()
    client = client_of(cleo)
    body = {"lines": [{"sku": "LAMP", "quantity": 2}], "country": "DE"}
    placed = client.post("/api/ordering/orders", body, headers={"Idempotency-Key": "k"})
    assert placed.status_code == 201, placed.json()
    order = placed.json()["id"]

    carry("ordering")
    shipment = client.get(f"/api/shipping/shipments/{order}").json()
    assert (shipment["state"], shipment["country"]) == ("preparing", "DE")
    assert shipment["lines"] == [{"sku": "LAMP", "quantity": 2}]
    placed_too = client.post("/api/ordering/orders", body, headers={"Idempotency-Key": "other"})
    other = placed_too.json()["id"]
    carry("ordering")
    for parcel, step in ((order, "hand-over"), (other, "hand-over"), (order, "delivered")):
        done = staff.post(f"/api/shipping/shipments/{parcel}/{step}")
        assert done.status_code == 200
        carry("ordering", "shipping")
    assert client.post(f"/api/ordering/orders/{order}/cancel").status_code == 409
    assert client.post(f"/api/ordering/orders/{other}/cancel").status_code == 200
    carry("ordering", "shipping")

    assert client.get(f"/api/shipping/shipments/{order}").json()["state"] == "delivered"
    assert client.get(f"/api/shipping/shipments/{other}").json()["state"] == "returning"
    assert deliver_notifications() == 6
    assert {mail["To"] for mail in mails.mails} == {cleo.email}
    for parcel, last in ((order, "has arrived"), (other, "is cancelled")):
        subjects = [str(one["Subject"]).partition(f"{parcel} ")[2] for one in mails.mails]
        assert sorted(filter(None, subjects)) == sorted(["is confirmed", "is on its way", last])
    (text,) = (
        mail.get_content() for mail in mails.mails if f"{order} is confirmed" in mail["Subject"]
    )
    assert "  2 × LAMP" in text
    assert f"In all: {placed.json()['total']} EUR" in text
    told = client.get(f"/api/notifications/notifications?order={order}").json()
    assert [row["state"] for row in told["results"]] == ["sent"] * 3
