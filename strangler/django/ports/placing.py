"""Which arm answers a call in this process: the routing table says; without it, the owner."""

from __future__ import annotations

import logging
import threading
import time
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from strangler.django import conf, tables
from strangler.django.control_plane import state
from strangler.django.transfer.lagging import in_step
from strangler.ladder import COHORTS, Arm, Stage
from strangler.routing.decide import Call, Decision, Kind, Reason, decide
from strangler.routing.table import Entry, Snapshot, Table, TableUnusable

_FRESH = 1.0
"""Seconds for which owners read from the database are believed, and trouble is said only once."""

_log = logging.getLogger("strangler.routing")


def table() -> Table:
    """The routing table that the settings name."""
    return _table(conf.settings().table)


@cache
def _table(root: Path) -> Table:
    return Table(root)


_pinned: ContextVar[Snapshot | None] = ContextVar("strangler_pinned_table", default=None)


class pinned:  # noqa: N801  # a context manager, read as an adjective
    """Everything inside is placed by one revision, whatever is published meanwhile."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        try:
            snapshot = table().pinned()
        except TableUnusable:
            snapshot = None  # every question says so for itself
        self._token = _pinned.set(snapshot)

    def __exit__(self, *_: object) -> None:
        _pinned.reset(self._token)


def revision() -> Snapshot | Table:
    """The revision that is pinned here, or the table as it is now."""
    return _pinned.get() or table()


def place(call: Call) -> Decision:
    """Where this call goes. Never raises: a table that can't be asked leaves it to the owner."""
    try:
        return decide(call, revision())
    except TableUnusable as error:
        _owners.trouble(error)
        return Decision(_owners.arm(call), Reason.OWNER)


def fallback(capability: str, kind: Kind) -> bool:
    """May the monolith answer this kind of call once the service has failed it?

    Until the capability is retired, every query, but where the service owns the rows only while the
    monolith's lag behind is below its bound; commands only of a capability without tables, since
    either arm may take those.
    """
    known = entry(capability)
    if known is not None and not known.fallback:
        return False
    if not tables.has_tables(state.capability(capability)):
        return True
    if kind is not Kind.QUERY:
        return False
    owned = known is not None and known.stage is Stage.LIVE
    return not owned or in_step(capability)


def entry(capability: str) -> Entry | None:
    """Where a capability stands; None if nobody can say."""
    try:
        return revision().entry(capability)
    except TableUnusable as error:
        _owners.trouble(error)
        return _owners.entry(capability)


def epoch(capability: str) -> int:
    """Since when a capability has its owner; 0 for unknown."""
    known = entry(capability)
    return known.epoch if known is not None else 0


class _Owners:
    """Where each capability stands, as the database last said: what counts without a table."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._unmoved = False
        self._until = float("-inf")
        self._said = float("-inf")

    def trouble(self, error: TableUnusable) -> None:
        """Say it, once a second at most; before the first move there is no table to miss."""
        now = time.monotonic()
        if now - self._said >= _FRESH:
            self._said = now
            self._ask()
            if self._unmoved:
                return
            _log.error("the routing table can't be asked: %s", error)

    def arm(self, call: Call) -> Arm:
        """Where a call goes that nobody can look up: to whom all such calls go, or the monolith."""
        entry = self.entry(call.capability)
        if entry is None:
            return Arm.MONOLITH
        part = entry.share.queries if call.kind is Kind.QUERY else entry.share.commands
        return Arm.SERVICE if part == COHORTS else Arm.MONOLITH

    def entry(self, capability: str) -> Entry | None:
        """What the database said within the last second, or at last if it is away too."""
        self._ask()
        return self._entries.get(capability)

    def _ask(self) -> None:
        now = time.monotonic()
        if now >= self._until and self._lock.acquire(blocking=False):
            try:
                self._until = now + _FRESH
                self._refresh()
            finally:
                self._lock.release()

    def _refresh(self) -> None:
        try:
            self._entries = state.entries(state.read_all())
            self._unmoved = state.revision() == 0
        except Exception as error:  # noqa: BLE001  # a call has to go somewhere, whatever is wrong
            _log.error("nor can the database say who owns what: %s", error)


_owners = _Owners()
