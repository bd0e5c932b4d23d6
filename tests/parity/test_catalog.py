"""The catalog answers the same, in every byte that counts, whichever arm is asked.

Each arm has its own database with the same rows, and gets the same requests in the same order; so
commands are compared as well, and what is read after them.

What may differ, and is not compared:

- which whitespace is between the tokens of JSON: the documents are compared with the order of their
  members, but parsed;
- headers other than those in ``HEADERS``: date and length follow from the rest, ``Server``,
  ``Vary`` and the security headers are the frameworks';
- ``Allow`` on answers other than 405: REST framework repeats it on each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from sqlalchemy import create_engine, text

from contracts.catalog import Catalog
from strangler.ladder import Stage
from strangler.ports.context import Context, use
from strangler.sqlalchemy.database import address
from tests.parity.catalog_cases import (
    BAD,
    BAD_QUERIES,
    BODIES,
    CALLS,
    CATEGORIES,
    EUR,
    GOOD_QUERIES,
    NEW,
    ODD_PLACES,
    PRODUCTS,
)
from tests.parity.shop import Shop
from tests.strangler.fastapi.running import JSON, Answered

HEADERS = ("content-type", "retry-after", "www-authenticate", "location")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
WAYS = ("monolith", "edge")


class Asking(NamedTuple):
    """A request, and the status that both arms give it."""

    status: int
    method: str = "GET"
    path: str = PRODUCTS
    body: bytes | None = None
    who: str = "anybody"
    headers: Mapping[str, str] = {}


def agreed(shop: Shop, asking: Asking) -> Answered:
    """The answer of both arms."""
    headers = {**shop.people[asking.who], **asking.headers}
    answers = {
        way: shop.arms.ask(way, asking.method, asking.path, asking.body, headers) for way in WAYS
    }
    first, second = (shown(answer) for answer in answers.values())
    assert second == first
    assert first["status"] == asking.status, first
    return answers["edge"]


def shown(answer: Answered) -> dict[str, Any]:
    """What a client can rely on; the members of an object in their order."""
    headers = [*HEADERS, "allow"] if answer.status == 405 else HEADERS
    return {
        "status": answer.status,
        "body": json.loads(answer.body, object_pairs_hook=list) if answer.body else None,
        **{name: answer.headers.get(name) for name in headers},
    }


def post(body: Any, path: str = PRODUCTS, *, status: int, method: str = "POST") -> Asking:
    """A command of staff."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Asking(status, method, path, data, "staff", JSON)


@pytest.mark.parametrize("query", GOOD_QUERIES)
def test_a_search(shop: Shop, query: str):
    agreed(shop, looking(query))


def looking(query: str) -> Asking:
    """A search, by one or the other."""
    who = "anybody" if len(query) % 2 else "staff"
    return Asking(200, path=f"{PRODUCTS}?{quote(query, safe='%&=+')}", who=who)


@pytest.mark.parametrize("query", BAD_QUERIES)
def test_a_search_that_is_none(shop: Shop, query: str):
    agreed(shop, Asking(400, path=f"{PRODUCTS}?{query}"))


@pytest.mark.parametrize("page", ["0", "-1", "99", "x", "1.0", "9" * 30, "Last", "%00"])
def test_a_page_that_is_none(shop: Shop, page: str):
    agreed(shop, Asking(404, path=f"{PRODUCTS}?page={page}"))


@pytest.mark.parametrize("who", ["anybody", "customer", "staff"])
@pytest.mark.parametrize("sku", ["SPADE-1", "BOOK-1", "OLD-1", "NONE-1", "spade-1", "x" * 300,
                                 "%C3%A9", "A%20B", "%22", "A'B", "..."])  # fmt: skip
def test_a_product(shop: Shop, who: str, sku: str):
    found = sku in {"SPADE-1", "BOOK-1"} or (sku == "OLD-1" and who == "staff")
    path = f"{PRODUCTS}{sku}/"
    for method in ("GET", "HEAD"):
        agreed(shop, Asking(200 if found else 404, method, path, who=who))


@pytest.mark.parametrize("who", ["anybody", "customer", "staff"])
def test_who_may_what(shop: Shop, who: str):
    allowed = {"staff": 400, "customer": 403, "anybody": 401}[who]
    staff = who == "staff"
    for method, path in (
        ("POST", PRODUCTS), ("PATCH", f"{PRODUCTS}SPADE-1/"), ("PUT", f"{PRODUCTS}SPADE-1/price"),
        ("POST", CATEGORIES),
    ):  # fmt: skip
        agreed(shop, Asking(allowed, method, path, b"[]", who, JSON))
    for method, path in (
        ("DELETE", PRODUCTS), ("PUT", PRODUCTS), ("PUT", f"{PRODUCTS}SPADE-1/"),
        ("POST", f"{PRODUCTS}SPADE-1/price"), ("PATCH", CATEGORIES),
    ):  # fmt: skip
        agreed(shop, Asking(405 if staff else allowed, method, path, b"{}", who, JSON))
    agreed(shop, Asking(405, "GET", f"{PRODUCTS}SPADE-1/price", who=who))
    agreed(shop, Asking(405, "HEAD", f"{PRODUCTS}SPADE-1/price", who=who))
    for path in (PRODUCTS, f"{PRODUCTS}SPADE-1/", f"{PRODUCTS}SPADE-1/price", CATEGORIES):
        agreed(shop, Asking(405, "OPTIONS", path, who=who))
    agreed(shop, Asking(200 if staff else 403, path=f"{PRODUCTS}?active=false", who=who))
    agreed(shop, Asking(200 if staff else 403, path=f"{PRODUCTS}?active=1", who=who))


@pytest.mark.parametrize(("status", "method", "path"), ODD_PLACES)
def test_an_odd_place(shop: Shop, status: int, method: str, path: str):
    agreed(shop, Asking(status, method, path, who="staff"))


@pytest.mark.parametrize(("status", "accept"), [
    (200, "*/*"), (200, "text/html, */*;q=0.1"), (200, "application/*"), (406, "text/html"),
    (406, "application/xml"), (200, "APPLICATION/JSON"), (406, "json"),
])  # fmt: skip
def test_what_a_client_would_like_back(shop: Shop, status: int, accept: str):
    agreed(shop, Asking(status, headers={"Accept": accept}))
    agreed(shop, Asking(404 if status == 200 else 406, path=f"{PRODUCTS}NONE/",
                        headers={"Accept": accept}))  # fmt: skip


@pytest.mark.parametrize("change", BAD, ids=lambda change: json.dumps(change)[:40])
def test_a_bad_product(shop: Shop, change: dict[str, Any]):
    agreed(shop, post({**NEW, **change}, status=400))
    if set(change) <= {"name", "description", "category", "attributes", "active"}:
        agreed(shop, post(change, f"{PRODUCTS}SPADE-1/", status=400, method="PATCH"))
    if set(change) == {"price"} and change != {"price": None}:
        path = f"{PRODUCTS}SPADE-1/price"
        agreed(shop, post(change["price"], path, status=400, method="PUT"))


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:20]))
def test_a_body_that_is_none(shop: Shop, body: bytes):
    for path in (PRODUCTS, CATEGORIES):
        agreed(shop, post(body, path, status=BODIES[body]))


@pytest.mark.parametrize(("status", "kind"), [
    (415, "text/plain"), (415, "application/jsonx"), (415, "application/x-www-form-urlencoded"),
    (201, "application/json; charset=utf-8"), (409, "APPLICATION/JSON"), (409, "*/*"),
    (409, "application/json; charset=nonsense"), (409, 'application/json; charset="latin-1"'),
    (400, "application/json; charset=utf-16"), (415, ""),
])  # fmt: skip
def test_the_type_of_a_body(shop: Shop, status: int, kind: str):
    body = json.dumps({**NEW, "sku": "TYPED-1"}).encode()
    headers = {"Content-Type": kind} if kind else {}
    agreed(shop, Asking(status, "POST", PRODUCTS, body, "staff", headers))


def test_products_come_and_change(shop: Shop):
    live(shop)


def live(shop: Shop) -> None:
    """The whole life of products, and what is read of them after some of the steps."""
    rake, price = f"{PRODUCTS}RAKE-7/", f"{PRODUCTS}RAKE-7/price"
    steps = [
        post(NEW, status=201),
        post({**NEW, "name": "Another"}, status=409),
        post({**NEW, "sku": "MINIMAL-1", "name": 5, "attributes": {}, "description": "",
              "extra": 1, "active": "off"}, status=201),
        post({"sku": "FLAT-1", "name": " Straße \u2028 🌱 ", "category": "kitchen",
              "price": {"amount": 1500, "currency": "JPY"}}, status=201),
        post({**NEW, "sku": "FINE-1", "price": {"amount": "9999999999.9999", "currency": "UYW"}},
             status=201),
        post({**NEW, "sku": "FINE-2", "price": {"amount": " 1.2340 ", "currency": "KWD"},
              "attributes": {"z": "1", "a": 2, "mm": 2.5}}, status=201),
        post({}, rake, method="PATCH", status=200),
        post({"name": "Mighty Räke", "description": "", "category": "kitchen", "active": "NO",
              "attributes": {"size": "xl", "color": "blue"}}, rake, method="PATCH", status=200),
        post({"active": True}, rake, method="PATCH", status=200),
        Asking(200, "PATCH", rake, b"", "staff", FORM),
        post({"sku": "X", "price": 1, "colour": 2}, rake, method="PATCH", status=400),
        post({"category": "nowhere"}, rake, method="PATCH", status=400),
        post({"name": "x"}, f"{PRODUCTS}NONE-1/", method="PATCH", status=404),
        post({"name": "x", "category": "nowhere"}, f"{PRODUCTS}none/", method="PATCH", status=404),
        post({"amount": "11.25", **EUR}, price, method="PUT", status=200),
        post({"amount": "11.25", **EUR}, price, method="PUT", status=200),
        post({"amount": "11.25", "currency": "USD"}, price, method="PUT", status=400),
        post({"amount": "1", **EUR}, f"{PRODUCTS}NONE-1/price", method="PUT", status=404),
        post({"path": "toys", "name": "Toys"}, CATEGORIES, status=201),
        post({"path": "toys/wood", "name": "Wood"}, CATEGORIES, status=201),
        post({"path": "toys/wood", "name": "Again"}, CATEGORIES, status=409),
        post({"path": "none/wood", "name": "Wood"}, CATEGORIES, status=400),
        post({"path": "Toys", "name": ""}, CATEGORIES, status=400),
        post({"path": "x" * 300}, CATEGORIES, status=400),
        post({**NEW, "sku": "TOY-1", "category": "toys/wood"}, status=201),
    ]  # fmt: skip
    for step in steps:
        agreed(shop, step)
        if step.path.startswith(rake):
            agreed(shop, Asking(200, path=rake, who="staff"))
    agreed(shop, Asking(200, path=CATEGORIES))
    for query in ("search=rake", "search=MIGHTY", "category=toys", "ordering=-created",
                  "ordering=price", "attribute=mm:2.5", "active=false"):  # fmt: skip
        agreed(shop, Asking(200, path=f"{PRODUCTS}?{query}&page_size=100", who="staff"))


@pytest.mark.parametrize(("context", "method", "arguments", "wanted"), CALLS)
def test_the_port(shop: Shop, context: Context, method: str, arguments: list[Any], wanted: Any):
    compare(shop, context, method, arguments, wanted)


def compare(shop: Shop, context: Context, method: str, arguments: list[Any], wanted: Any) -> None:
    """The port is asked at each endpoint that answers for it."""
    with use(context):
        first = shop.arms.called(Catalog, "monolith", Stage.MONOLITH, method, *arguments)
        assert shop.arms.called(Catalog, "catalog", Stage.MONOLITH, method, *arguments) == first
        assert shop.arms.called(Catalog, "monolith", Stage.LIVE, method, *arguments) == first
    assert (first[0] if isinstance(first, tuple) else None) is wanted


def test_both_arms_say_the_same_of_what_they_do(shop: Shop):
    change = json.dumps({"name": "Stählerner Spaten", "active": True}).encode()
    agreed(shop, Asking(200, "PATCH", f"{PRODUCTS}SPADE-1/", change, who="staff", headers=JSON))

    first, second = (said(shop.urls[name], "SPADE-1") for name in ("monolith", "catalog"))

    assert second == first
    assert (first["type"], first["subject"]) == ("catalog.product.changed", "SPADE-1")
    assert json.loads(first["payload"])["name"] == "Stählerner Spaten"


def said(url: str, sku: str) -> dict[str, Any]:
    """What was last said of a product, in this database."""
    engine = create_engine(address(url))
    try:
        with engine.connect() as connection:
            found = connection.execute(
                text(
                    "SELECT aggregatetype, aggregateid AS subject, type, payload, schema, "
                    "capability, partition FROM strangler_outbox WHERE aggregateid = :sku "
                    "ORDER BY position DESC LIMIT 1"
                ),
                {"sku": sku},
            )
            return dict(found.mappings().one())
    finally:
        engine.dispose()


@pytest.mark.parametrize("arm", ["monolith", "service"])
def test_each_arm_describes_the_frozen_face(shop: Shop, arm: str):
    described, frozen = shop.arms.describes(arm, "catalog")
    assert described == frozen
