"""What ordering does about products: it keeps its copy of them as they are."""

from __future__ import annotations

from contracts.catalog import ProductChanged, ProductRemoved
from monolith.ordering.products import ask, forget, forget_all, learn
from strangler.events.handling import present
from strangler.events.subscribe import Handlers

handlers = Handlers("ordering")
handlers.anew(empty=forget_all, ask=ask)


@handlers.on
def changed(event: ProductChanged) -> None:
    """Learn what it is like."""
    learn(event, version=present().version)


@handlers.on
def removed(event: ProductRemoved) -> None:
    """It is sold no more."""
    forget(event.sku, version=present().version)
