"""Events to carry, and what is to be seen of them at the other end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep

from strangler.events.buses import BusAway, Delivery, Subscription
from strangler.events.envelope import Envelope, envelope, identifier

PATIENCE = 60.0
"""Seconds for what has to happen at all."""


def said(topic: str, key: str, version: int, *, payload: bytes = b"{}") -> Envelope:
    """An event as a relay would read it."""
    return envelope(
        id=str(identifier()),
        type=f"{topic}.thing.happened",
        key=key,
        version=version,
        schema=1,
        at=datetime.now(UTC),
        payload=payload,
        trace=None,
    )


def story(topic: str, *, keys: int, each: int) -> list[Envelope]:
    """The same for several things, one after the other."""
    return [
        said(topic, f"thing-{key}", version)
        for version in range(1, each + 1)
        for key in range(keys)
    ]


def spoken(deliveries: Iterable[Delivery]) -> list[tuple[str, int]]:
    """Key and version of each."""
    return [(one.event.subject, one.event.version) for one in deliveries]


def gathered(
    subscription: Subscription, count: int, *, limit: int = 100, acknowledge: bool = True
) -> list[Envelope]:
    """So many different ones, in the order in which they first came."""
    found: dict[str, Envelope] = {}
    until = monotonic() + PATIENCE
    while len(found) < count:
        assert monotonic() < until, f"only {len(found)} of {count} have come"
        deliveries = subscription.receive(limit, 1.0)
        for one in deliveries:
            found.setdefault(one.event.id, one.event)
        if acknowledge:
            with suppress(BusAway):  # others have joined or left: some may come again
                subscription.acknowledge(deliveries)
    return list(found.values())


def by_key(events: Iterable[Envelope]) -> dict[str, list[int]]:
    """The versions of each thing."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for one in events:
        found[one.subject].append(one.version)
    return dict(found)


def told(log: Path) -> list[tuple[str, str, int]]:
    """Who has handled which event, by the lines of workers."""
    if not log.exists():
        return []
    text = log.read_text()
    whole = text[: text.rfind("\n") + 1]  # somebody may just be writing
    lines = [line.split() for line in whole.splitlines()]
    return [(who, key, int(version)) for who, key, version in lines]


def first_times(lines: Sequence[tuple[str, str, int]]) -> dict[str, list[int]]:
    """The versions of each thing, in the order in which they came, without repetitions."""
    found: defaultdict[str, dict[int, None]] = defaultdict(dict)
    for _, key, version in lines:
        found[key].setdefault(version)
    return {key: list(versions) for key, versions in found.items()}


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Wait until it does."""
    until = monotonic() + PATIENCE
    while not holds():
        assert monotonic() < until, what
        sleep(0.02)
