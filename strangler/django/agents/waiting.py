"""A move waits until every agent knows of it, or says why not."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from strangler.django.agents import registry
from strangler.django.agents.registry import Known
from strangler.django.control_plane import state

PATIENCE = 5.0
"""Seconds that a move waits for agents, at most; it is done all the same."""
AHEAD = "its table is ahead: somebody killed there"
_LOOK = 0.005


@dataclass(frozen=True, slots=True)
class Applied:
    """Which agents have made of a revision what."""

    revision: int
    seconds: float
    """Until the last of them had dealt with it."""
    applied: tuple[Known, ...] = ()
    refused: tuple[Known, ...] = ()
    """They could not do all of it, and say why."""
    late: tuple[Known, ...] = ()
    """They live, and have said nothing of it yet."""
    away: tuple[Known, ...] = ()
    """They have not been heard for longer than their lease, and block nothing."""

    @property
    def everywhere(self) -> bool:
        """Does every agent that there is know?"""
        return not (self.refused or self.late or self.away)


def wait(revision: int, *, patience: float = PATIENCE) -> Applied:
    """Wait for the agents that live now.

    Raises:
        django.db.Error: the database is away.
    """
    began = time.monotonic()
    while True:
        agents = registry.seen()
        newest = max(revision, state.revision()) if agents else revision
        done = _sorted(revision, newest, agents, time.monotonic() - began)
        if not done.late or done.seconds >= patience:
            return done
        time.sleep(_LOOK)


def _sorted(revision: int, newest: int, agents: Iterable[Known], seconds: float) -> Applied:
    groups: dict[str, list[Known]] = {"applied": [], "refused": [], "late": [], "away": []}
    for one in agents:
        if not one.alive:
            groups["away"].append(one)
        elif one.heard >= revision and one.refused:
            groups["refused"].append(one)
        elif one.table > newest:
            groups["refused"].append(replace(one, refused=AHEAD))
        elif one.table >= revision:
            groups["applied"].append(one)
        else:
            groups["late"].append(one)
    return Applied(revision, seconds, **{name: tuple(some) for name, some in groups.items()})
