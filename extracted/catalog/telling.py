"""What catalog says of its products, in the transaction that changes them."""

from __future__ import annotations

from sqlalchemy.orm import Session

from contracts.catalog import ProductChanged
from extracted.catalog.models import Product, ProductVersion
from extracted.catalog.money import money
from strangler.sqlalchemy.events.publishing import Publisher

events = Publisher(ProductVersion)


def changed(session: Session, *rows: Product) -> None:
    """Say what these are like; their categories and prices must have been fetched with them."""
    events.publish_all(
        session,
        [
            ProductChanged(
                sku=row.sku,
                name=row.title,
                category=row.category.path,
                price=money(row.price.ten_thousandths, row.price.currency),
                active=not row.withdrawn,
            )
            for row in rows
        ],
    )
