"""Notifications' HTTP face and port: everybody reads their own, and nobody writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from rest_framework.test import APIClient

from contracts.notifications import Channel, Kind, NotAuthenticated, Notifications
from monolith.identity.models import User
from monolith.notifications.models import Notification, Preference
from strangler.ports.bind import bind
from strangler.ports.context import Context, use
from strangler.ports.context import User as Caller
from strangler.ports.errors import NotOwner
from tests.monolith.people import FOR_STAFF, PASSWORD

Note = Callable[..., UUID]
ALL = "/api/notifications/notifications"
notifications = bind(Notifications)


def other(user: User) -> User:
    return User.objects.create_user(f"not-{user.username}", "other@example.com", PASSWORD)


@pytest.mark.topologies
@pytest.mark.django_db(transaction=True)
def test_what_somebody_was_told_of_an_order(told: Note):
    Preference.objects.create(customer="cleo", webhook="http://127.0.0.1/")
    order, other = told("cleo"), told("carl")

    with use(Context(user=Caller("cleo", ("customer",)))):
        found = notifications.notifications(order)
        assert notifications.notifications(other) == []
        assert notifications.notifications(uuid4()) == []
    with use(FOR_STAFF):
        assert notifications.notifications(order) == found
        assert len(notifications.notifications(other)) == 1
    with use(Context(user=None)), pytest.raises(NotAuthenticated):
        notifications.notifications(order)

    assert [one.channel for one in found] == [Channel.EMAIL, Channel.WEBHOOK]
    assert {(one.order, one.customer, one.kind, one.state) for one in found} == {
        (order, "cleo", Kind.ORDER_CONFIRMED, "pending")
    }


@pytest.mark.django_db
def test_notifications_are_ones_own(
    told: Note, cleo: User, client_of: Callable[[Any], APIClient], staff: APIClient
):
    order = told(str(cleo.pk))
    mine, customer, anybody = client_of(cleo), client_of(other(cleo)), APIClient()
    row = Notification.objects.get()

    answer = mine.get(f"{ALL}/{row.pk}")
    assert answer.status_code == 200
    assert answer.json() == {
        "id": str(row.id),
        "order": str(order),
        "customer": str(cleo.pk),
        "kind": "order_confirmed",
        "channel": "email",
        "state": "pending",
        "attempts": 0,
        "reason": None,
        "created_at": row.created_at.isoformat().replace("+00:00", "Z"),
        "sent_at": None,
    }
    assert mine.get(ALL).json()["results"] == [answer.json()]
    assert staff.get(f"{ALL}/{row.pk}").json() == answer.json()
    assert staff.get(ALL).json()["count"] == 1
    assert customer.get(ALL).json()["count"] == 0
    for who, unknown in ((customer, row.pk), (mine, uuid4())):
        refused = who.get(f"{ALL}/{unknown}")
        assert (refused.status_code, refused.json()["error"]) == (404, "NotFound")
    assert anybody.get(ALL).status_code == anybody.get(f"{ALL}/{row.pk}").status_code == 401


@pytest.mark.django_db
def test_nobody_commands(told: Note, staff: APIClient):
    told("cleo")
    row = Notification.objects.get()

    for path in (ALL, f"{ALL}/{row.pk}"):
        for method in (staff.post, staff.put, staff.patch, staff.delete):
            assert method(path).status_code == 405


@pytest.mark.django_db
def test_lists_are_paged_and_narrowed(
    told: Note, staff: APIClient, django_assert_max_num_queries: Any
):
    orders = [told(f"c{number}") for number in range(5)]

    page = staff.get(f"{ALL}?page_size=2&page=2").json()
    assert page["count"] == 5
    assert [row["order"] for row in page["results"]] == [str(orders[2]), str(orders[1])]
    narrowed = staff.get(f"{ALL}?order={orders[3]}&state=pending").json()["results"]
    assert [row["order"] for row in narrowed] == [str(orders[3])]
    assert staff.get(f"{ALL}?state=sent").json()["count"] == 0
    for query, path in (("order=1", "$.order"), ("state=lost", "$.state")):
        refused = staff.get(f"{ALL}?{query}")
        assert (refused.status_code, refused.json()["detail"]["path"]) == (400, path)
    with django_assert_max_num_queries(3):
        staff.get(f"{ALL}?page_size=5")


@pytest.mark.django_db
def test_what_customers_want_is_written_in_the_admin(told: Note, user: Callable[..., Any]):
    client = Client()
    client.force_login(user("root", is_staff=True, is_superuser=True))
    told("cleo")
    row = Notification.objects.get()

    add = client.post(
        "/admin/notifications/preference/add/",
        {"customer": "cleo", "webhook": "https://example.com/hook"},
    )
    assert add.status_code == 302
    preference = Preference.objects.get()
    assert (preference.email, preference.webhook) == (False, "https://example.com/hook")
    assert preference.secret.startswith("whsec_")
    change = "/admin/notifications/preference/cleo/change/"
    assert preference.secret in client.get(change).content.decode()
    for wrong in ("nonsense", "ftp://example.com/", "javascript:alert(1)"):
        assert client.post(change, {"webhook": wrong}).status_code == 200
    assert client.post(change, {"email": "on", "webhook": ""}).status_code == 302
    preference.refresh_from_db()
    assert (preference.email, preference.webhook) == (True, "")

    assert client.get("/admin/notifications/notification/").status_code == 200
    assert client.get(f"/admin/notifications/notification/{row.pk}/change/").status_code == 200
    assert client.get("/admin/notifications/notification/add/").status_code == 403


@pytest.mark.django_db
def test_the_admin_writes_nothing_where_another_side_owns_it(
    user: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
):
    client = Client()
    client.force_login(user("root", is_staff=True, is_superuser=True))
    Preference.objects.create(customer="cleo")

    def theirs(capability: str) -> None:
        raise NotOwner(f"the service owns {capability}")

    monkeypatch.setattr("monolith.notifications.admin.commanding", theirs)

    for path in ("add/", "cleo/change/", "cleo/delete/"):
        answer = client.post(
            f"/admin/notifications/preference/{path}", {"customer": "carl", "post": "yes"}
        )
        assert answer.status_code == 302
        assert (
            "This was not saved: the service owns"
            in client.get(answer["Location"]).content.decode()
        )
    assert list(Preference.objects.values_list("customer", "email")) == [("cleo", True)]
