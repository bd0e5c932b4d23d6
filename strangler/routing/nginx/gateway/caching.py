"""Answers to queries that are kept for a moment, and given to whoever asks the same.

Only who has shown nothing by which it could be known is given one, and only such answers are kept.
An arm has its own, so a flip is seen at once. There is no lock that lets others wait for the first:
where an answer turns out not to be kept, NGINX would let them ask one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from strangler.manifest import Capability, Manifest
from strangler.routing.nginx.headers import credentials
from strangler.routing.nginx.settings import Settings
from strangler.routing.nginx.writing import Text, block, variable

_KEPT = Text(r"""
    # Answers that are kept: by whom nobody knows, if the arm was chosen by share alone. Of our own
    # cookies, only those do no harm that say nothing of what the client has done. A body, which a GET
    # may have, stands in no key.
    proxy_cache_path answers levels=1:2 keys_zone=strangler_answers:16m max_size=256m inactive=60s use_temp_path=off;
    map $http_cookie $strangler_cookies {
        default known;
        "" "";
        "~^(?:strangler_(?:cohort=[0-9]+|pin=-)(?:;[ ]*|$))+$" "";
    }
    map "%{shown}$request_body$request_body_file$strangler_cookies" $strangler_known {
        default known;
        "" "";
    }
    map "$strangler_reason:$strangler_arm" $strangler_unkept {
        volatile;
        default 1;
        "outside:" $strangler_known;
        "inside:service" $strangler_known;
    }
    # A failure is none, whatever it says of itself: the arm is asked again.
    map $upstream_status $strangler_failed {
        volatile;
        default "";
        "~5[0-9][0-9]$" failed;
    }
    map $upstream_cache_status $strangler_cache {
        volatile;
        default "";
        HIT "strangler; hit";
        MISS "strangler; fwd=miss";
        EXPIRED "strangler; fwd=stale";
        BYPASS "strangler; fwd=bypass";
    }
    # A kept answer names the trace of whoever has asked first.
    map $upstream_http_traceparent $strangler_again {
        volatile;
        default $strangler_traceparent;
        "" "";
    }
    # Whoever commands anything is answered by the arms themselves for as long.
    map $strangler_kind $strangler_fresh {
        volatile;
        default "";
        commands "strangler_fresh=-; Max-Age=%{longest}; Path=/; HttpOnly; SameSite=Lax$strangler_secure";
    }
""")
_OVERRIDING = (
    "X-Forwarded-Prefix", "X-Forwarded-Scheme", "X-Forwarded-Ssl", "Front-End-Https",
    "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-Method-Override",
)  # fmt: skip
"""Headers by which some frameworks are asked something else; a proxy in front may always send one."""
_UNITS = {60: ("minute", 16), 3600: ("hour", 13), 86400: ("day", 10)}
"""Seconds, and how much of ``$time_iso8601`` says which of them it is."""


def inside_http(manifest: Manifest, settings: Settings) -> Iterator[str]:
    """Where answers are kept, and whose question has nothing to do with them."""
    caches = [one.gateway.cache for one in manifest.capabilities.values() if one.gateway.cache]
    if caches:
        names = (*credentials(settings), "X-Strangler-Force", "Upgrade")
        shown = "".join(f"${variable(name)}" for name in names if name != "Cookie")
        yield _KEPT.filled(shown=shown, longest=math.ceil(max(caches)))
    for name, length in sorted({_unit(cache) for cache in caches}):
        said = (
            "# What was kept before somebody has set the clock back is kept no longer than this.\n"
        )
        line = f'"~^(?<strangler_the_{name}>.{{{length}}})" $strangler_the_{name};'
        yield said + block(f"map $time_iso8601 $strangler_{name}", ['default "";', line])


def told(manifest: Manifest) -> Iterator[str]:
    """What a client is told of it."""
    if _cached(manifest):
        yield "add_header Cache-Status $strangler_cache always;"
        yield "add_header Set-Cookie $strangler_fresh always;"


def inside_route(capability: Capability) -> Iterator[str]:
    """What stands where the monolith is asked: the trace that a kept answer names is another's."""
    if capability.gateway.cache is not None:
        yield "proxy_hide_header traceparent;"
        yield "add_header traceparent $strangler_again always;"
        yield "include traced.conf;"


def querying(capability: Capability, manifest: Manifest) -> Iterator[str]:
    """What stands where either arm is asked a query."""
    if capability.gateway.cache is None:
        return
    sticky = (key.removeprefix("header:") for key in manifest.edge.sticky if ":" in key)
    named = "".join(f" ${variable(name)}" for name in (*sticky, *_OVERRIDING))
    unit, _ = _unit(capability.gateway.cache)
    yield "proxy_cache strangler_answers;"
    of = f"$strangler_{unit} $strangler_capability $strangler_reason"
    yield f'proxy_cache_key "{of} $request_method $scheme $http_host $request_uri{named}";'
    yield f"proxy_cache_valid 200 {round(capability.gateway.cache)}s;"
    yield "proxy_cache_convert_head off;"
    yield "proxy_cache_bypass $strangler_unkept;"
    yield (
        "proxy_no_cache $strangler_unkept $strangler_failed $upstream_http_x_strangler_commanded;"
    )


def logged(manifest: Manifest) -> str:
    """What the access log says of it."""
    return '"cache":"$upstream_cache_status",' if _cached(manifest) else ""


def _unit(cache: float) -> tuple[str, int]:
    """The unit of time in the key: the shortest in which an answer may grow as old as it may."""
    return next((said for seconds, said in _UNITS.items() if cache <= seconds), _UNITS[86400])


def _cached(manifest: Manifest) -> bool:
    return any(one.gateway.cache for one in manifest.capabilities.values())
