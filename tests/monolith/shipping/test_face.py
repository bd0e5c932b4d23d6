"""Shipping's HTTP face: who may ask what, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from rest_framework.test import APIClient

from monolith.shipping.models import Shipment

Hear = Callable[..., UUID]
Clients = dict[str, tuple[APIClient, str]]
pytestmark = pytest.mark.django_db
ALL = "/api/shipping/shipments"


def test_a_customer_follows_an_order(heard: Hear, clients: Clients):
    (cleo, name), (stan, _) = clients["cleo"], clients["stan"]
    order = heard(customer=name)

    answer = cleo.get(f"{ALL}/{order}")

    assert answer.status_code == 200
    row = Shipment.objects.get()
    assert answer.json() == {
        "order": str(order),
        "customer": name,
        "state": "preparing",
        "lines": [{"sku": "LAMP", "quantity": 2}, {"sku": "DESK", "quantity": 1}],
        "country": "DE",
        "carrier": None,
        "tracking": None,
        "created_at": row.created_at.isoformat().replace("+00:00", "Z"),
        "sent_at": None,
        "delivered_at": None,
    }
    assert cleo.get(ALL).json()["results"] == [answer.json()]

    for step, state in (("hand-over", "sent"), ("delivered", "delivered")):
        done = stan.post(f"{ALL}/{order}/{step}")
        assert (done.status_code, done.json()["state"]) == (200, state)
        assert stan.post(f"{ALL}/{order}/{step}").json() == done.json()
    assert cleo.get(f"{ALL}/{order}").json() == done.json()


def test_shipments_are_ones_own(heard: Hear, clients: Clients, anybody: APIClient):
    (cleo, name), (carl, _), (stan, _) = clients.values()
    order = heard(customer=name)

    assert anybody.get(ALL).status_code == anybody.get(f"{ALL}/{order}").status_code == 401
    assert carl.get(ALL).json()["results"] == []
    for who, unknown in ((carl, order), (cleo, uuid4()), (stan, uuid4())):
        refused = who.get(f"{ALL}/{unknown}")
        assert (refused.status_code, refused.json()["error"]) == (404, "UnknownShipment")
        assert refused.json()["detail"] == {"order": str(unknown)}
    assert stan.get(ALL).json()["count"] == cleo.get(ALL).json()["count"] == 1


def test_only_staff_send(heard: Hear, clients: Clients, anybody: APIClient):
    (cleo, name), (stan, _) = clients["cleo"], clients["stan"]
    order = heard(customer=name)

    for step in ("hand-over", "delivered"):
        assert anybody.post(f"{ALL}/{order}/{step}").status_code == 401
        refused = cleo.post(f"{ALL}/{order}/{step}")
        assert (refused.status_code, refused.json()["error"]) == (403, "PermissionDenied")
        assert stan.post(f"{ALL}/{uuid4()}/{step}").status_code == 404
        assert stan.get(f"{ALL}/{order}/{step}").status_code == 405
    early = stan.post(f"{ALL}/{order}/delivered")
    assert (early.status_code, early.json()["error"]) == (409, "NotDeliverable")
    assert early.json()["detail"] == {"order": str(order), "state": "preparing"}


def test_lists_are_paged_and_narrowed(
    heard: Hear, clients: Clients, django_assert_max_num_queries: Any
):
    stan, _ = clients["stan"]
    orders = [heard(customer=f"c{number}") for number in range(7)]
    stan.post(f"{ALL}/{orders[3]}/hand-over")

    page = stan.get(f"{ALL}?page_size=2&page=2").json()
    assert page["count"] == 7
    assert [row["order"] for row in page["results"]] == [str(orders[4]), str(orders[3])]
    narrowed = stan.get(f"{ALL}?state=sent").json()["results"]
    assert [row["order"] for row in narrowed] == [str(orders[3])]
    refused = stan.get(f"{ALL}?state=lost")
    assert (refused.status_code, refused.json()["detail"]["path"]) == (400, "$.state")
    with django_assert_max_num_queries(4):
        stan.get(f"{ALL}?page_size=7")


def test_the_admin_shows_shipments_and_changes_none(heard: Hear, user: Callable[..., Any]):
    order = heard()
    client = Client()
    client.force_login(user("root", is_staff=True, is_superuser=True))

    assert client.get("/admin/shipping/shipment/").status_code == 200
    assert client.get(f"/admin/shipping/shipment/{order}/change/").status_code == 200
    for path in ("add", f"{order}/delete"):
        assert client.get(f"/admin/shipping/shipment/{path}/").status_code == 403
