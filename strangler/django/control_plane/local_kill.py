"""Killing a capability by this machine's routing table alone, while the database is away."""

from __future__ import annotations

from strangler import ladder
from strangler.django import conf, tables
from strangler.django.control_plane import state
from strangler.django.control_plane.ledger import Moved
from strangler.django.ports import placing
from strangler.ladder import Standing
from strangler.routing.publish import publish
from strangler.routing.table import Entry


def kill(name: str) -> Moved:
    """Publish a revision beyond the present one, in which the capability is killed.

    The database does not know of it: until ``kill`` records it there, or ``publish`` undoes it, the
    control plane refuses every other move.

    Raises:
        UnknownCapability: the manifest has none of this name.
        IllegalMove: it is retired.
        TableUnusable: there is no table to change.
        PublishFailed: it can't be written.
    """
    state.capability(name)
    table = placing.table()
    entries = dict(table.entries())
    together = conf.manifest().together(name)
    before = _standing(table.entry(name))
    after = ladder.kill(before)
    for member in together:
        killed = ladder.kill(_standing(table.entry(member)))
        capability = state.capability(member)
        entries[member] = state.entry(killed, with_tables=tables.has_tables(capability))
    revision = table.revision()
    if after != before:
        revision = publish(conf.settings().table, revision + 1, entries, groups=state.groups())
    return Moved(
        capability=name,
        before=before,
        after=after,
        revision=revision,
        together=together if after != before else (),
        forced=False,
        verdicts=(),
    )


def _standing(entry: Entry) -> Standing:
    return Standing(entry.stage, entry.percent, entry.held, entry.killed)
