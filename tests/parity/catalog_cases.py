"""What both arms of the catalog are asked, good and bad."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from contracts.catalog import InvalidPrice, NotAllowed, UnknownProduct
from contracts.money import Money
from strangler.ports.context import Context
from tests.monolith.catalog.samples import FILTERS, ORDERINGS
from tests.monolith.people import FOR_CUSTOMER, FOR_STAFF

PRODUCTS = "/api/catalog/products/"
CATEGORIES = "/api/catalog/categories/"
GOOD_QUERIES = [
    *(query for query, _ in FILTERS),
    *(query for query, _ in ORDERINGS),
    "",
    "search=",
    "search=&category=&attribute=x:y&currency=&ordering=&active=",
    "search=spade&search=steel",
    "search=%C3%89LAN&x=1",
    "search=stra%C3%9Fe",
    "search=%FF",
    "category=garden&category=kitchen",
    "active=null",
    "active=",
    "ordering=-name",
    "attribute=grip:%20a:b",
    "currency=EUR&min_price=0.0001",
    "currency=EUR&min_price=-5&max_price=1E1",
    "currency=EUR&max_price=9.99",
    "page=2",
    "page=2&page_size=3",
    "page=1&page_size=3",
    "page=last&page_size=7",
    "page_size=1000",
    "page_size=0",
    "page_size=-1",
    "page_size=x",
    "page_size=&page=",
    "b=%26&a=%C3%A9+%20&page_size=2&page=3&a=2",
    "search=seed&page_size=5&ordering=-created",
    "format=json",
    "page=%EF%BC%92",
]
BAD_QUERIES = [
    "ordering=color",
    "ordering=%20",
    "min_price=1",
    "currency=EUR&min_price=NaN",
    "currency=EUR&min_price=sNaN",
    "currency=EUR&min_price=-Infinity",
    "currency=EUR&max_price=1e99",
    "currency=EUR&max_price=1.00001",
    "currency=EUR&max_price=12345678901",
    "currency=EUR&max_price=123456789012345",
    "currency=EUR&max_price=0.00000000000000001",
    f"currency=EUR&max_price={'1' * 1001}",
    "currency=EUR&max_price=%20",
    "currency=XXX",
    "currency=eur&min_price=x",
    "currency=EURO",
    "attribute=color",
    "attribute=Color:red",
    "attribute=",
    "attribute=a:b&attribute=&attribute=c",
    f"attribute={'a' * 49}:{'x' * 250}",
    "&".join(f"attribute=a{number}:1" for number in range(11)),
    "category=Garden",
    "category=/garden",
    "category=%20",
    f"category={'x' * 256}",
    "search=%00",
    "search=%20%0a",
    f"search={'x' * 101}",
    f"search={'x' * 101}%00",
    "active=perhaps",
    "active=%20",
    "search=%00&category=A&active=2",
]

ODD_PLACES = [
    (404, "GET", "/api/catalog/products"),
    (404, "POST", "/api/catalog/products"),
    (404, "GET", "/api/catalog/categories?x=1"),
    (404, "GET", "/api/catalog/products/SPADE-1"),
    (404, "GET", "/api/catalog/products/SPADE-1/price/"),
    (404, "GET", "/api/catalog/nothing/"),
    (404, "GET", "/api/catalog/"),
    (404, "GET", f"{PRODUCTS}?format=xml"),
    (200, "HEAD", PRODUCTS),
    (200, "GET", CATEGORIES),
    (200, "HEAD", CATEGORIES),
]

NEW = {
    "sku": "RAKE-7",
    "name": "Rake",
    "description": "It rakes.",
    "category": "garden/tools",
    "attributes": {"color": "red"},
    "price": {"amount": "12.50", "currency": "EUR"},
}
EUR = {"currency": "EUR"}
BAD: list[dict[str, Any]] = [
    {"sku": "rake"}, {"sku": "-RAKE"}, {"sku": "RA--KE"}, {"sku": "X" * 65}, {"sku": None},
    {"sku": 12.5}, {"sku": True}, {"sku": []}, {"sku": "r" * 70 + "\0\ud800"},
    {"name": ""}, {"name": "  "}, {"name": "x" * 201}, {"name": None}, {"name": {}},
    {"description": "x" * 10_001}, {"description": "\0"}, {"description": "a\udfffb"},
    {"description": None},
    {"category": "Garden"}, {"category": ""}, {"category": "x" * 256}, {"category": 5.5},
    {"attributes": {"color": {"deep": "1"}}}, {"attributes": {"color": None, "b": "", "c": True}},
    {"attributes": {"Color": "red"}}, {"attributes": {"a" * 51: "red"}},
    {"attributes": {f"a{number}": "1" for number in range(51)}}, {"attributes": ["color"]},
    {"attributes": "color"}, {"attributes": None}, {"attributes": {"": "x"}},
    {"attributes": {"color": "x" * 201}},
    {"price": "12.50"}, {"price": None}, {"price": []}, {"price": {"amount": "12.50"}},
    {"price": {}}, {"price": {"amount": None, "currency": None}},
    *({"price": {"amount": amount, **EUR}} for amount in (
        "0", "-1", "-0", "NaN", "Infinity", "1e40", "1.001", "", "x", [1], {"a": 1}, True, 1e300,
        "0.00001", "12345678901", "1" * 1001, 0, 1.001,
    )),
    {"price": {"amount": "1.5", "currency": "JPY"}}, {"price": {"amount": "1", "currency": "XXX"}},
    {"price": {"amount": "1", "currency": "eur"}}, {"price": {"amount": "1", "currency": 978}},
    {"price": {"amount": "x", "currency": "EURO"}},
    {"active": "perhaps"}, {"active": None}, {"active": []}, {"active": 2}, {"active": ""},
    {"sku": "rake", "price": {"amount": "x"}, "attributes": {"a": None}, "active": {}},
    {"category": "garden/nowhere"},
]  # fmt: skip

BODIES: dict[bytes, int] = {
    b"": 400, b"null": 400, b"[]": 400, b"5": 400, b'"x"': 400, b"{": 400, b"{}": 400,
    b"\xef\xbb\xbf{}": 400, b'{"sku": "\xff"}': 400, b"{}x": 400, b"[" * 100_000: 400,
    b'{"name": NaN}': 400, b'{"name": 1e999}': 400, b'{"name": -Infinity}': 400,
    b'{"name": "a", "name": ""}': 400, b"1" * 5000: 400,
    b" " * (1024 * 1024): 400, b" " * (1024 * 1024 + 1): 413,
}  # fmt: skip


def price(amount: str, currency: str = "EUR") -> Money:
    return Money(Decimal(amount), currency)


CALLS: list[tuple[Context, str, list[Any], Any]] = [
    (Context(), "product", ["SPADE-1"], None),
    (Context(), "product", ["OLD-1"], None),
    (Context(), "product", ["NONE"], UnknownProduct),
    (Context(), "product", ["\0"], UnknownProduct),
    (Context(), "products", [["TROWEL-1", "NONE", "OLD-1", "TROWEL-1", "\0", "x" * 999]], None),
    (Context(), "products", [[]], None),
    (Context(), "announce", [None, 2], None),
    (Context(), "announce", ["SPADE-1"], None),
    (Context(), "announce", ["ZZZ-9"], None),
    (Context(), "reprice", ["SPADE-1", price("1")], NotAllowed),
    (FOR_CUSTOMER, "reprice", ["SPADE-1", price("1")], NotAllowed),
    (FOR_STAFF, "reprice", ["SPADE-1", price("21.5")], None),
    (FOR_STAFF, "reprice", ["SPADE-1", price("21.50")], None),
    (FOR_STAFF, "reprice", ["NONE", price("1")], UnknownProduct),
    *((FOR_STAFF, "reprice", ["SPADE-1", price(*bad)], InvalidPrice) for bad in (
        ("0",), ("-1",), ("1E+30",), ("1E-30",), ("1.001",), ("1", "USD"), ("1", "XXX"), ("1", ""),
    )),
]  # fmt: skip
