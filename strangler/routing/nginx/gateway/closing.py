"""A capability that is closed: clients are told to come again, and neither arm is asked."""

from __future__ import annotations

from collections.abc import Iterator

from strangler.manifest import Capability, Manifest
from strangler.routing.nginx.gateway.origins import PREFLIGHT
from strangler.routing.nginx.settings import Settings
from strangler.routing.nginx.writing import block, said

_CLOSED = 595
"""Stands for: it is closed."""


def inside_route(capability: Capability, settings: Settings) -> Iterator[str]:
    """Whether it is: the routing table says so, by a file."""
    wait = capability.gateway.maintenance
    if wait is None:
        return
    if capability.gateway.origins:
        yield PREFLIGHT
    yield f"error_page {_CLOSED} = @strangler_closed;"
    yield block(
        f"if (-f {settings.table}/current/{capability.name}.closed)",
        [f"set $strangler_retry {round(wait)};", f"return {_CLOSED};"],
    )


def locations(manifest: Manifest) -> Iterator[str]:
    """What clients are told."""
    if any(one.gateway.maintenance for one in manifest.capabilities.values()):
        yield block(
            "location @strangler_closed",
            [
                "default_type application/json;",
                'set $strangler_kind ""; # no arm has answered, nor failed',
                "set $strangler_executed no;",
                said(503, "Maintenance", "This is closed for a while: try again later."),
            ],
        )
