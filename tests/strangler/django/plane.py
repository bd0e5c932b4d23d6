"""A control plane to make moves in: a manifest of its own, a table in a temporary folder."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from contracts.catalog import Catalog
from contracts.ordering import Ordering
from contracts.pricing import Pricing
from strangler.django import conf, contracts
from strangler.django.control_plane import state
from strangler.django.models import Observation, ShadowDifference, ShadowTally
from strangler.django.observing import observations
from strangler.ladder import Stage
from strangler.ports.freezing import freeze
from strangler.routing.table import Table
from strangler.shadow.compare import Kind
from strangler.shadow.report import Signature

MANIFEST = """
[edge]
monolith = "http://127.0.0.1:8000"

[capability.catalog]
context  = "monolith.catalog"
owner    = "team-catalog"
contract = "contracts.catalog:Catalog"
service  = ["{service}"]
routes   = ["/api/catalog/"]
callers  = ["pricing"]

[capability.pricing]
context  = "monolith.pricing"
owner    = "team-checkout"
contract = "contracts.pricing:Pricing"
service  = ["{service}"]
routes   = ["/api/pricing/"]
queries  = ["POST /api/pricing/quote"]
callers  = []
{more}
[capability.pricing.shadow]
min_comparisons = 20
min_per_route   = 5

[capability.pricing.rollout]
steps        = [5, 25, 50]
min_requests = 20
soak         = "1m"
"""


@dataclass
class Plane:
    """Where a test's control plane keeps its files, and how to give it evidence."""

    root: Path
    service: str = "http://127.0.0.1:9"
    settings: dict[str, Any] = field(default_factory=dict)
    catalog: str = ""
    """More keys of the catalog in the manifest."""

    @property
    def table(self) -> Table:
        return Table(self.root / "table")

    def write(self, *, more: str = "") -> None:
        text = MANIFEST.format(service=self.service, more=more)
        text = text.replace("[capability.pricing]", f"{self.catalog}\n\n[capability.pricing]", 1)
        (self.root / "capabilities.toml").write_text(text)
        conf.manifest.cache_clear()

    def compared(self, count: int, *, name: str = "pricing", outcome: str = "match") -> None:
        """So many comparisons on the present rung."""
        ShadowTally.objects.update_or_create(
            capability=name,
            since_revision=state.read(name).since_revision,
            method="POST",
            route="/api/pricing/quote",
            outcome=outcome,
            defaults={"count": count},
        )

    def differs(self, count: int = 3, *, name: str = "pricing") -> str:
        """One difference on the present rung; its signature."""
        signature = Signature("POST", "/api/pricing/quote", 200, 200, "$.tax", Kind.VALUE).digest
        ShadowDifference.objects.create(
            capability=name,
            since_revision=state.read(name).since_revision,
            signature=signature,
            method="POST",
            route="/api/pricing/quote",
            monolith_status=200,
            service_status=200,
            path="$.tax",
            kind="value",
            count=count,
            examples=[
                {
                    "asked": "POST /api/pricing/quote",
                    "body": {"country": "DE"},
                    "monolith": "3.80",
                    "service": "3.20",
                }
            ],
        )
        return signature

    def answered(
        self, arm: str, requests: int, *, failures: int = 0, name: str = "pricing"
    ) -> None:
        """So many answers of an arm on the present rung."""
        Observation.objects.create(
            capability=name,
            since_revision=state.read(name).since_revision,
            arm=arm,
            kind="query",
            bucket=40,
            requests=requests,
            failures=failures,
        )

    def ready_for(self, stage: Stage) -> None:
        """The evidence that the gate to this rung wants."""
        if stage is Stage.CANARY:
            self.compared(50)
        elif stage is Stage.LIVE:
            self.answered("service", 50)
            self.answered("monolith", 50)


@contextmanager
def service(
    *, status: int = 200, body: Mapping[str, Any] | None = None
) -> Iterator[tuple[str, list[str]]]:
    """A service that answers ``/readyz``; its URL, and the paths that it was asked for."""
    asked: list[str] = []
    said = {"status": "ready", **(body or {})}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            data = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def plane(root: Path, settings: Any, **changes: Any) -> Iterator[Plane]:
    """A control plane in this folder; ``settings`` is pytest-django's fixture."""
    settings.STRANGLER = {
        "MANIFEST": root / "capabilities.toml",
        "TABLE": root / "table",
        "KEYS": root / "keys",
        **changes,
    }
    observations.reset()
    ports = {"catalog": Catalog, "ordering": Ordering, "pricing": Pricing}
    spoken = {name: freeze.digest(port) for name, port in ports.items()}
    with service(body={"contracts": spoken}) as (url, _):
        made = Plane(root, service=url, settings=settings.STRANGLER)
        made.write()
        yield made
    observations.reset()


def digest(name: str) -> str | None:
    return contracts.digest(conf.manifest().capabilities[name])
