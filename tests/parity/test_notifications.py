"""Notifications are answered the same, whichever arm is asked; nobody can command them."""

from __future__ import annotations

from uuid import UUID

import pytest

from contracts.notifications import NotAuthenticated, Notifications
from strangler.ladder import Stage
from tests.parity.postbag import ORDERS, URL
from tests.parity.shop import Shop
from tests.strangler.fastapi.running import JSON, Answered

HEADERS = ("content-type", "retry-after", "www-authenticate", "location")
ALL = f"{URL}/notifications"
THERE = f"{ALL}/{UUID(int=7919 % 101 << 8)}"
QUERIES = {
    "": 200, "page_size=5": 200, "page=2&page_size=5": 200, "page=last&page_size=7": 200,
    "page=99": 404, "page=x": 404, "page_size=1000": 200, "page_size=-1": 200,
    "state=sent": 200, "state=given_up&state=failed": 200, "state=": 400, "state=SENT": 400,
    "state=%20sent": 400, "state=%00": 400, "state=%FF": 400,
    f"order={ORDERS[0]}": 200, f"order={ORDERS[0].hex}": 200, f"order={{{ORDERS[0]}}}": 200,
    f"order=urn:uuid:{ORDERS[0]}": 200, f"order={str(ORDERS[0]).upper()}&state=sent": 200,
    f"order={UUID(int=0)}": 200, "order=": 400, "order=7": 400, "order=%00": 400,
    "order=x&state=y": 400, "format=json": 200, "format=xml": 404,
    f"b=%26&page_size=3&page=2&order={ORDERS[1]}": 200,
}  # fmt: skip
PLACES = {
    THERE: 200, f"{THERE}?x=1": 200, f"{ALL}/{UUID(int=1)}": 404, f"{THERE}/": 404,
    f"{ALL}/{UUID(int=0xabc)}".upper().replace(ALL.upper(), ALL): 404, f"{ALL}/7": 404,
    f"{ALL}/": 404, f"{URL}/": 404, f"{URL}/nothing": 404,
}  # fmt: skip


def agreed(  # noqa: PLR0917 - as a request is written
    shop: Shop, status: int, path: str, who: str = "staff", method: str = "GET",
    body: bytes | None = None,
) -> None:  # fmt: skip
    """Both arms answer this the same."""
    headers = shop.people[who] if body is None else {**shop.people[who], **JSON}
    first, second = (
        shop.arms.ask(way, method, path, body, headers) for way in ("monolith", "edge")
    )
    assert first.status == status, (path, first.body)
    assert said(second) == said(first), (method, path, who)


def said(answer: Answered) -> tuple[object, ...]:
    found = answer.json() if answer.body else None
    listed = list(found.items()) if isinstance(found, dict) else found
    allow = answer.headers.get("allow") if answer.status == 405 else None
    return answer.status, listed, allow, [answer.headers.get(name) for name in HEADERS]


def test_what_somebody_was_told(shop: Shop) -> None:
    for who in ("customer", "staff"):
        for query, status in QUERIES.items():
            agreed(shop, status, f"{ALL}?{query}", who)
    for path, status in PLACES.items():
        agreed(shop, status, path)
    agreed(shop, 200, THERE, "customer")
    listed = shop.arms.ask("monolith", "GET", f"{ALL}?page_size=100", headers=shop.people["staff"])
    assert listed.json()["count"] == 36
    other = next(one["id"] for one in listed.json()["results"] if one["customer"] == "somebody")
    agreed(shop, 404, f"{ALL}/{other}", "customer")


def test_nobody_commands(shop: Shop) -> None:
    for path in (ALL, THERE):
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            body = None if method == "OPTIONS" else b"{}"
            agreed(shop, 405, path, "staff", method, body)
            agreed(shop, 401, path, "anybody", method, body)
        agreed(shop, 200, path, "customer", "HEAD")
        agreed(shop, 401, path, "anybody")


def test_the_port(shop: Shop) -> None:
    for party in ("monolith", "notifications"):
        for stage in (Stage.MONOLITH, Stage.LIVE):
            found = shop.arms.called(Notifications, party, stage, "notifications", ORDERS[0])
            assert found == (NotAuthenticated, {})


@pytest.mark.parametrize("arm", ["monolith", "service"])
def test_each_arm_describes_the_frozen_face(shop: Shop, arm: str) -> None:
    described, frozen = shop.arms.describes(arm, "notifications")
    assert described == frozen


@pytest.mark.postgres
def test_on_postgresql(shop_on_postgres: Shop) -> None:
    test_what_somebody_was_told(shop_on_postgres)
