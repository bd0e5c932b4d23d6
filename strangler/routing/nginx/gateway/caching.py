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
from strangler.routing.nginx.writing import Text, variable

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
    map $upstream_cache_status $strangler_cache {
        volatile;
        default "";
        HIT "strangler; hit";
        MISS "strangler; fwd=miss";
        EXPIRED "strangler; fwd=stale";
        BYPASS "strangler; fwd=bypass";
    }
    # Whoever commands anything is answered by the arms themselves for as long.
    map $strangler_kind $strangler_fresh {
        volatile;
        default "";
        commands "strangler_fresh=-; Max-Age=%{longest}; Path=/; HttpOnly; SameSite=Lax$strangler_secure";
    }
""")


def inside_http(manifest: Manifest, settings: Settings) -> Iterator[str]:
    """Where answers are kept, and whose question has nothing to do with them."""
    longest = max((one.gateway.cache or 0.0 for one in manifest.capabilities.values()), default=0.0)
    if longest:
        names = (*credentials(settings), "X-Strangler-Force", "Upgrade")
        shown = "".join(f"${variable(name)}" for name in names if name != "Cookie")
        yield _KEPT.filled(shown=shown, longest=math.ceil(longest))


def told(manifest: Manifest) -> Iterator[str]:
    """What a client is told of it."""
    if _cached(manifest):
        yield "add_header Cache-Status $strangler_cache always;"
        yield "add_header Set-Cookie $strangler_fresh always;"


def querying(capability: Capability, manifest: Manifest) -> Iterator[str]:
    """What stands where either arm is asked a query."""
    if capability.gateway.cache is None:
        return
    sticky = (key.removeprefix("header:") for key in manifest.edge.sticky if ":" in key)
    named = "".join(f" ${variable(name)}" for name in sticky)
    yield "proxy_cache strangler_answers;"
    yield (
        'proxy_cache_key "$strangler_capability $strangler_reason $request_method $scheme '
        f'$http_host $request_uri{named}";'
    )
    yield f"proxy_cache_valid 200 {round(capability.gateway.cache)}s;"
    yield "proxy_cache_convert_head off;"
    yield "proxy_cache_bypass $strangler_unkept;"
    yield "proxy_no_cache $strangler_unkept $upstream_http_x_strangler_commanded;"


def logged(manifest: Manifest) -> str:
    """What the access log says of it."""
    return '"cache":"$upstream_cache_status",' if _cached(manifest) else ""


def _cached(manifest: Manifest) -> bool:
    return any(one.gateway.cache for one in manifest.capabilities.values())
