"""Which arm answers a call in this process: the routing table says; without it, the owner."""

from __future__ import annotations

import logging
import threading
import time
from functools import cache
from pathlib import Path

from strangler.django import conf, state, tables
from strangler.ladder import Arm, Stage, Standing
from strangler.routing.decide import Call, Decision, Kind, Reason, decide
from strangler.routing.table import Table, TableUnusable

_FRESH = 1.0
"""Seconds for which owners read from the database are believed, and trouble is said only once."""

_log = logging.getLogger("strangler.routing")


def table() -> Table:
    """The routing table that the settings name."""
    return _table(conf.settings().table)


@cache
def _table(root: Path) -> Table:
    return Table(root)


def place(call: Call) -> Decision:
    """Where this call goes. Never raises: a table that can't be asked leaves it to the owner."""
    try:
        return decide(call, table())
    except TableUnusable as error:
        _owners.trouble(error)
        return Decision(_owners.arm(call), Reason.OWNER)


def fallback(capability: str, kind: Kind) -> bool:
    """May the monolith answer this kind of call once the service has failed it?

    Until the capability is retired, every query; commands only of a capability without tables,
    since either arm may take those.
    """
    try:
        allowed = table().entry(capability).fallback
    except TableUnusable as error:
        _owners.trouble(error)
        allowed = _owners.standing(capability).stage is not Stage.RETIRED
    return allowed and (kind is Kind.QUERY or not tables.has_tables(state.capability(capability)))


class _Owners:
    """Where each capability stands, as the database last said: what counts without a table."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._standings: dict[str, Standing] = {}
        self._until = float("-inf")
        self._said = float("-inf")

    def trouble(self, error: TableUnusable) -> None:
        """Say it, once a second at most."""
        now = time.monotonic()
        if now - self._said >= _FRESH:
            self._said = now
            _log.error("the routing table can't be asked: %s", error)

    def arm(self, call: Call) -> Arm:
        standing = self.standing(call.capability)
        if standing.killed and call.kind is Kind.QUERY and standing.stage is not Stage.RETIRED:
            return Arm.MONOLITH
        return standing.owner

    def standing(self, capability: str) -> Standing:
        """What the database said within the last second, or at last if it is away too."""
        now = time.monotonic()
        if now >= self._until and self._lock.acquire(blocking=False):
            try:
                self._until = now + _FRESH
                self._refresh()
            finally:
                self._lock.release()
        return self._standings.get(capability, Standing())

    def _refresh(self) -> None:
        try:
            states = state.read_all()
        except Exception as error:  # noqa: BLE001  # a call has to go somewhere, whatever is wrong
            _log.error("nor can the database say who owns what: %s", error)
        else:
            self._standings = {name: one.standing for name, one in states.items()}


_owners = _Owners()
