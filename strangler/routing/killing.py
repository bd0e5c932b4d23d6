"""Killing a capability by one routing table alone, whoever else can be reached.

The control plane does not know of it: until ``kill`` records it there, or ``publish`` undoes it, it
refuses every other move. It may hear of it late, and have moved on meanwhile: so the revision is
far beyond its own, and none that is on its way here undoes the kill.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from strangler import ladder
from strangler.ladder import Standing, share
from strangler.routing.publish import publish
from strangler.routing.table import Entry, Table

BEYOND = 1_000_000
"""By how much: more than the control plane moves on before it hears of it."""


@dataclass(frozen=True, slots=True)
class Killed:
    """What was done; ``before`` and ``after`` are the same where there was nothing to do."""

    before: Standing
    after: Standing
    revision: int


def flowed(entry: Entry) -> bool:
    """Have rows moved with it? Then it has tables, and commands are the owner's alone."""
    return entry.epoch > 0


def kill(
    root: Path,
    name: str,
    *,
    together: Sequence[str],
    groups: Mapping[str, str],
    tables: Callable[[str, Entry], bool] = lambda _, entry: flowed(entry),
) -> Killed:
    """Publish a revision far beyond the present one, in which it is killed.

    ``together`` are the capabilities that flip with it, itself among them.

    Raises:
        IllegalMove: it is retired.
        TableUnusable: there is no table to change, or it knows no such capability.
        PublishFailed: it can't be written.
    """
    table = Table(root).pinned()
    before = table.entry(name).standing
    after = ladder.kill(before)
    revision = table.revision()
    if after == before:
        return Killed(before, after, revision)
    entries = dict(table.entries())
    for member in together:
        entry = table.entry(member)
        killed = ladder.kill(entry.standing)
        entries[member] = Entry(
            stage=killed.stage,
            percent=killed.percent,
            held=killed.held,
            killed=killed.killed,
            share=share(killed, tables=tables(member, entry)),
            fallback=entry.fallback,
            epoch=entry.epoch,
            closed=killed.closed,
        )
    revision = publish(root, revision + BEYOND, entries, groups=groups)
    return Killed(before, after, revision)
