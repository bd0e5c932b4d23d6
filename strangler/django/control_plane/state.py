"""Where each capability stands, as the control plane's database has it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from strangler.django import conf, tables
from strangler.django.control_plane.errors import UnknownCapability
from strangler.django.models import CapabilityState, ControlPlane, Transfer
from strangler.ladder import Stage, Standing, share
from strangler.manifest import Capability
from strangler.routing.table import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where one capability stands, and since when."""

    capability: str
    standing: Standing
    tables: bool
    """Whether it has tables, whose rows would have to move."""
    since: datetime | None
    """None while it has never moved."""
    since_revision: int
    """Where the evidence of its rung begins."""
    revision: int
    """Its latest change of any kind."""
    epoch: int = 0
    """Since when it has its owner; 0 where its rows have never flowed."""


def capability(name: str) -> Capability:
    """The manifest's entry.

    Raises:
        UnknownCapability: there is none.
    """
    known = conf.manifest().capabilities
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"the manifest has {', '.join(known) or 'none'}"
    raise UnknownCapability(f"no capability is named {name!r}: {hint}")


def read(name: str) -> State:
    """Where one capability stands.

    Raises:
        UnknownCapability: the manifest has none of this name.
        django.db.Error: the database is away.
    """
    capability(name)
    return read_all()[name]


def read_all() -> dict[str, State]:
    """Where every capability of the manifest stands, in the manifest's order.

    Raises:
        django.db.Error: the database is away.
    """
    using = conf.settings().database
    rows = CapabilityState.objects.using(using).in_bulk()
    epochs = dict(Transfer.objects.using(using).values_list("capability", "epoch"))
    return {
        name: _state(one, rows.get(name), epochs.get(name, 0))
        for name, one in conf.manifest().capabilities.items()
    }


def _state(capability: Capability, row: CapabilityState | None, epoch: int) -> State:
    return State(
        capability=capability.name,
        standing=row.standing if row else Standing(),
        tables=tables.has_tables(capability),
        since=row.since if row else None,
        since_revision=row.since_revision if row else 0,
        revision=row.revision if row else 0,
        epoch=epoch,
    )


def revision() -> int:
    """The number of the latest change of any capability; 0 if there was none.

    Raises:
        django.db.Error: the database is away.
    """
    rows = ControlPlane.objects.using(conf.settings().database)
    return rows.values_list("revision", flat=True).first() or 0


def entry(standing: Standing, *, with_tables: bool, epoch: int = 0) -> Entry:
    """What the routing table says of a capability that stands here."""
    return Entry(
        stage=standing.stage,
        percent=standing.percent,
        held=standing.held,
        killed=standing.killed,
        share=share(standing, tables=with_tables),
        fallback=standing.stage is not Stage.RETIRED,
        epoch=epoch,
        closed=standing.closed,
    )


def entries(states: Mapping[str, State]) -> dict[str, Entry]:
    """What the routing table says of them all."""
    return {
        name: entry(one.standing, with_tables=one.tables, epoch=one.epoch)
        for name, one in states.items()
    }


def groups() -> dict[str, str]:
    """The group of each capability that has one: their cohorts are shuffled alike."""
    capabilities = conf.manifest().capabilities.values()
    return {one.name: one.group for one in capabilities if one.group}
