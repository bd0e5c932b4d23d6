"""Ordering's HTTP face: whose orders they are, idempotency keys, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from rest_framework.test import APIClient

from contracts.inventory import OutOfStock
from contracts.money import Money
from monolith.catalog.service import CatalogService
from monolith.ordering import models
from monolith.shipping import sending
from monolith.shipping.models import Shipment
from strangler.django.saga import sweep
from strangler.django.saga.models import Saga
from strangler.ports.context import use
from strangler.ports.errors import ConnectionLost, TimedOut, Unreachable
from tests.monolith.ordering.faults import Faults
from tests.monolith.people import FOR_STAFF

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shop")]
URL = "/api/ordering/orders"
BODY: dict[str, Any] = {"lines": [{"sku": "LAMP", "quantity": 10}], "country": "DE"}
SOON = timedelta(seconds=1)
Audit = Callable[[], None]
Clients = dict[str, APIClient]


def place(client: APIClient, key: str = "k", body: Any = BODY) -> Any:
    return client.post(URL, body, headers={"Idempotency-Key": key})


def test_an_order_shows_what_it_was_sold_at(clients: Clients, audit: Audit):
    answer = place(clients["cleo"], body=BODY | {"coupon": "welcome10"})

    assert answer.status_code == 201, answer.json()
    order = answer.json()
    assert order == {
        "id": order["id"],
        "customer": order["customer"],
        "state": "confirmed",
        "lines": [
            {
                "sku": "LAMP",
                "name": None,
                "quantity": 10,
                "unit_price": "10.00",
                "discount": "5.00",
                "total": "95.00",
            }
        ],
        "country": "DE",
        "coupon": "welcome10",
        "currency": "EUR",
        "subtotal": "95.00",
        "discount": "9.50",
        "tax": "16.25",
        "rounding": "0.00",
        "total": "101.75",
        "reason": None,
        "placed_at": order["placed_at"],
    }
    assert order["placed_at"].endswith("Z")
    with use(FOR_STAFF):
        CatalogService().reprice("LAMP", Money(Decimal(99), "EUR"))
    assert clients["cleo"].get(f"{URL}/{order['id']}").json() == order
    audit()


def test_amounts_have_the_digits_of_their_currency():
    euros, yen = models.Order(scale=2), models.Order(scale=0)

    assert str(euros.written(Decimal("5.0000"))) == "5.00"
    assert str(euros.written(Decimal("0.1250"))) == "0.125"
    assert str(yen.written(Decimal("1200.0000"))) == "1200"
    assert yen.written(None) is None


def test_the_same_key_gets_the_same_order(clients: Clients, audit: Audit):
    first, second = place(clients["cleo"]), place(clients["cleo"])

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert place(clients["cleo"], "other").json()["id"] != first.json()["id"]
    assert place(clients["carl"]).status_code == 201, "a key is its customer's own"
    audit()


@pytest.mark.parametrize(
    "change",
    [
        {"country": "FR"},
        {"coupon": "WELCOME10"},
        {"payment": "card-2"},
        {"lines": [{"sku": "LAMP", "quantity": 9}]},
        {"lines": [{"sku": "LAMP", "quantity": 10}, {"sku": "DESK", "quantity": 1}]},
    ],
)
def test_a_key_is_good_for_one_order(clients: Clients, change: dict[str, Any]):
    place(clients["cleo"])

    answer = place(clients["cleo"], body=BODY | change)

    assert (answer.status_code, answer.json()["error"]) == (409, "KeyReused")
    assert answer.json()["detail"] == {"key": "k"}


def test_lines_are_added_up_and_their_order_does_not_matter(clients: Clients):
    lines = [{"sku": "DESK", "quantity": 1}, {"sku": "LAMP", "quantity": 1}]
    first = place(clients["cleo"], body=BODY | {"lines": [*lines, lines[1]]})
    again = place(
        clients["cleo"], body=BODY | {"lines": [{"sku": "LAMP", "quantity": 2}, lines[0]]}
    )

    assert [(line["sku"], line["quantity"]) for line in first.json()["lines"]] == [
        ("DESK", 1),
        ("LAMP", 2),
    ]
    assert again.json() == first.json()


@pytest.mark.parametrize("key", [None, "", "k" * 129])
def test_an_order_needs_a_key(clients: Clients, key: str | None):
    headers = {} if key is None else {"Idempotency-Key": key}

    answer = clients["cleo"].post(URL, BODY, headers=headers)

    assert (answer.status_code, answer.json()["error"]) == (400, "InvalidRequest")
    assert "Idempotency-Key" in answer.json()["message"]
    assert not models.Order.objects.exists()


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"lines": []}, "$.lines"),
        ({"lines": None}, "$.lines"),
        ({"lines": [{"sku": "LAMP"}]}, "$.lines[0].quantity"),
        ({"lines": [{"sku": "LAMP", "quantity": 0}]}, "$.lines[0].quantity"),
        ({"lines": [{"sku": "LAMP", "quantity": 10_001}]}, "$.lines[0].quantity"),
        ({"lines": [{"sku": "", "quantity": 1}]}, "$.lines[0].sku"),
        ({"lines": [{"sku": "LAMP", "quantity": 1}] * 101}, "$.lines"),
        ({"country": "de"}, "$.country"),
        ({"country": "DE\n"}, "$.country"),
        ({"coupon": ""}, "$.coupon"),
        ({"coupon": "x" * 65}, "$.coupon"),
        ({"payment": ""}, "$.payment"),
        ({"payment": "a card"}, "$.payment"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(
    clients: Clients, change: dict[str, Any], path: str
):
    answer = place(clients["cleo"], body=BODY | change)

    assert (answer.status_code, answer.json()["error"]) == (400, "InvalidRequest")
    assert answer.json()["detail"]["path"] == path
    assert not models.Order.objects.exists()


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (BODY | {"country": "XX"}, "UnknownCountry"),
        (BODY | {"coupon": "NOPE"}, "UnknownCoupon"),
        (BODY | {"lines": [{"sku": "NOPE", "quantity": 1}]}, "NotForSale"),
        (BODY | {"lines": [{"sku": "CHAIR", "quantity": 1}]}, "OutOfStock"),
        (BODY | {"lines": [{"sku": "LAMP", "quantity": 10_000}] * 2}, "TooMany"),
        (BODY | {"payment": "sandbox-declined"}, "Declined"),
        (BODY | {"payment": "sandbox-expires"}, "Declined"),
    ],
)
def test_what_can_not_be_sold_is_rejected_with_the_reason(
    clients: Clients, audit: Audit, body: dict[str, Any], cause: str
):
    answer, again = place(clients["cleo"], body=body), place(clients["cleo"], body=body)

    assert (answer.status_code, answer.json()["error"]) == (409, "OrderRejected")
    assert answer.json()["detail"]["cause"] == cause
    assert again.json() == answer.json()
    order = clients["cleo"].get(f"{URL}/{answer.json()['detail']['order']}").json()
    assert order["state"] == "rejected"
    assert order["reason"] == answer.json()["detail"]["reason"]
    audit()


@pytest.mark.parametrize("error", [Unreachable, ConnectionLost, TimedOut])
def test_what_can_not_be_reached_is_tried_again(
    clients: Clients, faults: Faults, audit: Audit, error: type[Exception]
):
    faults.put(("after", "reserve"), error("down"))

    answer = place(clients["cleo"])

    assert (answer.status_code, answer.json()["error"]) == (409, "StillPlacing")
    assert clients["cleo"].get(f"{URL}?state=placing").json()["count"] == 1
    assert place(clients["cleo"]).status_code == 201
    audit()


def test_what_is_charged_is_what_the_customer_says(clients: Clients, audit: Audit):
    order = place(clients["cleo"], body=BODY | {"payment": "card-2"}).json()

    paid = clients["cleo"].get(f"/api/payments/payments/{order['id']}").json()
    assert (paid["method"], paid["amount"]) == (
        "card-2",
        {"amount": order["total"], "currency": "EUR"},
    )
    audit()


def test_an_order_that_is_being_placed_is_left_to_whoever_is_at_it(
    clients: Clients, faults: Faults
):
    seen: list[Any] = []
    faults.put(("before", "reserve"), lambda: seen.append(place(clients["cleo"])))

    assert place(clients["cleo"]).status_code == 201
    assert (seen[0].status_code, seen[0].json()["error"]) == (409, "StillPlacing")


def test_orders_are_their_customers_own(clients: Clients, anybody: APIClient):
    order = place(clients["cleo"]).json()
    path = f"{URL}/{order['id']}"

    assert anybody.get(URL).status_code == 401
    assert anybody.post(URL, BODY).status_code == 401
    assert anybody.get(path).status_code == 401
    assert anybody.post(f"{path}/cancel").status_code == 401
    for hidden in (clients["carl"].get(path), clients["carl"].post(f"{path}/cancel")):
        assert (hidden.status_code, hidden.json()["error"]) == (404, "UnknownOrder")
    assert clients["carl"].get(URL).json()["count"] == 0
    assert clients["cleo"].get(path).json() == order
    assert clients["stan"].get(path).json() == order
    assert clients["stan"].get(URL).json()["results"] == [order]
    assert clients["stan"].post(f"{path}/cancel").status_code == 404, "staff only look"
    assert clients["cleo"].get(f"{URL}/{uuid4()}").status_code == 404


def test_the_list_is_paged_newest_first_and_narrowed_by_state(clients: Clients):
    small = BODY | {"lines": [{"sku": "LAMP", "quantity": 1}]}
    ids = [place(clients["cleo"], str(n), small).json()["id"] for n in range(3)]
    place(clients["cleo"], "rejected", BODY | {"country": "XX"})
    clients["cleo"].post(f"{URL}/{ids[1]}/cancel")

    page = clients["cleo"].get(f"{URL}?page_size=2&page=2").json()
    assert (page["count"], [order["id"] for order in page["results"]]) == (4, [ids[1], ids[0]])
    confirmed = clients["cleo"].get(f"{URL}?state=confirmed").json()["results"]
    assert [order["id"] for order in confirmed] == [ids[2], ids[0]]
    refused = clients["cleo"].get(f"{URL}?state=lost")
    assert (refused.status_code, refused.json()["detail"]["path"]) == (400, "$.state")


def test_a_list_costs_the_same_however_long_it_is(
    clients: Clients, django_assert_max_num_queries: Any
):
    small = BODY | {"lines": [{"sku": "LAMP", "quantity": 1}]}
    for number in range(5):
        place(clients["cleo"], str(number), small)

    with django_assert_max_num_queries(5):  # user, count, orders, lines, names
        clients["cleo"].get(URL)


def test_a_cancelled_order_gives_its_goods_back_once(clients: Clients, audit: Audit):
    path = f"{URL}/{place(clients['cleo']).json()['id']}"

    first, again = (clients["cleo"].post(f"{path}/cancel") for _ in range(2))

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json()["state"] == "cancelled"
    assert again.json() == first.json() == clients["cleo"].get(path).json()
    assert place(clients["cleo"]).json() == first.json(), "the key still names that order"
    audit()


def test_what_was_delivered_can_not_be_cancelled(clients: Clients, audit: Audit):
    order = place(clients["cleo"]).json()
    sending.prepare(UUID(order["id"]), customer=order["customer"], country="DE", lines=[])
    sending.hand_over(UUID(order["id"]))
    sending.deliver(UUID(order["id"]))

    for _ in range(2):
        refused = clients["cleo"].post(f"{URL}/{order['id']}/cancel")
        assert refused.status_code == 409
        assert refused.json()["error"] == "AlreadyDelivered"

    assert clients["cleo"].get(f"{URL}/{order['id']}").json() == order
    assert Shipment.objects.get().state == "delivered"
    assert Saga.objects.filter(name="ordering.call_off").count() == 1
    audit()


def test_what_was_not_confirmed_can_not_be_cancelled(clients: Clients, faults: Faults):
    faults.put(("before", "quote"), Unreachable("down"))
    place(clients["cleo"], "placing")
    faults.put(("before", "reserve"), OutOfStock("LAMP", 10, 0))
    place(clients["cleo"], "rejected")

    for order in models.Order.objects.all():
        refused = clients["cleo"].post(f"{URL}/{order.id}/cancel")
        assert (refused.status_code, refused.json()["error"]) == (409, "NotCancellable")
        assert refused.json()["detail"]["state"] == order.state


@pytest.mark.parametrize("method", ["release", "refund"])
def test_what_can_not_be_given_back_now_is_given_back_later(
    clients: Clients,
    faults: Faults,
    audit: Audit,
    time_passes: Callable[..., None],
    method: str,
):
    path = f"{URL}/{place(clients['cleo']).json()['id']}"
    faults.put(("before", method), Unreachable("down"), None)

    assert clients["cleo"].post(f"{path}/cancel").json()["state"] == "cancelled"
    assert clients["cleo"].post(f"{path}/cancel").json()["state"] == "cancelled"
    time_passes(SOON)
    assert sweep() == 1

    audit()
