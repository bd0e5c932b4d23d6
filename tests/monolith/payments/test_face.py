"""Payments' HTTP face: whose payments they are, who refunds, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from rest_framework.test import APIClient

from contracts.money import Money
from monolith.payments import charging
from monolith.payments.models import Intent
from monolith.payments.service import PaymentsService
from strangler.ports.context import Context, User, use
from strangler.ports.errors import ConnectionLost, PortError, TimedOut, Unreachable
from tests.monolith.ordering.faults import Faults
from tests.monolith.people import PASSWORD

pytestmark = pytest.mark.django_db
URL = "/api/payments/payments"
TWELVE = Money(Decimal("12.00"), "EUR")
payments = PaymentsService()


@pytest.fixture
def people(user: Callable[..., Any]) -> dict[str, Any]:
    """``cleo`` and ``carl`` are customers, ``stan`` is staff."""
    return {"cleo": user("cleo"), "carl": user("carl"), "stan": user("stan", is_staff=True)}


@pytest.fixture
def clients(people: dict[str, Any], client_of: Callable[[Any], APIClient]) -> dict[str, APIClient]:
    return {name: client_of(one) for name, one in people.items()}


@pytest.fixture
def charge(people: dict[str, Any]) -> Callable[..., UUID]:
    """``charge("cleo")`` pays an order of hers."""

    def charge(name: str, method: str = "card") -> UUID:
        order = uuid4()
        who = User(str(people[name].pk), ("customer",))
        with use(Context(user=who)):
            payments.charge(order, TWELVE, method)
        return order

    return charge


def test_a_payment_shows_what_was_paid(
    clients: dict[str, APIClient], people: dict[str, Any], charge: Callable[..., UUID]
):
    order = charge("cleo")

    payment = clients["cleo"].get(f"{URL}/{order}").json()

    assert payment == {
        "order": str(order),
        "customer": str(people["cleo"].pk),
        "state": "captured",
        "amount": {"amount": "12.00", "currency": "EUR"},
        "method": "card",
        "reason": None,
        "created_at": payment["created_at"],
    }
    assert payment["created_at"].endswith("Z")


def test_payments_are_their_customers_own(
    clients: dict[str, APIClient], anybody: APIClient, charge: Callable[..., UUID]
):
    order = charge("cleo")
    path = f"{URL}/{order}"

    for answer in (anybody.get(URL), anybody.get(path), anybody.post(f"{path}/refund")):
        assert answer.status_code == 401
    hidden = clients["carl"].get(path)
    assert (hidden.status_code, hidden.json()["error"]) == (404, "UnknownPayment")
    assert hidden.json()["detail"] == {"order": str(order)}
    assert clients["carl"].get(URL).json()["count"] == 0
    mine = clients["cleo"].get(path).json()
    assert clients["cleo"].get(URL).json()["results"] == [mine]
    assert clients["stan"].get(path).json() == mine
    assert clients["stan"].get(URL).json()["results"] == [mine]
    assert clients["cleo"].get(f"{URL}/{uuid4()}").status_code == 404
    assert clients["cleo"].get(f"{URL}/x").status_code == 404


def test_the_list_is_paged_newest_first_and_narrowed_by_state(
    clients: dict[str, APIClient], charge: Callable[..., UUID]
):
    orders = [str(charge("cleo")) for _ in range(3)]
    clients["stan"].post(f"{URL}/{orders[0]}/refund")

    def shown(query: str) -> list[str]:
        return [row["order"] for row in clients["cleo"].get(f"{URL}?{query}").json()["results"]]

    assert shown("") == orders[::-1]
    assert shown("page_size=2&page=2") == orders[:1]
    assert shown("state=captured") == orders[:0:-1]
    assert shown("state=refunded") == orders[:1]
    refused = clients["cleo"].get(f"{URL}?state=paid")
    assert (refused.status_code, refused.json()["detail"]["path"]) == (400, "$.state")


def test_a_list_costs_the_same_however_long_it_is(
    clients: dict[str, APIClient],
    charge: Callable[..., UUID],
    django_assert_max_num_queries: Any,
):
    for _ in range(5):
        charge("cleo")
    with django_assert_max_num_queries(3):  # user, count, payments
        clients["cleo"].get(URL)


def test_staff_refund_and_customers_do_not(
    clients: dict[str, APIClient], people: dict[str, Any], charge: Callable[..., UUID]
):
    order = charge("cleo")
    path = f"{URL}/{order}/refund"

    refused = clients["cleo"].post(path)
    assert (refused.status_code, refused.json()["error"]) == (403, "PermissionDenied")
    first, again = clients["stan"].post(path), clients["stan"].post(path)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json() == clients["cleo"].get(f"{URL}/{order}").json()
    assert first.json()["state"] == "refunded"
    assert Intent.objects.get().refunded_by == str(people["stan"].pk)


def test_what_was_never_charged_can_not_be_refunded_by_hand(clients: dict[str, APIClient]):
    refused = clients["stan"].post(f"{URL}/{uuid4()}/refund")

    assert (refused.status_code, refused.json()["error"]) == (404, "UnknownPayment")
    assert not Intent.objects.exists()


@pytest.mark.parametrize(
    ("error", "status"), [(Unreachable, 503), (ConnectionLost, 502), (TimedOut, 504)]
)
def test_where_the_provider_does_not_answer_the_refund_may_be_asked_for_again(
    clients: dict[str, APIClient],
    charge: Callable[..., UUID],
    monkeypatch: pytest.MonkeyPatch,
    error: type[PortError],
    status: int,
):
    path = f"{URL}/{charge('cleo')}/refund"
    faults, real = Faults(), charging.provider
    monkeypatch.setattr(charging, "provider", lambda: faults.on(real()))
    faults.put(("after", "refund"), error("down"))

    assert clients["stan"].post(path).status_code == status
    assert clients["stan"].post(path).json()["state"] == "refunded"


def test_nobody_charges_or_deletes_by_http(
    clients: dict[str, APIClient], charge: Callable[..., UUID]
):
    path = f"{URL}/{charge('cleo')}"

    for name in ("cleo", "stan"):
        assert clients[name].post(URL, {}).status_code == 405
        assert clients[name].delete(path).status_code == 405
        assert clients[name].put(path, {}).status_code == 405


def test_the_admin_shows_payments_and_changes_none(
    people: dict[str, Any], charge: Callable[..., UUID], user: Callable[..., Any]
):
    order = charge("cleo")
    user("root", is_staff=True, is_superuser=True)
    client = Client()
    assert client.login(username="root", password=PASSWORD)

    for path in ("intent", "webhook"):
        assert client.get(f"/admin/payments/{path}/").status_code == 200
        assert client.get(f"/admin/payments/{path}/add/").status_code == 403
    assert client.get(f"/admin/payments/intent/{order}/change/").status_code == 200
    assert client.get(f"/admin/payments/intent/{order}/delete/").status_code == 403
