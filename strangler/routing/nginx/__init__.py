"""The edge as an NGINX configuration: the manifest compiled, with everything that an edge owes.

Pure: a manifest goes in, named files come out. At run time NGINX asks the routing table for every
request, so the files change only when the manifest does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from strangler.manifest import Manifest
from strangler.routing.nginx import answering, gateway, main
from strangler.routing.nginx.clients import clients, cohorts
from strangler.routing.nginx.failing import failing
from strangler.routing.nginx.gateway import keys, serving
from strangler.routing.nginx.gateway.keys import FILE as CLIENTS
from strangler.routing.nginx.gateway.keys import clients as clients_map
from strangler.routing.nginx.locations import locations
from strangler.routing.nginx.requests import requests
from strangler.routing.nginx.services import services
from strangler.routing.nginx.settings import CannotCompile, Settings
from strangler.routing.nginx.upstreams import upstreams
from strangler.routing.nginx.writing import MADE

__all__ = ["CLIENTS", "MADE", "CannotCompile", "Settings", "clients_map", "compiled"]


def compiled(manifest: Manifest, settings: Settings | None = None) -> Mapping[str, str]:
    """Every file, by its name.

    Raises:
        CannotCompile: the manifest says something that no NGINX can be told.
    """
    settings = settings or Settings()
    usual = {one.lower() for one in settings.credentials}
    shown = {one.lower(): one for one in (*keys.headers(manifest), *manifest.edge.credentials)}
    more = sorted(one for name, one in shown.items() if name not in usual)
    settings = replace(settings, credentials=(*settings.credentials, *more))
    files = {
        "nginx.conf": main.main(manifest, settings),
        "shared.conf": main.shared(manifest),
        "cohorts.conf": cohorts(manifest),
        "clients.conf": clients(manifest, settings),
        "requests.conf": requests(manifest),
        "upstreams.conf": upstreams(manifest, settings),
        "gateway.conf": gateway.gateway(manifest, settings),
        "log.conf": main.log(manifest),
        "server.conf": main.server(manifest, settings),
        "routes.conf": locations(manifest, settings),
        "decide.conf": answering.decide(manifest, settings),
        "pinned.conf": answering.pinned(settings),
        "retired.conf": answering.retired(manifest),
        "told.conf": answering.told(manifest),
        "monolith.conf": answering.monolith(settings),
        "services.conf": services(manifest, settings),
        "traced.conf": answering.traced(),
        "ask.conf": answering.ask(manifest, settings),
        "failing.conf": failing(manifest, settings),
    }
    scheme = serving.scheme(manifest, settings)
    return {name: text.replace("$scheme", scheme) for name, text in files.items()}
