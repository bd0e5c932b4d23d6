"""What a gateway owes beside the right arm: limits, origins, and headers that protect browsers."""

from __future__ import annotations

from collections.abc import Iterator

from strangler.manifest import Capability, Manifest
from strangler.manifest.values import SAFE, UNSAFE
from strangler.routing.nginx.settings import Settings
from strangler.routing.nginx.writing import block, file, plain, quoted, said

TOO_OFTEN = 596
"""Stands for: this client asks too often. A service's own 429 is passed on as it is."""
_MEMORY = "4m"
"""Of each limit: some 30,000 clients; beyond that the oldest is forgotten."""
_PROTECTING = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
)
"""What an answer says that says nothing else itself."""
_LONGEST = 600
"""Seconds for which a browser may remember what it has asked before it asked."""


def gateway(manifest: Manifest, settings: Settings) -> str:
    """The file ``gateway.conf``, inside ``http { … }``."""
    limited = [one for one in manifest.capabilities.values() if one.gateway.rate is not None]
    shared = [one for one in manifest.capabilities.values() if one.gateway.origins]
    return file(
        "What a gateway owes beside the right arm: how often a client may ask, which other sites' "
        "scripts may, and what protects browsers where an answer says nothing of it itself.",
        *map(_protecting, _PROTECTING),
        *([_client(settings)] if limited else []),
        *map(_limit, limited),
        *([_origins(shared)] if shared else []),
    )


def inside_server(manifest: Manifest) -> str:
    """What of it stands inside ``server { … }``."""
    return "\n".join(_inside_server(manifest))


def _inside_server(manifest: Manifest) -> Iterator[str]:
    for name, _ in _PROTECTING:
        yield f"add_header {name} {_protection(name)} always;"
    if any(one.gateway.origins for one in manifest.capabilities.values()):
        yield "add_header Access-Control-Allow-Origin $strangler_origin always;"
        yield "add_header Access-Control-Allow-Credentials $strangler_origin_known always;"
        yield "add_header Access-Control-Expose-Headers $strangler_exposed always;"
        yield "add_header Vary $strangler_origin_varies always;"
        for name in ("Methods", "Headers"):
            yield f"add_header Access-Control-Allow-{name} $strangler_allowed_{name.lower()} always;"
        yield "add_header Access-Control-Max-Age $strangler_allowed_age always;"
    limited = [one for one in manifest.capabilities.values() if one.gateway.rate is not None]
    for one in limited:
        yield f"limit_req zone={_zone(one)} burst={one.gateway.burst} nodelay;"
    if limited:
        yield f"limit_req_status {TOO_OFTEN};"
        yield "limit_req_log_level info;"


def checks(manifest: Manifest) -> str:
    """What of it stands where a request's way begins."""
    lines = []
    if any(one.gateway.origins for one in manifest.capabilities.values()):
        lines += ["# A browser asks whether another site's script may.", _PREFLIGHT]
    return "\n".join(lines)


_PREFLIGHT = plain("""
    if ($strangler_preflight) {
        return 204;
    }
""")


def often(manifest: Manifest) -> str:
    """The location of those who ask too often; nothing where nobody can."""
    rates = [one.gateway.rate for one in manifest.capabilities.values() if one.gateway.rate]
    if not rates:
        return ""
    wait = max(1, round(1 / min(rates)))
    return block(
        "location @strangler_often",
        [
            "default_type application/json;",
            'set $strangler_arm "";',
            "set $strangler_executed no;",
            f"set $strangler_retry {wait};",
            said(429, "TooManyRequests", "That is more than this client may ask: wait a little."),
        ],
    )


def _protecting(header: tuple[str, str]) -> str:
    name, value = header
    return block(
        f"map $upstream_http_{_variable(name)} {_protection(name)}",
        ["volatile;", 'default "";', f'"" {value};'],
    )


def _protection(name: str) -> str:
    return f"$strangler_says_{_variable(name)}"


def _client(settings: Settings) -> str:
    """Who asks: by credentials, none of which is proved here, or by address."""
    known = "".join(f"$http_{_variable(name)}" for name in settings.credentials if name != "Cookie")
    return (
        "# Who asks: whoever brings a credential by that, all others by their address.\n"
        + block(
            f'map "{known}" $strangler_client', [f'default "{known}";', '"" $binary_remote_addr;']
        )
    )


def _limit(capability: Capability) -> str:
    gateway = capability.gateway
    who = "$strangler_client" if gateway.rate_by == "client" else "$binary_remote_addr"
    key = f"$strangler_limit_{capability.name}"
    # Below one a second NGINX wants to be told by the minute.
    rate = gateway.rate or 0.0
    told = f"{round(rate)}r/s" if rate >= 1 else f"{max(1, round(rate * 60))}r/m"
    return "\n".join(
        [
            # Whoever has an empty key is not counted.
            block(
                f"map $strangler_capability {key}",
                ["volatile;", 'default "";', f"{capability.name} {who};"],
            ),
            f"limit_req_zone {key} zone={_zone(capability)}:{_MEMORY} rate={told};",
        ]
    )


def _zone(capability: Capability) -> str:
    return f"limit.{capability.name}"


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


def _variable(header: str) -> str:
    return header.lower().replace("-", "_")
