"""What a gateway owes beside the right arm: one module for each subject.

Whatever a manifest does not ask for stands nowhere in the compiled files, and costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from strangler.manifest import Capability, Manifest
from strangler.routing.nginx.gateway import (
    browsers,
    caching,
    closing,
    keys,
    origins,
    rates,
    serving,
    sizes,
    slashes,
)
from strangler.routing.nginx.settings import Settings
from strangler.routing.nginx.writing import file

__all__ = [
    "answered",
    "checks",
    "commanding",
    "gateway",
    "inside_route",
    "inside_server",
    "locations",
    "logged",
    "querying",
    "refusing",
    "told",
]


def gateway(manifest: Manifest, settings: Settings) -> str:
    """The file ``gateway.conf``, inside ``http { … }``."""
    return file(
        "What a gateway owes beside the right arm: how often a client may ask and by which key, which "
        "answers are kept, which other sites' scripts may ask, and what protects browsers where an "
        "answer says nothing of it itself.",
        *browsers.inside_http(),
        *serving.inside_http(manifest, settings),
        *slashes.inside_http(manifest),
        *sizes.inside_http(manifest),
        *keys.inside_http(manifest),
        *caching.inside_http(manifest, settings),
        *rates.inside_http(manifest, settings),
        *origins.inside_http(manifest),
    )


def inside_server(manifest: Manifest) -> str:
    """What of it stands inside ``server { … }``."""
    return "\n".join(
        [
            *sizes.inside_server(manifest),
            *keys.inside_server(manifest),
            *rates.inside_server(manifest),
        ]
    )


def told(manifest: Manifest) -> str:
    """What of it every answer says.

    Not inside the server: NGINX forgets that where a location has an ``add_header`` of its own.
    """
    return "\n".join(
        [
            *browsers.told(),
            *serving.told(manifest),
            *keys.told(manifest),
            *caching.told(manifest),
            *origins.told(manifest),
        ]
    )


def answered(manifest: Manifest) -> str:
    """What else is said of that which a route's own location answers: nobody else is asked."""
    asked_for = [one.gateway for one in manifest.capabilities.values()]
    if not any(one.origins or one.slash or one.key for one in asked_for):
        return ""
    return (
        "add_header X-Strangler-Executed $strangler_executed always;\n"
        "add_header traceparent $strangler_own_trace always;"
    )


def inside_route(capability: Capability, manifest: Manifest, settings: Settings) -> Iterator[str]:
    """What of it stands in each location that is a route of this capability."""
    yield sizes.limit(capability)
    yield from sizes.suffix(capability)
    yield from closing.inside_route(capability, settings)
    yield from slashes.inside_route(capability)
    yield from keys.inside_route(capability)
    if capability.name not in settings.retired:
        yield from caching.inside_route(capability)
    yield from caching.querying(capability, manifest)


def querying(capability: Capability, manifest: Manifest) -> Iterator[str]:
    """What of it stands where the service of this capability is asked a query."""
    yield sizes.limit(capability)
    yield from caching.querying(capability, manifest)


def commanding(capability: Capability) -> Iterator[str]:
    """What of it stands where the service of this capability is sent a command."""
    yield sizes.limit(capability)


def logged(manifest: Manifest) -> str:
    """What the access log says of it."""
    return keys.logged(manifest) + caching.logged(manifest)


def checks(manifest: Manifest) -> str:
    """What of it stands where a request's way begins."""
    return "\n".join(origins.checks(manifest))


def refusing(manifest: Manifest) -> str:
    """Where those go whom the edge refuses; in every location that a request goes through."""
    return "\n".join([*sizes.refusing(), *rates.refusing(manifest)])


def locations(manifest: Manifest) -> str:
    """What they are told."""
    return "\n\n".join(
        [*sizes.locations(), *rates.locations(manifest), *closing.locations(manifest)]
    )
