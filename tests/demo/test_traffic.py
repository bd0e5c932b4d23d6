"""The customers notice what is wrong with a shop; here it is one that can be made to lie."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from demo.ledger import Ledger
from demo.traffic import Basket, Customer, Traffic, World

PRODUCT = {"sku": "A", "price": {"amount": "5.00", "currency": "EUR"}}
REQUEST = {"lines": [{"sku": "A", "quantity": 2}], "country": "DE", "coupon": None}
QUOTE = {"total": "11.90"}
ORDER = {"id": "o1", "total": "11.90", "lines": [{"sku": "A", "quantity": 2}]}
WORLD = World(
    products={"A": PRODUCT},
    baskets=[Basket(request=REQUEST, quote=QUOTE)],
    customers=[Customer(id="ada", token="token")],
)
Answer = tuple[int, Any]


class Shop:
    """Answers as it should, but for what ``lies`` says about a path."""

    def __init__(self) -> None:
        self.lies: dict[str, Callable[[], Answer]] = {}
        self.orders = 0

    def answer(self, method: str, path: str) -> Answer:
        if path in self.lies:
            return self.lies[path]()
        if path == "/api/catalog/products/":
            return 200, {"results": [PRODUCT], "next": None}
        if path == "/api/catalog/products/A/":
            return 200, PRODUCT
        if path == "/api/pricing/quote":
            return 200, QUOTE
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
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body = shop.answer(self.command, self.path)
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("X-Strangler-Arm", "monolith")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def visit(url: str, until: Callable[[Ledger], object]) -> Ledger:
    """Let customers in until something has been seen, ten seconds at most."""
    ledger = Ledger()
    traffic = Traffic(url, WORLD, ledger, rate=200, visitors=5, seed=3)
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
        ("/api/catalog/products/", (200, {"results": [{"sku": "B"}]}), "product: {'sku': 'B'}"),
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
    ],
)
def test_a_wrong_answer_is_noticed(shop: Shop, url: str, path: str, answer: Answer, said: str):
    shop.lies[path] = lambda: answer

    def told(ledger: Ledger) -> bool:
        return any(said in mistake for mistake in ledger.mistakes)

    assert told(visit(url, told))


@pytest.mark.parametrize("answer", [(500, {"error": "x"}), (503, b""), (200, b"<html>")])
def test_a_failed_answer_is_counted(shop: Shop, url: str, answer: Answer):
    shop.lies["/api/pricing/quote"] = lambda: answer
    ledger = visit(url, lambda ledger: ledger.failures)
    assert any("/api/pricing/quote" in failure for failure in ledger.failures)


def test_a_shop_that_is_gone_is_counted(url: str):
    ledger = visit("http://127.0.0.1:9", lambda ledger: ledger.failures)
    assert any("ConnectError" in failure for failure in ledger.failures)


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
