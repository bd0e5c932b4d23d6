"""The kit, broken on purpose: a run that does not notice proves nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from strangler.events import consuming, relay
from strangler.events.book import Book
from strangler.events.buses.push import Pusher
from strangler.events.consumer import Consumer
from strangler.events.failing import Later
from strangler.events.inbox import name


def _no_inbox() -> None:
    """Whatever is brought is new."""
    plain = Book.remember

    def remember(self: Book, events: Sequence[Any]) -> set[str]:
        plain(self, events)
        return {name(event) for event in events}

    Book.remember = remember  # type: ignore[method-assign]


def _delete_first() -> None:
    """What is to be published is deleted before."""
    carrying = relay._Carrying
    plain = carrying._told

    def told(self: Any, found: Sequence[Any]) -> Any:
        self._store.remove(self._leases, [one.position for one in found])
        time.sleep(0.3)  # so that some are killed there, however few are
        plain(self, found)
        return [], []

    carrying._told = told  # type: ignore[method-assign]


def _acknowledge_first() -> None:
    """What was received is acknowledged before it is handled."""

    def pull(consumer: Consumer, subscription: Any, _figures: Any, stop: Any) -> None:
        while not stop.is_set():
            if found := subscription.receive(consumer.size, 0.3):
                subscription.acknowledge(found)
                try:
                    consumer.take([one.event for one in found])
                except Later:
                    continue

    consuming._pull = pull

    plain = Pusher._handed_over

    def handed_over(self: Any, batch: Sequence[Any]) -> float | None:
        self._subscription.acknowledge(batch)
        return plain(self, batch)

    Pusher._handed_over = handed_over  # type: ignore[method-assign]


def _any_order() -> None:
    """A relay that publishes the last ones first."""
    carrying = relay._Carrying
    plain = carrying._told

    def told(self: Any, found: Sequence[Any]) -> Any:
        return plain(self, list(reversed(found)))

    carrying._told = told  # type: ignore[method-assign]


def _apart() -> None:
    """What was handled is committed before it is remembered."""
    plain = Book.remember

    def remember(self: Book, events: Sequence[Any]) -> set[str]:
        found = plain(self, events)
        self.forget(found)
        return found

    Book.remember = remember  # type: ignore[method-assign]


MUTATIONS: dict[str, tuple[Callable[[], None], str]] = {
    "no inbox": (_no_inbox, "twice"),
    "an inbox that forgets": (_apart, "twice"),
    "deleted before it is published": (_delete_first, "lost"),
    "acknowledged before it is handled": (_acknowledge_first, "lost"),
    "published in any order": (_any_order, "order"),
}
"""What is broken, and what has to be noticed."""


def apply(mutation: str) -> None:
    """Break it in this process; "" breaks nothing."""
    if mutation:
        MUTATIONS[mutation][0]()
