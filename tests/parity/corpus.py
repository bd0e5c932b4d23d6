"""The corpus of quotes, which the monolith and the service must both answer to the letter.

``pricing_cases.json`` holds the ``products`` that the catalog knows, and ``cases``: a ``request``
(or a ``body`` as it is, where it is no JSON object), its ``content_type`` if it is not JSON's, and
the ``status`` and whole ``answer`` that are wanted under ``pricing_rules.toml``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from contracts.catalog import Catalog, Product
from contracts.money import Money

RULES = Path(__file__).with_name("pricing_rules.toml")
_CORPUS = json.loads(Path(__file__).with_name("pricing_cases.json").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Case:
    """One request, and what it must be answered."""

    name: str
    body: bytes
    content_type: str
    status: int
    answer: Any


CASES = [
    Case(
        name=case["name"],
        body=(case["body"] if "body" in case else json.dumps(case["request"])).encode(),
        content_type=case.get("content_type", "application/json"),
        status=case["status"],
        answer=case["answer"],
    )
    for case in _CORPUS["cases"]
]


class CorpusCatalog(Catalog):
    """Knows the products of the corpus, and how often it was asked for them."""

    def __init__(self) -> None:
        products = msgspec.convert(_CORPUS["products"], list[Product])
        self._products = {product.sku: product for product in products}
        self.asked: list[list[str]] = []

    def product(self, sku: str) -> Product:
        return self._products[sku]

    def products(self, skus: list[str]) -> list[Product]:
        self.asked.append(skus)
        return [self._products[sku] for sku in skus if sku in self._products]

    def reprice(self, sku: str, price: Money) -> Product:
        raise NotImplementedError(f"{sku} keeps its price")

    def announce(self, after: str | None = None, limit: int = 1000) -> str | None:
        raise NotImplementedError(f"nobody keeps copies of {limit} products behind {after}")
