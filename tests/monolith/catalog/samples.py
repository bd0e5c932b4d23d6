"""A small shop, and what is to be found in it, whatever the database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def stock(product: Callable[..., Any]) -> None:
    """Five products, one of them not on sale."""
    product(
        "SPADE-1",
        name="Steel Spade",
        category="garden/tools",
        amount="20.00",
        attributes={"color": "red", "size": "m"},
    )
    product(
        "TROWEL-1",
        name="Trowel",
        category="garden/tools/small",
        description="Ideal für KRÄUTER, 100 % steel_work",
        amount="5.50",
        attributes={"color": "green", "grip": "a:b"},
    )
    product("POT-1", name="Élan Pot", category="kitchen", amount="30", attributes={"color": "red"})
    product("BOOK-1", name="A Book", category="gardening", amount="1500", currency="JPY")
    product("OLD-1", name="Old Spade", category="garden/tools", active=False)


FILTERS = [
    ("search=spade", ["SPADE-1"]),
    ("search=SPADE-1", ["SPADE-1"]),
    ("search=steel", ["SPADE-1", "TROWEL-1"]),
    ("search=steel trowel", ["TROWEL-1"]),
    ("search=kräuter", ["TROWEL-1"]),
    ("search=krauter", ["TROWEL-1"]),
    ("search=elan", ["POT-1"]),
    ("search=ÉLAN", ["POT-1"]),
    ("search=100 %25", ["TROWEL-1"]),
    ("search=steel_", ["TROWEL-1"]),
    ("search=e%25l", []),
    ("search=sp_de", []),
    ("search='%3B--", []),
    ("category=garden", ["SPADE-1", "TROWEL-1"]),
    ("category=garden/tools", ["SPADE-1", "TROWEL-1"]),
    ("category=garden/tools/small", ["TROWEL-1"]),
    ("category=gardening", ["BOOK-1"]),
    ("category=nowhere", []),
    ("attribute=color:red", ["POT-1", "SPADE-1"]),
    ("attribute=color:red&attribute=size:m", ["SPADE-1"]),
    ("attribute=grip:a:b", ["TROWEL-1"]),
    ("attribute=color:re", []),
    ("attribute=color__startswith:r", []),
    ("currency=JPY", ["BOOK-1"]),
    ("currency=EUR&min_price=5.50&max_price=20", ["SPADE-1", "TROWEL-1"]),
    ("currency=EUR&min_price=20.01", ["POT-1"]),
    ("search=steel&category=garden/tools/small&attribute=color:green", ["TROWEL-1"]),
]
"""Query strings, and the SKUs that they find, sorted."""

ORDERINGS = [
    ("ordering=name", ["BOOK-1", "SPADE-1", "TROWEL-1", "POT-1"]),
    ("ordering=price", ["TROWEL-1", "SPADE-1", "POT-1", "BOOK-1"]),
    ("ordering=-price", ["BOOK-1", "POT-1", "SPADE-1", "TROWEL-1"]),
    ("ordering=created", ["SPADE-1", "TROWEL-1", "POT-1", "BOOK-1"]),
    ("ordering=-created", ["BOOK-1", "POT-1", "TROWEL-1", "SPADE-1"]),
]
"""Query strings, and the SKUs in their order."""
