"""The customers notice what is wrong with a shop; here it is one that can be made to lie."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from demo.ledger import Ledger
from demo.traffic import Traffic
from demo.world import Basket, Customer, World

PRODUCT = {"sku": "A", "price": {"amount": "5.00", "currency": "EUR"}}
REQUEST = {"lines": [{"sku": "A", "quantity": 2}], "country": "DE", "coupon": None}
QUOTE = {"total": "11.90"}
ORDER = {"id": "o1", "total": "11.90", "lines": [{"sku": "A", "quantity": 2}]}
STAFFED = {"sku": "B", "price": {"amount": "1.00", "currency": "EUR"}}
WORLD = World(
    products={"A": PRODUCT, "B": STAFFED},
    baskets=[Basket(request=REQUEST, quote=QUOTE)],
    customers=[Customer(id="ada", token="token")],
    staff=Customer(id="staff", token="token"),
    staffed={"B": "north"},
    rare=[Basket(request=REQUEST, quote=QUOTE)],
)
Answer = tuple[int, Any]


class Shop:
    """Answers as it should, but for what ``lies`` says about a path."""

    def __init__(self) -> None:
        self.lies: dict[str, Callable[[], Answer]] = {}
        self.orders = 0
        self.price = "1.00"

    def answer(self, method: str, path: str, body: Any) -> Answer:
        path, _, query = path.partition("?")
        if path in self.lies:
            return self.lies[path]()
        if path.startswith("/api/catalog/products/B/"):
            self.price = body["amount"] if method == "PUT" else self.price
            return 200, {"sku": "B", "price": {"amount": self.price, "currency": "EUR"}}
        if path == "/api/inventory/availability":
            return 200, [{"sku": sku, "available": 1} for sku in parse_qs(query)["sku"]]
        if path == "/api/inventory/movements":
            return 201, {"note": body["note"]}
        return self.sold(method, path)

    def sold(self, method: str, path: str) -> Answer:
        known = {
            "/api/catalog/products/": {"results": [PRODUCT], "next": None},
            "/api/catalog/products/A/": PRODUCT,
            "/api/pricing/quote": QUOTE,
        }
        if path in known:
            return 200, known[path]
        if method == "POST":
            self.orders += 1
            return 201, {**ORDER, "id": f"o{self.orders}"}
        return 200, ORDER


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def url(shop: Shop) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body = shop.answer(self.command, self.path, json.loads(sent or "null"))
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("X-Strangler-Arm", "monolith")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PUT = do_GET  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def visit(url: str, until: Callable[[Ledger], object], *drawn: str) -> Ledger:
    """Let customers in until something has been seen, ten seconds at most."""
    ledger = Ledger()
    traffic = Traffic(url, WORLD, ledger, rate=200, visitors=5, seed=3)
    traffic.draw_to(*drawn)
    traffic.start()
    limit = time.monotonic() + 10
    while not until(ledger) and time.monotonic() < limit:
        time.sleep(0.02)
    traffic.stop()
    return ledger


def test_an_honest_shop_is_believed(url: str):
    ledger = visit(url, lambda ledger: ledger.requests > 60 and ledger.arms.keys() >= ARMS)
    assert ledger.requests > 60
    assert ledger.failures == []
    # A second press of the button gets another order from this shop, and that alone is noticed.
    assert all("was answered with" in mistake for mistake in ledger.mistakes)


ARMS = {("catalog", "monolith"), ("pricing", "monolith"), ("ordering", "monolith")}


@pytest.mark.parametrize(
    ("path", "answer", "said"),
    [
        ("/api/catalog/products/", (200, {"results": [], "next": None}), "shows no products"),
        ("/api/catalog/products/", (200, {"results": [{"sku": "C"}]}), "product: {'sku': 'C'}"),
        ("/api/catalog/products/A/", (200, {**PRODUCT, "price": 1}), "product: "),
        ("/api/pricing/quote", (200, {"total": "11.91"}), "quote: {'total': '11.91'}"),
        ("/api/ordering/orders", (201, {**ORDER, "total": "1"}), "total: 1 instead of 11.90"),
        ("/api/ordering/orders", (201, {**ORDER, "lines": []}), "units: {}"),
        (
            "/api/ordering/orders",
            (409, {"error": "OrderRejected", "detail": {"cause": "NotForSale"}}),
            "an order was answered with",
        ),
        ("/api/pricing/quote", (200, [1]), "quote: [1]"),
        ("/api/catalog/products/B/", (200, {"price": {"amount": "0.01"}}), "price read back: "),
        ("/api/catalog/products/B/price", (200, {"price": {"amount": "0"}}), "new price: "),
        ("/api/inventory/movements", (201, {"note": "another"}), "delivery: another"),
        ("/api/inventory/availability", (200, []), "skus: []"),
    ],
)
def test_a_wrong_answer_is_noticed(shop: Shop, url: str, path: str, answer: Answer, said: str):
    shop.lies[path] = lambda: answer

    def told(ledger: Ledger) -> bool:
        return any(said in mistake for mistake in ledger.mistakes)

    assert told(visit(url, told))


TOLD = {"order": "o1", "kind": "order_confirmed", "channel": "email"}


@pytest.mark.parametrize(
    ("told", "said"),
    [([TOLD, TOLD], "told: "), ([{**TOLD, "order": "o-of-another"}], "order: {'o-of-another'}")],
)
def test_customers_read_what_they_were_told(
    shop: Shop, url: str, told: list[dict[str, str]], said: str
):
    shop.lies["/api/notifications/notifications"] = lambda: (200, {"results": told})

    def noticed(ledger: Ledger) -> bool:
        return any(mistake.startswith(said) for mistake in ledger.mistakes)

    assert noticed(visit(url, noticed, "notifications"))


@pytest.mark.parametrize("answer", [(500, {"error": "x"}), (503, b""), (200, b"<html>")])
def test_a_failed_answer_is_counted(shop: Shop, url: str, answer: Answer):
    shop.lies["/api/pricing/quote"] = lambda: answer
    ledger = visit(url, lambda ledger: ledger.failures)
    assert any("/api/pricing/quote" in failure for failure in ledger.failures)


def test_a_shop_that_is_gone_is_counted(url: str):
    ledger = visit("http://127.0.0.1:9", lambda ledger: ledger.failures)
    assert any("ConnectionRefusedError" in failure for failure in ledger.failures)


def test_out_of_stock_is_an_answer(shop: Shop, url: str):
    rejected = {"error": "OrderRejected", "detail": {"cause": "OutOfStock"}}
    shop.lies["/api/ordering/orders"] = lambda: (409, rejected)
    ledger = visit(url, lambda ledger: ("ordering", "monolith") in ledger.arms)
    assert ledger.mistakes == []
    assert ledger.failures == []


def test_traffic_that_breaks_off_is_noticed(shop: Shop, url: str, monkeypatch: pytest.MonkeyPatch):
    def fall(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Traffic, "_quote", fall)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    ledger = visit(url, lambda ledger: ledger.mistakes)
    assert any("the traffic broke off" in mistake for mistake in ledger.mistakes)


def test_staff_remember_what_was_acknowledged(shop: Shop, url: str):
    ledger = visit(url, lambda ledger: ledger.prices and ledger.received)
    assert ledger.prices.keys() == {"B"}
    assert ledger.received
    assert ledger.slowest_write > 0
