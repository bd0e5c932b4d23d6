"""Inventory answers the same, whichever arm is asked.

Each arm has its own database with the same rows, and gets the same requests in the same order; so
commands are compared as well, and what is read after them.

What may differ, and is not compared:

- moments that an arm reads from its clock: when something was moved, and until when a hold that is
  made now is kept. Both have to be moments, and as they are written;
- which whitespace is between the tokens of JSON: the documents are compared with the order of their
  members, but parsed;
- headers other than those in ``HEADERS``: date and length follow from the rest, ``Server``,
  ``Vary`` and the security headers are the frameworks';
- ``Allow`` on answers other than 405: REST framework repeats it on each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from contracts.inventory import (
    Inventory,
    Item,
    OutOfStock,
    Reservation,
    ReservationDiffers,
    ReservationEnded,
    UnknownReservation,
)
from strangler.ladder import Stage
from strangler.ports.errors import CallRefused
from tests.parity.shop import Shop
from tests.parity.warehouse import (
    COMMITTED,
    EXPIRED,
    HELD,
    LAPSED,
    RELEASED,
    UNKNOWN,
    URL,
)
from tests.strangler.fastapi.running import JSON, Answered

HEADERS = ("content-type", "retry-after", "www-authenticate", "location")
WAYS = ("monolith", "edge")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")


class Asking(NamedTuple):
    """A request, and the status that both arms give it."""

    status: int
    path: str
    method: str = "GET"
    body: bytes | None = None
    who: str = "staff"
    headers: Mapping[str, str] = {}


def agreed(shop: Shop, *askings: Asking) -> None:
    """Both arms answer all of these the same, one after the other."""
    first, second = (
        [
            shop.arms.ask(
                way,
                asking.method,
                f"{URL}{asking.path}",
                asking.body,
                {**shop.people[asking.who], **asking.headers},
            )
            for asking in askings
        ]
        for way in WAYS
    )
    for asking, monolith, service in zip(askings, first, second, strict=True):
        assert monolith.status == asking.status, (asking, monolith.body)
        clock = asking.method == "POST" and monolith.status == 201
        assert shown(service, clock=clock) == shown(monolith, clock=clock), asking


def shown(answer: Answered, *, clock: bool) -> dict[str, Any]:
    """What a client can rely on; the members of an object in their order."""
    body = json.loads(answer.body) if answer.body else None
    if clock and "at" in body:
        assert MOMENT.fullmatch(body["at"])
        body["at"] = "now"
    headers = [*HEADERS, "allow"] if answer.status == 405 else HEADERS
    found = {name: answer.headers.get(name) for name in headers}
    return {"status": answer.status, "body": json.dumps(body), **found}


def sending(
    status: int, body: Any, path: str = "/movements", method: str = "POST", who: str = "staff"
) -> Asking:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Asking(status, path, method, data, who, JSON)


AVAILABILITY = {
    "sku=A": 200, "sku=B&sku=A&sku=Z&sku=B": 200, "sku=%20A%20": 200, "sku=%C3%A9": 200,
    "sku=" + "x" * 64: 200, "&".join(f"sku=S{n}" for n in range(100)): 200,
    "sku=A&format=json": 200,
    "": 400, "sku=": 400, "sku=%20": 400, "sku=" + "x" * 65: 400, "sku=A&sku=&sku=" + "x" * 65: 400,
    "&".join(f"sku=S{n}" for n in range(101)): 400, "sku=%00": 400, "skus=A": 400,
    "sku=A&format=xml": 404,
}  # fmt: skip


@pytest.mark.parametrize("who", ["anybody", "customer", "staff"])
def test_what_is_to_be_had(shop: Shop, who: str):
    asked = AVAILABILITY.items()
    agreed(shop, *(Asking(status, f"/availability?{query}", who=who) for query, status in asked))


LISTS = (
    "", "page=2", "page=2&page_size=2", "page=1&page_size=3", "page=last&page_size=4",
    "page_size=1000", "page_size=0", "page_size=-1", "page_size=x", "page_size=&page=",
    "page=%EF%BC%92", "page=+1+", "b=%26&a=%C3%A9+%20&page_size=2&page=2&a=2",
    "sku=A", "warehouse=near", "sku=A&warehouse=far", "sku=a", "sku=", "warehouse=",
    "sku=A&sku=B", "sku=NONE", "warehouse=nowhere&page_size=5", "sku=%00", "sku=D-1&page=last",
)  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/stock", "/movements", "/warehouses"])
def test_a_list(shop: Shop, path: str, method: str):
    agreed(shop, *(Asking(found(path, query), f"{path}?{query}", method) for query in LISTS))


def found(path: str, query: str) -> int:
    """There are three warehouses, which is one page, and more of all else."""
    return 404 if path == "/warehouses" and query in {"page=2", "page=%EF%BC%92"} else 200


def test_a_page_that_is_none(shop: Shop):
    pages = ("0", "-1", "99", "x", "1.0", "9" * 30, "Last", "%00", "1e0")
    agreed(shop, *(Asking(404, f"/stock?page={page}") for page in pages))


ODD_PLACES = [
    (404, "/"), (404, ""), (404, "/stock/"), (404, "/nothing"), (404, "/availability/"),
    (404, "/warehouses/none"), (404, "/warehouses/near/"), (404, "/warehouses/n%20r"),
    (404, "/warehouses/%C3%A9"), (200, "/warehouses/near"), (404, "/warehouses/NEAR"),
    (404, "/stock?format=xml"), (200, "/%73tock"), (404, "/warehouses/"),
]  # fmt: skip


@pytest.mark.parametrize("who", ["anybody", "staff"])
def test_an_odd_place(shop: Shop, who: str):
    def refused(path: str) -> bool:
        return who == "anybody" and path not in UNROUTED and "format" not in path

    agreed(
        shop,
        *(Asking(401 if refused(path) else status, path, who=who) for status, path in ODD_PLACES),
    )


UNROUTED = {
    "/", "", "/stock/", "/nothing", "/availability/", "/warehouses/near/", "/warehouses/n%20r",
    "/warehouses/%C3%A9", "/warehouses/",
}  # fmt: skip
PLACES = {
    "/availability": "GET", "/warehouses": "GET POST", "/warehouses/near": "GET PATCH",
    "/stock": "GET", "/movements": "GET POST",
}  # fmt: skip


@pytest.mark.parametrize("who", ["anybody", "customer", "staff"])
@pytest.mark.parametrize("path", PLACES)
def test_who_may_what(shop: Shop, path: str, who: str):
    refused = {"anybody": 401, "customer": 403}.get(who, 0) if path != "/availability" else 0
    askings = []
    for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"):
        known = method in PLACES[path] or method == "HEAD"
        wanted = (400 if method == "POST" or path == "/availability" else 200) if known else 405
        body = None if method in {"GET", "HEAD", "OPTIONS"} else b"{}"
        headers = {} if body is None else JSON
        askings.append(Asking(refused or wanted, path, method, body, who, headers))
    agreed(shop, *askings)


ACCEPT = {
    "*/*": True, "text/html, */*;q=0.1": True, "application/*": True, "APPLICATION/JSON": True,
    "text/html": False, "application/xml": False, "json": False, ",": False,
}  # fmt: skip


def test_what_a_client_would_like_back(shop: Shop):
    for who, answered in (("staff", 200), ("anybody", 401)):
        askings = (
            Asking(answered if good else 406, "/stock", who=who, headers={"Accept": accept})
            for accept, good in ACCEPT.items()
        )
        agreed(shop, *askings)


@pytest.mark.parametrize("credentials", ["Bearer forged", "bearer ", "Bearer \xe9", "Basic eDp5"])
def test_credentials_that_do_not_hold(shop: Shop, credentials: str):
    """They never reach the service, which would know nobody: the edge refuses them itself."""
    shown = {"Authorization": credentials}
    hold = credentials.startswith("Basic")  # which nobody asks for here, and so nobody reads
    for path, status in (("/stock", 401), ("/availability?sku=A", 200 if hold else 401)):
        agreed(shop, Asking(status, path, who="anybody", headers=shown))
    error = "NotAuthenticated" if hold else "InvalidCredentials"
    headers = {**JSON, **shown}
    for way in WAYS:
        answer = shop.arms.ask(way, "POST", f"{URL}/movements", b"{}", headers)
        assert answer.error == (401, error)


MOVE = {"sku": "A", "warehouse": "near", "delta": 1, "reason": "received"}
BAD_MOVES: list[dict[str, Any]] = [
    {"sku": "a b"}, {"sku": ""}, {"sku": "X" * 65}, {"sku": None}, {"sku": 1.5}, {"sku": True},
    {"sku": []}, {"sku": "A--B"}, {"sku": "A\n"[:1] + "\0"}, {"sku": "r" * 70 + "\0\ud800"},
    {"warehouse": "nowhere"}, {"warehouse": ""}, {"warehouse": None}, {"warehouse": 5},
    {"warehouse": ["near"]}, {"warehouse": {"code": "near"}}, {"warehouse": True},
    {"warehouse": " near"}, {"warehouse": "\ud800"}, {"warehouse": "\0"}, {"warehouse": 1.0},
    {"delta": 0}, {"delta": "0"}, {"delta": 10**9}, {"delta": -(10**9)}, {"delta": "many"},
    {"delta": 1.5}, {"delta": True}, {"delta": None}, {"delta": []}, {"delta": ""},
    {"delta": "1" * 1001}, {"delta": 1e300}, {"delta": "1e3"},
    {"reason": "sold"}, {"reason": "Received"}, {"reason": ""}, {"reason": None}, {"reason": []},
    {"reason": 1}, {"reason": {"a": None}},
    {"note": "x" * 201}, {"note": None}, {"note": {}}, {"note": "\0"}, {"note": False},
    {"sku": "", "warehouse": "x", "delta": 0, "reason": "y", "note": []},
]  # fmt: skip


def test_a_bad_movement(shop: Shop):
    agreed(shop, *(sending(400, {**MOVE, **change}) for change in BAD_MOVES))


HOUSE = {"code": "ber", "name": "Berlin"}
BAD_HOUSES: list[dict[str, Any]] = [
    {"code": "near"}, {"code": "b r"}, {"code": ""}, {"code": "x" * 33}, {"code": None},
    {"code": "é"}, {"code": []}, {"code": True}, {"code": "a\0"},
    {"name": ""}, {"name": "x" * 101}, {"name": None}, {"name": {}}, {"name": "\udfff"},
    {"rank": -1}, {"rank": "x"}, {"rank": None}, {"rank": 2**63}, {"rank": 1.5}, {"rank": ""},
    {"code": "far", "name": " ", "rank": False},
]  # fmt: skip


def test_a_bad_warehouse(shop: Shop):
    agreed(shop, *(sending(400, {**HOUSE, **change}, "/warehouses") for change in BAD_HOUSES))
    for status, code in ((400, "empty"), (404, "none")):
        path = f"/warehouses/{code}"
        agreed(shop, *(sending(status, change, path, "PATCH") for change in BAD_HOUSES))


BODIES: dict[bytes, int] = {
    b"": 400, b"null": 400, b"[]": 400, b"5": 400, b'"x"': 400, b"{": 400, b"{}": 400,
    b"\xef\xbb\xbf{}": 400, b'{"sku": "\xff"}': 400, b"{}x": 400, b"[" * 100_000: 400,
    b'{"name": NaN}': 400, b'{"name": 1e999}': 400, b'{"name": -Infinity}': 400,
    b'{"code": "a", "code": ""}': 400, b"1" * 5000: 400, b" " * (1024 * 1024): 400,
    b" " * (1024 * 1024 + 1): 413,
}  # fmt: skip


def test_a_body_that_is_none(shop: Shop):
    for path in ("/movements", "/warehouses"):
        agreed(shop, *(sending(status, body, path) for body, status in BODIES.items()))
    # Here a body has to be an object, and need not say anything.
    good = (b"", b"{}", b'{"name": 1e999}')
    askings = (
        sending(200 if body in good else status, body, "/warehouses/near", "PATCH")
        for body, status in BODIES.items()
    )
    agreed(shop, *askings)


TYPES = {
    "text/plain": 415, "application/jsonx": 415, "application/x-www-form-urlencoded": 415, "": 415,
    "application/json; charset=utf-8": 400, "APPLICATION/JSON": 400, "*/*": 400,
    "application/json; charset=nonsense": 400, 'application/json; charset="latin-1"': 400,
    "application/json; charset=utf-16": 400,
}  # fmt: skip


def test_the_type_of_a_body(shop: Shop):
    for kind, status in TYPES.items():
        headers = {"Content-Type": kind} if kind else {}
        body = '{"code": "é"}'.encode()
        agreed(
            shop,
            Asking(status, "/warehouses", "POST", body, "staff", headers),
            Asking(400, "/warehouses", "POST", b"", "staff", headers),
        )


def test_stock_and_warehouses_change(shop: Shop):
    change(shop)


def change(shop: Shop) -> None:
    """What staff do, and what is read of it after each step."""
    steps = [
        sending(201, {**MOVE, "note": " #17 ", "extra": 1}),
        sending(201, {"sku": "NEW-1", "warehouse": "empty", "delta": "7.0", "reason": "counted"}),
        sending(201, {"sku": 12, "warehouse": "far", "delta": 2.0, "reason": "received",
                      "note": "Straße \u2028 🌱"}),
        sending(409, {**MOVE, "delta": -100, "reason": "lost"}),
        sending(409, {**MOVE, "sku": "NEW-2", "delta": -1, "reason": "damaged"}),
        sending(201, {**MOVE, "delta": -1, "reason": "damaged", "note": ""}),
        sending(201, HOUSE, "/warehouses"),
        sending(400, HOUSE, "/warehouses"),
        sending(201, {"code": 5, "name": 1.5, "rank": "7.00"}, "/warehouses"),
        sending(200, {}, "/warehouses/ber", "PATCH"),
        sending(200, {"rank": 0, "name": " Ber\u00e9 "}, "/warehouses/ber", "PATCH"),
        sending(200, {"code": "ber"}, "/warehouses/ber", "PATCH"),
        sending(400, {"code": "near"}, "/warehouses/ber", "PATCH"),
        sending(200, {"code": "lyo", "rank": 32767}, "/warehouses/ber", "PATCH"),
        sending(404, {"rank": 1}, "/warehouses/ber", "PATCH"),
        sending(403, MOVE, who="customer"),
        sending(401, MOVE, who="anybody"),
    ]  # fmt: skip
    read = Asking(200, "/warehouses"), Asking(200, "/stock?page_size=100")
    agreed(shop, *(asking for step in steps for asking in (step, *read)))
    # The moments differ, so movements are looked at without.
    lists = [
        shop.arms.ask(way, "GET", f"{URL}/movements?page_size=7", headers=shop.people["staff"])
        for way in WAYS
    ]
    first, second = ([{**row, "at": None} for row in answer.json()["results"]] for answer in lists)
    assert second == first


A, B, C, D = (Item(sku, 1) for sku in ("A", "B", "C", "D-1"))
FRESH, ELSE, LATE = UNKNOWN[:3]
CALLS: list[tuple[str, list[Any], Any]] = [
    ("availability", [["A", "Z", "A", "B"]], None),
    ("availability", [[]], None),
    ("reserve", [ELSE, [Item("\0", 1)]], OutOfStock),
    ("availability", [["\0", "A"]], None),
    ("commit", [FRESH], UnknownReservation),
    ("reserve", [FRESH, [A, A, B]], None),
    ("reserve", [FRESH, [B, Item("A", 2)]], None),
    ("reserve", [FRESH, [A, B]], ReservationDiffers),
    ("reserve", [ELSE, [C, Item("A", 10_000)]], OutOfStock),
    ("reserve", [ELSE, [Item("NONE", 1)]], OutOfStock),
    ("availability", [["A", "B", "C"]], None),
    ("commit", [FRESH], None),
    ("commit", [FRESH], None),
    ("release", [FRESH], None),
    ("commit", [FRESH], ReservationEnded),
    ("release", [LATE], None),
    ("reserve", [LATE, [C]], ReservationEnded),
    ("reserve", [HELD, [A, Item("D-1", 2)]], None),
    ("reserve", [COMMITTED, [A, Item("D-1", 2)]], None),
    ("reserve", [COMMITTED, [A]], ReservationDiffers),
    ("reserve", [RELEASED, [A, Item("D-1", 2)]], ReservationEnded),
    ("commit", [EXPIRED], ReservationEnded),
    ("availability", [["D-1"]], None),
    ("reserve", [ELSE, [Item("D-1", 46)]], None),  # only without the lapsed one
    ("commit", [LAPSED], ReservationEnded),
    ("reserve", [EXPIRED, [A]], ReservationDiffers),
    ("release", [ELSE], None),
    ("reserve", [EXPIRED, [A, Item("D-1", 2)]], None),
    ("commit", [EXPIRED], None),
    ("release", [LAPSED], None),
    ("availability", [["A", "B", "C", "D-1"]], None),
]


def test_the_port_in_the_end(shop: Shop):
    """After all else, since what was held is held no more."""
    call(shop)
    agreed(shop, Asking(200, "/stock?page_size=100"))


def call(shop: Shop) -> None:
    """A whole story, told to the monolith, and to the service either way: each call comes twice."""
    monolith = [
        timeless(shop.arms.called(Inventory, "monolith", Stage.MONOLITH, method, *arguments))
        for method, arguments, _ in CALLS
    ]
    for first, (method, arguments, wanted) in zip(monolith, CALLS, strict=True):
        for party in ("inventory", "monolith"):
            found = timeless(shop.arms.called(Inventory, party, Stage.LIVE, method, *arguments))
            assert found == first, (party, method, arguments)
        raised = first[0] if isinstance(first, tuple) and isinstance(first[0], type) else None
        assert raised is wanted, (method, first)


def timeless(answer: Any) -> Any:
    """An answer without the moment that depends on when it was asked for."""
    if not isinstance(answer, Reservation):
        return answer
    left = answer.expires_at - datetime.now(UTC)
    assert left <= timedelta(minutes=15)
    return answer.order, answer.state, answer.allocations, left > timedelta(minutes=14)


@pytest.mark.parametrize("items", [[], [Item("", 1)], [Item("A", 0)], [Item("A", 10_001)],
                                   [A] * 101])  # fmt: skip
def test_arguments_that_are_none_do_not_pass(shop: Shop, items: list[Item]):
    said = []
    for party in ("monolith", "inventory"):
        with pytest.raises(CallRefused, match="400 BadArguments") as caught:
            shop.arms.called(Inventory, party, Stage.MONOLITH, "reserve", ELSE, items)
        said.append(str(caught.value).partition("BadArguments")[2])
    assert said[1] == said[0]


@pytest.mark.parametrize("arm", ["monolith", "service"])
def test_each_arm_describes_the_frozen_face(shop: Shop, arm: str):
    described, frozen = shop.arms.describes(arm, "inventory")
    assert described == frozen
