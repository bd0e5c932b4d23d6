"""What a service's process tells the ports about itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from strangler.fastapi.door import wired
from strangler.fastapi.settings import ServiceSettings
from strangler.ladder import Arm
from strangler.manifest import Manifest, Resilience
from strangler.ports import runtime
from strangler.ports.declare import Kind, Port, capability
from strangler.ports.serve import serve
from strangler.ports.trust.keys import Keyring
from strangler.routing.decide import Call, Decision, Reason, decide
from strangler.routing.table import Table, TableUnusable
from strangler.transfer.door import Door

_QUIET: Final = 1.0
"""Seconds for which the same trouble is said once."""

_log = logging.getLogger("strangler.routing")


def wire(
    port: type[Port],
    implementation: Port,
    *,
    manifest: Manifest,
    settings: ServiceSettings,
    door: Door | None = None,
) -> None:
    """Answer for this port here, and reach the others.

    With a routing table beside it the service goes straight to the right arm of another capability;
    without one it asks the monolith, whose port endpoint places the call. The commands that are
    answered here come in by the ``door``, if there is one.

    Raises:
        KeysUnusable: the keys are missing or are none.
    """
    own = capability(port)
    table = Table(settings.table) if settings.table else None
    runtime.configure(
        party=own,
        arm=Arm.SERVICE,
        keyring=Keyring.load(settings.keys, own),
        place=_ByTable(table) if table else None,
        fallback=_fallback(table) if table else None,
        urls=_urls(manifest),
        resilience=_resilience(manifest),
        placements={name: one.placement for name, one in manifest.capabilities.items()},
        door=wired(own, door) if door is not None else None,
        epoch=_epoch(table) if table else None,
    )
    serve(port, implementation)


class _ByTable:
    """Places calls by the table; without one that can be asked, the monolith places them.

    Its port endpoint does so anew, by what the control plane's database says.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._quiet_until = float("-inf")

    def __call__(self, call: Call) -> Decision:
        try:
            return decide(call, self._table)
        except TableUnusable as error:
            now = time.monotonic()
            if now >= self._quiet_until:
                self._quiet_until = now + _QUIET
                _log.error("the routing table can't be asked, so the monolith is: %s", error)
            return Decision(Arm.MONOLITH, Reason.OWNER)


def _fallback(table: Table) -> Callable[[str, Kind], bool]:
    def may_fall_back(capability: str, kind: Kind) -> bool:
        try:
            return kind is Kind.QUERY and table.entry(capability).fallback
        except TableUnusable:
            return False

    return may_fall_back


def _epoch(table: Table) -> Callable[[str], int]:
    def epoch(capability: str) -> int:
        try:
            return table.entry(capability).epoch
        except TableUnusable:
            return 0

    return epoch


def _urls(manifest: Manifest) -> Callable[[str, Arm], Sequence[str]]:
    def urls(capability: str, arm: Arm) -> Sequence[str]:
        if arm is Arm.MONOLITH:
            return (manifest.edge.monolith,)
        return manifest.capabilities[capability].service

    return urls


def _resilience(manifest: Manifest) -> Callable[[str], Resilience]:
    def resilience(capability: str) -> Resilience:
        return manifest.capabilities[capability].resilience

    return resilience
