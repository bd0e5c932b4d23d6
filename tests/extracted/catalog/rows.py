"""Any rows that the catalog's tables can hold: the monolith's, and those born in the service."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from extracted.catalog.currencies import DECIMALS
from extracted.catalog.search import searchable
from strangler.transfer.testing.columns import JSON, MOMENTS, texts

Rows = dict[str, Any]

BIG = 2**63 - 1
MOST = 99_999_999_999_999
"""Ten-thousandths in the largest price: DECIMAL(14, 4)."""
SKUS = st.from_regex(r"[A-Z0-9]{1,20}(-[A-Z0-9]{1,10}){0,3}", fullmatch=True)
IDS = st.integers(1, BIG)
AMOUNTS = st.integers(1, MOST).map(lambda units: Decimal(units).scaleb(-4))
ATTRIBUTES = st.dictionaries(texts(50).values, texts(200).values, max_size=8)


def categories() -> st.SearchStrategy[Rows]:
    """Rows of the monolith's ``catalog_category``, consistent or not."""
    return st.fixed_dictionaries(
        {
            "id": IDS,
            "parent_id": st.none() | IDS,
            "slug": texts(50).values,
            "name": texts(100).values,
            "path": texts(255).values,
        }
    )


def products() -> st.SearchStrategy[Rows]:
    """Rows of the monolith's ``catalog_product``, consistent or not."""
    return st.fixed_dictionaries(
        {
            "sku": SKUS | texts(64).values,
            "name": texts(200).values,
            "description": texts(80).values,
            "category_id": IDS,
            "attributes": ATTRIBUTES | JSON.values,
            "amount": AMOUNTS | st.sampled_from([Decimal("0.0001"), Decimal("9.99"), Decimal(1)]),
            "currency": st.sampled_from(sorted(DECIMALS)) | texts(3).values,
            "active": st.booleans(),
            "created_at": MOMENTS.values,
            "updated_at": MOMENTS.values,
            "search": texts(80).values,
        }
    )


@st.composite
def born_categories(draw: st.DrawFn) -> dict[str, Rows]:
    """What the service itself makes of a category."""
    slugs = draw(
        st.lists(st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True), min_size=1, max_size=5)
    )
    path = "/".join(slugs)
    return {
        "category": {
            "id": draw(IDS),
            "parent_id": draw(IDS) if len(slugs) > 1 else None,
            "slug": slugs[-1],
            "title": draw(texts(100).values.filter(bool)),
            "path": path,
            "depth": len(slugs),
        }
    }


@st.composite
def born_products(draw: st.DrawFn) -> dict[str, Rows]:
    """What the service itself makes of a product."""
    sku, title, details = draw(SKUS), draw(texts(200).values.filter(bool)), draw(texts(80).values)
    currency = draw(st.sampled_from(sorted(DECIMALS)))
    step = 10 ** (4 - DECIMALS[currency])
    added = draw(MOMENTS.values)
    return {
        "product": {
            "sku": sku,
            "title": title,
            "details": details,
            "category_id": draw(IDS),
            "attributes": draw(ATTRIBUTES),
            "withdrawn": draw(st.booleans()),
            "added_at": added,
            "changed_at": draw(st.datetimes(added.replace(tzinfo=None), timezones=st.just(UTC))),
            "words": searchable(f"{sku}\n{title}\n{details}"),
        },
        "price": {
            "sku": sku,
            "ten_thousandths": step * draw(st.integers(1, MOST // step)),
            "currency": currency,
        },
    }


def versions() -> st.SearchStrategy[Rows]:
    """Rows of the monolith's ``catalog_productversion``."""
    return st.fixed_dictionaries(
        {"aggregate": SKUS.map("catalog.product/{}".format), "version": st.integers(0, BIG)}
    )


def born_versions() -> st.SearchStrategy[dict[str, Rows]]:
    """What the service itself counts."""
    return st.fixed_dictionaries({"productversion": versions()})
