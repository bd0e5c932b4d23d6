"""What is done within one process of the shop; called by ``Hand``."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.core.management import call_command

from contracts.catalog import Catalog
from contracts.identity import Role
from contracts.inventory import Inventory, Item
from contracts.money import Money
from extracted.catalog import migrating as of_catalog
from extracted.inventory import migrating as of_inventory
from strangler.cli import run
from strangler.django.control_plane import evidence, state
from strangler.ladder import Gate
from strangler.ports.bind import bind
from strangler.ports.context import Context, User, job, use

PAUSE = 0.15
"""Seconds between two commands, in which the first is delivered."""


def prepare(products: int, customers: int) -> None:
    """Tables, keys, and something to sell."""
    call_command("rotate_keys")
    call_command("migrate", verbosity=0)
    call_command("seed", products=products, customers=customers, orders=0)
    assert run(["keys", "monolith", "pricing", "catalog", "inventory"]) == 0
    assert of_catalog.main() == 0
    assert of_inventory.main() == 0


def orders(sku: str, count: int) -> None:
    """Orders of one piece each: one in three is reserved and bought, one let go, one kept."""
    inventory = bind(Inventory)
    for number in range(count):
        order = uuid.uuid4()
        with job():
            inventory.reserve(order, [Item(sku=sku, quantity=1)])
        time.sleep(PAUSE)
        if number % 3 == 0:
            with job():
                inventory.commit(order)
        elif number % 3 == 1:
            with job():
                inventory.release(order)
        time.sleep(PAUSE)


def reprice(sku: str, currency: str, count: int) -> None:
    """Staff's prices, by the port."""
    catalog = bind(Catalog)
    staff = User("otto", (str(Role.STAFF),))
    for number in range(count):
        with use(Context(user=staff)):
            catalog.reprice(sku, Money(amount=Decimal(number + 1), currency=currency))
        time.sleep(PAUSE)


def found(name: str) -> dict[str, Any]:
    """How rehearsals have ended, by method and route, and what differs."""
    said = evidence.shadow(state.read(name))
    return {
        "routes": {
            f"{one.method} {one.route}": {str(key): count for key, count in one.outcomes.items()}
            for one in said.rehearsals
        },
        "differences": [
            [one.signature.method, one.signature.path, str(one.signature.kind), one.count,
             list(one.examples)[:1]]
            for one in said.findings
            if one.signature.kind.rehearsed
        ],
    }  # fmt: skip


def gate(name: str) -> Sequence[tuple[str, str]]:
    """What the gate says."""
    now = state.read(name)
    said = evidence.judge(Gate.REHEARSED, state.capability(name), now, ())
    return [(str(one.outcome), one.message) for one in said]
