"""Other sites whose scripts may ask (CORS): the manifest names them, and only they are named."""

from __future__ import annotations

from collections.abc import Iterator

from strangler.manifest import Capability, Manifest
from strangler.manifest.values import SAFE, UNSAFE
from strangler.routing.nginx.writing import block, plain, quoted

_LONGEST = 600
"""Seconds for which a browser may remember what it has asked before it asked."""
PREFLIGHT = plain("""
    # A browser asks whether another site's script may.
    if ($strangler_preflight) {
        set $strangler_own_trace $strangler_traceparent;
        return 204;
    }
""")


def inside_http(manifest: Manifest) -> Iterator[str]:
    """The variables that say whether this is one of them, and what it is told."""
    if shared := _shared(manifest):
        yield _origins(shared)


def told(manifest: Manifest) -> Iterator[str]:
    """What a browser is told."""
    if _shared(manifest):
        yield "add_header Access-Control-Allow-Origin $strangler_origin always;"
        yield "add_header Access-Control-Allow-Credentials $strangler_origin_known always;"
        yield "add_header Access-Control-Expose-Headers $strangler_exposed always;"
        yield "add_header Vary $strangler_origin_varies always;"
        for name in ("Methods", "Headers"):
            yield f"add_header Access-Control-Allow-{name} $strangler_allowed_{name.lower()} always;"
        yield "add_header Access-Control-Max-Age $strangler_allowed_age always;"


def checks(manifest: Manifest) -> Iterator[str]:
    """What stands where a request's way begins."""
    if _shared(manifest):
        yield PREFLIGHT


def _shared(manifest: Manifest) -> list[Capability]:
    return [one for one in manifest.capabilities.values() if one.gateway.origins]


def _origins(shared: list[Capability]) -> str:
    # The longest origin is part of no other: each stands whole, after the capability's name.
    known = [
        f"{quoted(f'{one.name} {origin}')} $http_origin;"
        for one in shared
        for origin in one.gateway.origins
    ]
    methods = ", ".join((*SAFE, *UNSAFE))
    asked = "OPTIONS:1:1"
    before = '"$request_method:$strangler_origin_marked:$strangler_asks_before"'

    def said_before(variable: str, value: str) -> str:
        return block(
            f"map $strangler_preflight {variable}", ["volatile;", 'default "";', f"1 {value};"]
        )

    return "\n".join(
        [
            "# Another site whose scripts may ask is named to the browser; no other ever is.",
            block(
                'map "$strangler_capability $http_origin" $strangler_origin',
                ["volatile;", 'default "";', *known],
            ),
            block(
                "map $strangler_origin $strangler_origin_known",
                ["volatile;", "default true;", '"" "";'],
            ),
            block(
                "map $strangler_origin $strangler_origin_marked",
                ["volatile;", "default 1;", '"" "";'],
            ),
            block(
                "map $strangler_origin $strangler_exposed",
                ["volatile;", 'default "X-Strangler-Arm, traceparent, Retry-After";', '"" "";'],
            ),
            block(
                "map $strangler_capability $strangler_origin_varies",
                ["volatile;", 'default "";', *(f"{one.name} Origin;" for one in shared)],
            ),
            block(
                "map $http_access_control_request_method $strangler_asks_before",
                ["default 1;", '"" "";'],
            ),
            block(
                f"map {before} $strangler_preflight", ["volatile;", 'default "";', f"{asked} 1;"]
            ),
            said_before("$strangler_allowed_methods", quoted(methods)),
            said_before("$strangler_allowed_headers", "$http_access_control_request_headers"),
            said_before("$strangler_allowed_age", str(_LONGEST)),
        ]
    )
