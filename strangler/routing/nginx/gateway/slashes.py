"""A route without the slash at its end: who asks for that is sent to the one with it."""

from __future__ import annotations

from collections.abc import Iterator

from strangler.manifest import Capability, Manifest, routes
from strangler.routing.nginx.requests import pattern
from strangler.routing.nginx.writing import block, plain

_SLASHED = plain(r"""
    # The path as it came, with a slash at its end.
    map $request_uri $strangler_slashed {
        default "";
        "~^(?<strangler_path>[^?]*)(?<strangler_query>\?.*)?$" $strangler_path/$strangler_query;
    }
""")


def inside_http(manifest: Manifest) -> Iterator[str]:
    """Which paths these are; no odd ones, which two readers might read in two ways."""
    wanted = [one for one in manifest.capabilities.values() if one.gateway.slash]
    if wanted:
        yield _SLASHED
    for one in wanted:
        roots = (pattern(routes.parse(text).segments) for text in one.routes)
        lines = [f'"~^(?:GET|HEAD)::{root}$" 1;' for root in roots]
        head = f'map "$request_method:$strangler_odd:$uri" {_variable(one)}'
        yield block(head, ['default "";', *lines])


def inside_route(capability: Capability) -> Iterator[str]:
    """Where they are sent: to a path of the same host, however that is reached."""
    if capability.gateway.slash:
        yield "absolute_redirect off;"
        yield block(
            f"if ({_variable(capability)})",
            [
                "set $strangler_own_trace $strangler_traceparent;",
                "return 301 $strangler_slashed;",
            ],
        )


def _variable(capability: Capability) -> str:
    return f"$strangler_slash_{capability.name}"
