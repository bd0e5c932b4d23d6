"""Killing a capability by this machine's routing table alone, while the database is away."""

from __future__ import annotations

from strangler.django import conf, tables
from strangler.django.control_plane import state
from strangler.django.control_plane.ledger import Moved
from strangler.routing import killing
from strangler.routing.table import Entry


def kill(name: str) -> Moved:
    """Publish a revision beyond the present one, in which the capability is killed.

    Raises:
        UnknownCapability: the manifest has none of this name.
        IllegalMove: it is retired.
        TableUnusable: there is no table to change.
        PublishFailed: it can't be written.
    """
    state.capability(name)
    together = conf.manifest().together(name)
    done = killing.kill(
        conf.settings().table,
        name,
        together=together,
        groups=state.groups(),
        tables=_has_tables,
    )
    return Moved(
        capability=name,
        before=done.before,
        after=done.after,
        revision=done.revision,
        together=together if done.after != done.before else (),
        forced=False,
        verdicts=(),
    )


def _has_tables(name: str, _: Entry) -> bool:
    return tables.has_tables(state.capability(name))
