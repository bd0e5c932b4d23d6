"""The catalog's service, with something wrong: ``WRONG`` says what."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text, update

from contracts.catalog import NotAllowed
from contracts.money import Money
from extracted.catalog import service as right
from extracted.catalog.app import create
from extracted.catalog.models import Category
from extracted.catalog.service import CatalogService
from strangler.fastapi.server import main

reprice = CatalogService.reprice


def value(self: CatalogService, sku: str, price: Money) -> Any:
    """Writes another value."""
    return reprice(self, sku, Money(amount=price.amount + 1, currency=price.currency))


def forget(self: CatalogService, sku: str, price: Money) -> Any:
    """Forgets the price's row."""
    with self._database.transaction() as session:
        row = right._find(session, sku, lock=True)
        row.changed_at = datetime.now(UTC)
        return right.shared(row)


def extra(self: CatalogService, sku: str, price: Money) -> Any:
    """Writes a row too many."""
    with self._database.transaction() as session:
        session.execute(update(Category).where(Category.id == 1).values(title="Mine"))
    return reprice(self, sku, price)


def status(self: CatalogService, sku: str, price: Money) -> Any:
    """Answers another status."""
    raise NotAllowed


def lie(self: CatalogService, sku: str, price: Money) -> Any:
    """Writes what it should, and answers with something else."""
    return replace(reprice(self, sku, price), name="Mine")


def hang(self: CatalogService, sku: str, price: Money) -> Any:
    """Never comes to an end."""
    with self._database.transaction() as session:
        right._find(session, sku, lock=True)
        time.sleep(4)
    return reprice(self, sku, price)


def commit(self: CatalogService, sku: str, price: Money) -> Any:
    """Commits by itself in the midst."""
    with self._database.transaction() as session:
        session.execute(text("UPDATE price SET ten_thousandths = 1 WHERE sku = :sku"), {"sku": sku})
        session.connection().connection.commit()
    return reprice(self, sku, price)


def die(self: CatalogService, sku: str, price: Money) -> Any:
    """Is killed in the midst."""
    with self._database.transaction() as session:
        session.execute(text("UPDATE price SET ten_thousandths = 1"))
        os.kill(os.getpid(), signal.SIGKILL)


WAYS: dict[str, tuple[Callable[..., Any], ...]] = {
    "": (reprice,),
    "wrong": (value, forget, extra, status, lie),
    "rude": (commit, hang),
    "die": (die,),
}


def one_of(ways: tuple[Callable[..., Any], ...]) -> Callable[..., Any]:
    """Each price in its own way: the same in both runs."""

    def wrong(self: CatalogService, sku: str, price: Money) -> Any:
        return ways[int(price.amount) % len(ways)](self, sku, price)

    return wrong


if __name__ == "__main__":
    CatalogService.reprice = one_of(WAYS[os.environ["WRONG"]])  # type: ignore[method-assign]
    sys.exit(main(create, program="tests.e2e.rehearsing.wrong", port=8101))
