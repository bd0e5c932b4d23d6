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
    for step in ("hand-over", "delivered"):
        done = staff.post(f"/api/shipping/shipments/{order}/{step}")
        assert done.status_code == 200
        carry("ordering", "shipping")
    assert client.post(f"/api/ordering/orders/{order}/cancel").status_code == 200
    carry("ordering", "shipping")

    assert client.get(f"/api/shipping/shipments/{order}").json()["state"] == "returning"
    assert deliver_notifications() == 4
    assert {mail["To"] for mail in mails.mails} == {cleo.email}
    subjects = [str(mail["Subject"]).partition(f"{order} ")[2] for mail in mails.mails]
    assert sorted(subjects) == ["has arrived", "is cancelled", "is confirmed", "is on its way"]
    (text,) = (mail.get_content() for mail in mails.mails if "confirmed" in mail["Subject"])
    assert "  2 × LAMP" in text
    assert f"In all: {placed.json()['total']} EUR" in text
    told = client.get(f"/api/notifications/notifications?order={order}").json()
    assert [row["state"] for row in told["results"]] == ["sent"] * 4
