"""How often a client may ask."""

from __future__ import annotations

from collections.abc import Iterator

from strangler.manifest import Capability, Manifest
from strangler.routing.nginx.settings import Settings
from strangler.routing.nginx.writing import block, said, variable

TOO_OFTEN = 596
"""Stands for: this client asks too often. A service's own 429 is passed on as it is."""
_WHO = {
    "client": "$strangler_client",
    "address": "$binary_remote_addr",
    "key": "$strangler_api_client",
}
_MEMORY = "4m"
"""Of each limit: some 30,000 clients; beyond that the oldest is forgotten."""


def inside_http(manifest: Manifest, settings: Settings) -> Iterator[str]:
    """Who asks, and the limits."""
    limited = _limited(manifest)
    if limited:
        yield _client(settings)
    yield from map(_limit, limited)


def inside_server(manifest: Manifest) -> Iterator[str]:
    """Whoever is of no account for a limit has an empty key, and is not counted."""
    limited = _limited(manifest)
    for one in limited:
        yield f"limit_req zone={_zone(one)} burst={one.gateway.burst} nodelay;"
    if limited:
        yield f"limit_req_status {TOO_OFTEN};"
        yield "limit_req_log_level info;"


def refusing(manifest: Manifest) -> Iterator[str]:
    """Where those go who ask too often."""
    if _limited(manifest):
        yield f"error_page {TOO_OFTEN} = @strangler_often;"


def locations(manifest: Manifest) -> Iterator[str]:
    """What they are told."""
    rates = [one.gateway.rate for one in manifest.capabilities.values() if one.gateway.rate]
    if rates:
        wait = max(1, round(1 / min(rates)))
        yield block(
            "location @strangler_often",
            [
                "default_type application/json;",
                "set $strangler_executed no;",
                f"set $strangler_retry {wait};",
                said(
                    429, "TooManyRequests", "That is more than this client may ask: wait a little."
                ),
            ],
        )


def _limited(manifest: Manifest) -> list[Capability]:
    return [one for one in manifest.capabilities.values() if one.gateway.rate is not None]


def _client(settings: Settings) -> str:
    """Who asks: by credentials, none of which is proved here, or by address."""
    known = "".join(f"${variable(name)}" for name in settings.credentials if name != "Cookie")
    return (
        "# Who asks: whoever brings a credential by that, all others by their address.\n"
        + block(
            f'map "{known}" $strangler_client', [f'default "{known}";', '"" $binary_remote_addr;']
        )
    )


def _limit(capability: Capability) -> str:
    gateway = capability.gateway
    who = _WHO[gateway.rate_by]
    key = f"$strangler_limit_{capability.name}"
    # Below one a second NGINX wants to be told by the minute.
    rate = gateway.rate or 0.0
    told = f"{round(rate)}r/s" if rate >= 1 else f"{max(1, round(rate * 60))}r/m"
    return "\n".join(
        [
            block(
                f"map $strangler_capability {key}",
                ["volatile;", 'default "";', f"{capability.name} {who};"],
            ),
            f"limit_req_zone {key} zone={_zone(capability)}:{_MEMORY} rate={told};",
        ]
    )


def _zone(capability: Capability) -> str:
    return f"limit.{capability.name}"
