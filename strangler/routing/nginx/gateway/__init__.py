"""What a gateway owes beside the right arm: one module for each subject.

Whatever a manifest does not ask for stands nowhere in the compiled files, and costs nothing.
"""

from __future__ import annotations

from strangler.manifest import Manifest
from strangler.routing.nginx.gateway import browsers, origins, rates
from strangler.routing.nginx.settings import Settings
from strangler.routing.nginx.writing import file

__all__ = ["checks", "gateway", "inside_server", "locations", "refusing"]


def gateway(manifest: Manifest, settings: Settings) -> str:
    """The file ``gateway.conf``, inside ``http { … }``."""
    return file(
        "What a gateway owes beside the right arm: how often a client may ask, which other sites' "
        "scripts may, and what protects browsers where an answer says nothing of it itself.",
        *browsers.inside_http(),
        *rates.inside_http(manifest, settings),
        *origins.inside_http(manifest),
    )


def inside_server(manifest: Manifest) -> str:
    """What of it stands inside ``server { … }``."""
    return "\n".join(
        [
            *browsers.inside_server(),
            *origins.inside_server(manifest),
            *rates.inside_server(manifest),
        ]
    )


def checks(manifest: Manifest) -> str:
    """What of it stands where a request's way begins."""
    return "\n".join(origins.checks(manifest))


def refusing(manifest: Manifest) -> str:
    """Where those go whom the edge refuses; in every location that a request goes through."""
    return "\n".join(rates.refusing(manifest))


def locations(manifest: Manifest) -> str:
    """What they are told."""
    return "\n\n".join(rates.locations(manifest))
