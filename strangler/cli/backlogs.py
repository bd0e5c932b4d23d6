"""How events flow, as a person sees it: what waits, for whom, since when, and what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from strangler.cli import render
from strangler.gates import duration

if TYPE_CHECKING:
    from strangler.events.aside import ConsumerPlace
    from strangler.events.stores import Backlog
    from strangler.events.unread import Unread
    from strangler.manifest import Manifest

WAITING = 60.0
"""Seconds that an event may wait before somebody has to see to it."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """One database that speaks; without a backlog it can't be asked."""

    name: str
    backlog: Backlog | None = None
    queued: Mapping[str, int] = field(default_factory=dict)
    oldest: Mapping[str, float] = field(default_factory=dict)
    """Seconds since the first event was said that is queued for a consumer, and will be read."""
    unread: tuple[Unread, ...] = ()
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Heard:
    """One consumer: how many events it has set aside, or why nobody can say."""

    name: str
    parked: int | None = None
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class Carried:
    """A broker: how many events it has for each consumer, as far as anybody can say."""

    waiting: Mapping[str, int]
    wrong: tuple[str, ...] = ()


def spoken(databases: Mapping[str, str], manifest: Manifest | None) -> list[Spoken]:
    """How it stands in each of these. Without a manifest, nobody knows what nobody reads.

    Raises:
        StoreError: there is but one, and it can't be asked.
    """
    from strangler.events.stores import StoreError

    found = []
    for name, url in databases.items():
        try:
            found.append(_asked(name, url, manifest))
        except StoreError as error:
            if len(databases) == 1:
                raise
            found.append(Spoken(name, wrong=(str(error),)))
    return found


def heard(consumers: Iterable[ConsumerPlace]) -> list[Heard]:
    """How it stands with each of these."""
    from strangler.events.aside import REFUSED, why

    found = []
    for place in consumers:
        try:
            found.append(Heard(place.name, place.count()))
        except REFUSED as error:
            found.append(Heard(place.name, wrong=why(error)))
    return found


def carried(manifest: Manifest | None) -> Carried | None:
    """What the broker still has for whoever listens. None: the bus is ``http``, or nobody knows."""
    from strangler.events.buses import BusError
    from strangler.events.buses.connect import connect
    from strangler.events.outbox import ALARM, LIMIT
    from strangler.events.relaying import listeners

    if manifest is None or manifest.events.pushed:
        return None
    waiting: dict[str, int] = {}
    try:
        with connect(manifest.events.bus) as bus:
            for name, topics in listeners(manifest).items():
                with bus.subscribe(name, topics) as subscription:
                    waiting[name] = subscription.backlog()
    except BusError as error:
        return Carried(waiting, (str(error),))
    many = {name: count for name, count in waiting.items() if count > LIMIT * ALARM}
    return Carried(
        waiting, tuple(f"{events(count)} wait for {name}" for name, count in many.items())
    )


def shape(one: Spoken) -> dict[str, Any]:
    """One database, for programs."""
    backlog = one.backlog
    if backlog is None:
        return {"database": one.name, "wrong": list(one.wrong)}
    return {
        "database": one.name,
        "waiting": backlog.waiting,
        "oldest_seconds": backlog.oldest,
        "parked": backlog.parked,
        "dropped": backlog.dropped,
        "queued": dict(one.queued),
        "queued_oldest_seconds": dict(one.oldest),
        "unread": [each._asdict() for each in one.unread],
        "relays": [
            {"holder": each.holder, "partitions": list(each.partitions)} for each in backlog.relays
        ],
        "wrong": list(one.wrong),
    }


def carrying(bus: Carried | None) -> dict[str, Any] | None:
    """The broker, for programs."""
    return None if bus is None else {"waiting": dict(bus.waiting), "wrong": list(bus.wrong)}


def shown(
    databases: Iterable[Spoken], consumers: Iterable[Heard], bus: Carried | None = None
) -> RenderableType:
    """All of it, for people."""
    parts: list[RenderableType] = []
    for one in databases:
        parts.append(Text(f"outbox of {one.name}", style="bold"))
        parts += [Text(f"  {said}", style="bold red") for said in one.wrong]
        if one.backlog is not None:
            parts.append(_grid(one, one.backlog))
    if bus is not None:
        parts.append(Text("bus", style="bold"))
        parts += [Text(f"  {said}", style="bold red") for said in bus.wrong]
        grid = render.bare(2)
        for name, count in sorted(bus.waiting.items()):
            grid.add_row(f"  {name}", f"{events(count)} to take")
        parts.append(grid)
    for consumer in consumers:
        style = "bold red" if consumer.wrong or consumer.parked else ""
        if consumer.wrong:
            said = f"{consumer.name}: {consumer.wrong}"
        else:
            said = f"{consumer.name} has set {events(consumer.parked or 0)} aside"
        parts.append(Text(said, style=style))
    return Group(*parts)


def events(count: int) -> str:
    """So many events."""
    return f"{count:,} {'event' if count == 1 else 'events'}"


def _asked(name: str, url: str, manifest: Manifest | None) -> Spoken:
    from strangler.events.stores.connect import connect
    from strangler.events.unread import unread

    with closing(connect(url)) as store:
        backlog, queues = store.backlog(), store.queues()
    lost = tuple(unread(queues, manifest)) if manifest is not None else ()
    given_up = {(one.consumer, one.type) for one in lost}
    counts: Counter[str] = Counter()
    read: Counter[str] = Counter()
    oldest: dict[str, float] = {}
    for one, seconds in queues.items():
        counts[one.consumer] += one.events
        if (one.consumer, one.type) not in given_up:
            read[one.consumer] += one.events
            oldest[one.consumer] = max(oldest.get(one.consumer, 0.0), seconds or 0.0)
    wrong = _wrong(backlog, max(read.values(), default=0), oldest)
    return Spoken(name, backlog, counts, oldest, lost, (*wrong, *map(_unread, lost)))


def _wrong(one: Backlog, queued: int, oldest: Mapping[str, float]) -> list[str]:
    """What is wrong, where so many wait in the longest queue, and those for so long."""
    from strangler.events.outbox import ALARM, LIMIT

    waiting = sum(one.waiting.values())
    late = {name: seconds for name, seconds in sorted(oldest.items()) if seconds > WAITING}
    said = []
    if (waiting or late) and not one.relays:
        said.append("no relay runs: strangler relay")
    if one.oldest is not None and one.oldest > WAITING:
        said.append(f"the oldest event has waited for {duration(one.oldest)}")
    for name, seconds in late.items():
        said.append(f"the oldest event for {name} has waited for {duration(seconds)}")
    waiting += queued
    if waiting > LIMIT * ALARM:
        said.append(f"{waiting:,} events wait; at {LIMIT:,} no more are taken")
    if one.parked:
        said.append(f"{one.parked:,} events are set aside: strangler events parked")
    return said


def _unread(one: Unread) -> str:
    return (
        f"nobody brings {one.consumer} {events(one.events)} of {one.type}: {one.why}; to give them "
        f"up: strangler events drop --consumer {one.consumer}"
    )


def _grid(one: Spoken, backlog: Backlog) -> RenderableType:
    grid = render.bare(2)
    for capability, waiting in sorted(backlog.waiting.items()):
        grid.add_row(f"  {capability}", f"{events(waiting)} to publish")
    if not backlog.waiting:
        grid.add_row("  all", "published")
    for consumer, count in sorted(one.queued.items()):
        grid.add_row("  queue", f"{events(count)} for {consumer}")
    for each in backlog.relays:
        grid.add_row("  relay", f"{each.holder.partition('@')[0]}, {len(each.partitions)} of 16")
    return grid
