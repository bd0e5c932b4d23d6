"""How large a request may be, and in which words it is refused that is too large, or malformed."""

from __future__ import annotations

from collections.abc import Iterator

from strangler.manifest import BODY, Capability, Edge, Manifest
from strangler.routing.nginx.writing import block, said

_HEAD = {
    400: ("malformed", 400, "BadRequest", "This is no request that could be understood."),
    414: ("long", 414, "TargetTooLong", "The first line of this request is longer than it may be."),
    # 494 is NGINX's own number for it.
    494: (
        "large",
        431,
        "HeadersTooLarge",
        "The headers of this request are larger than they may be.",
    ),
}
"""Whatever is wrong before it is known what is asked for."""


def inside_http(manifest: Manifest) -> Iterator[str]:
    """Under which limit a command reaches the monolith, where that is not the usual one."""
    if sizes(manifest):
        yield 'map "" $strangler_size { default ""; }'


def inside_server(manifest: Manifest) -> Iterator[str]:
    """The size of a request's head; how many bytes of body, each location says for itself."""
    if manifest.edge.header != Edge("").header:
        yield f"large_client_header_buffers 4 {manifest.edge.header};"
    for found, (name, *_) in _HEAD.items():
        yield f"error_page {found} = /_strangler/edge/{name};"


def limit(capability: Capability) -> str:
    """What every location says in which a body of this capability may be read."""
    return f"client_max_body_size {capability.gateway.body};"


def refusing() -> Iterator[str]:
    """Where a body goes that is too large."""
    yield "error_page 413 = @strangler_large;"


def locations() -> Iterator[str]:
    """What is said."""
    for name, status, error, message in _HEAD.values():
        yield block(
            f"location = /_strangler/edge/{name}",
            ["internal;", "default_type application/json;", said(status, error, message)],
        )
    yield block(
        "location @strangler_large",
        [
            "default_type application/json;",
            "set $strangler_executed no;",
            "if ($upstream_status) {",
            '    set $strangler_executed ""; # somebody who has been asked says so',
            "}",
            said(413, "TooLarge", "The body of this request is larger than it may be."),
        ],
    )


def sizes(manifest: Manifest) -> tuple[int, ...]:
    """The bodies' sizes that a capability of its own has declared, smallest first."""
    declared = {one.gateway.body for one in manifest.capabilities.values()}
    return tuple(sorted(declared - {BODY}))


def suffix(capability: Capability) -> Iterator[str]:
    """What a route says, so that its commands reach the monolith under its own limit."""
    if capability.gateway.body != BODY:
        yield f"set $strangler_size .{capability.gateway.body};"
