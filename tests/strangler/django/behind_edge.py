"""A foreign project behind the middleware, asked as gunicorn asks it, with a service to fail."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from django.core.handlers.wsgi import WSGIHandler

from strangler.django import conf
from strangler.django.control_plane import state
from strangler.django.edge import service_arm
from strangler.django.observing import observations
from strangler.django.ports import placing, wiring
from strangler.django.shadow import asking, shadowing
from strangler.ladder import Arm, Stage, Standing
from strangler.ports import runtime
from strangler.ports.calling import remote
from strangler.ports.context import Context
from strangler.ports.headers import face
from strangler.ports.trust import keys
from strangler.ports.trust.keys import Keyring
from strangler.ports.trust.tokens import Use, mint
from strangler.routing.publish import publish
from strangler.routing.table import Snapshot, Table
from tests.assets.sky import views
from tests.strangler.django.faults import Faults, faults

MANIFEST = """
[edge]
monolith = "http://127.0.0.1:9"
sticky   = {sticky}

[capability.weather]
context  = "tests.assets.sky"
owner    = "team-sky"
contract = "tests.assets.sky.port:Weather"
service  = ["{service}"]
routes   = ["/weather/"]
queries  = ["POST /weather/search"]
callers  = ["tides"]

[capability.tides]
context  = "tests.assets.sky.tides"
owner    = "team-sea"
contract = "tests.assets.sky.port:Tides"
service  = ["{service}"]
routes   = ["/tides/"]
callers  = []

[capability.weather.resilience]
timeout  = "{timeout}"
breaker  = {{ failures = {failures}, reset = "30s" }}

[capability.weather.shadow]
sample    = {sample}
ignore    = ["$.served_at"]
redact    = ["$.secret"]
"""


class Reply(NamedTuple):
    """What a client gets."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def arm(self) -> str | None:
        return self.header("X-Strangler-Arm")

    @property
    def reason(self) -> str | None:
        return self.header("X-Strangler-Reason")

    @property
    def cookie(self) -> str | None:
        found = [value for key, value in self.headers if key == "Set-Cookie"]
        return next((one for one in found if one.strip().startswith("strangler_cohort=")), None)

    def json(self) -> Any:
        return json.loads(self.body)


class Board:
    """The routing table: in memory, or else in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = Table(folder)
        self.snapshot: Snapshot | None = None

    def pinned(self) -> Snapshot:
        return self.snapshot or self.folder.pinned()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pinned(), name)


@dataclass
class Edge:
    """The monolith with its middleware."""

    root: Path
    service: Faults
    keyring: Keyring
    recorded: list[tuple[Any, ...]]
    table: Board
    sticky: str = '["header:X-Tenant", "cookie", "address"]'
    timeout: str = "5s"
    failures: int = 1000
    sample: float = 0.0
    handler: WSGIHandler | None = None
    revision: int = 0
    asked: list[tuple[str, str]] = field(default_factory=lambda: views.asked)

    def begin(self, **changes: Any) -> None:
        """Write the manifest, with these changes, and start anew."""
        for name, value in changes.items():
            setattr(self, name, value)
        text = MANIFEST.format(
            service=self.service.url,
            sticky=self.sticky,
            timeout=self.timeout,
            failures=self.failures,
            sample=self.sample,
        )
        (self.root / "capabilities.toml").write_text(text)
        self.forget()
        self.handler = WSGIHandler()

    def forget(self) -> None:
        """Close what the process keeps open, and what it knows of the manifest."""
        if service_arm.service.cache_info().currsize:
            service_arm.service("weather").upstream.close()
        if asking.http.cache_info().currsize:
            asking.http("weather").close()
        remote.close()
        for cached in (conf.manifest, service_arm.service, shadowing._judge, asking.http):
            cached.cache_clear()

    def stand(
        self,
        stage: Stage,
        percent: int = 0,
        *,
        tables: bool = False,
        on_disk: bool = False,
        **more: Any,
    ) -> None:
        """Put a table in force in which the capability stands here.

        In memory, unless a test is about the folder: a thousand files take their time.
        """
        self.revision += 1
        standing = Standing(stage, percent, **more)
        entries = {
            "weather": state.entry(standing, with_tables=tables),
            "tides": state.entry(Standing(), with_tables=tables),
        }
        self.table.snapshot = Snapshot(entries, revision=self.revision)
        if on_disk:
            publish(self.root / "table", self.revision, entries)
            self.table.snapshot = None

    def ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        **environ: Any,
    ) -> Reply:
        """One request, as gunicorn would hand it over."""
        path, _, query = target.partition("?")
        asked = {
            "REQUEST_METHOD": method,
            "RAW_URI": target,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path.partition("#")[0]).decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "192.0.2.7",
            "HTTP_HOST": "testserver",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            **environ,
        }
        if body:
            asked["CONTENT_LENGTH"] = str(len(body))
        for name, value in (headers or {}).items():
            key = name.upper().replace("-", "_")
            asked[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        said: list[Any] = []
        assert self.handler is not None
        response = self.handler(asked, lambda status, fields: said.append((status, fields)))
        content = b"".join(response)
        response.close()
        return Reply(int(said[0][0].split()[0]), said[0][1], content)

    def token(self, use: Use = Use.HTTP, **context: Any) -> str:
        """What the service signs when it asks the monolith's paths for weather."""
        method = context.pop("method", "GET")
        once = context.pop("body", None)
        target = context.pop("target", "/weather/rome")
        return mint(
            Keyring.load(self.root / "keys", "weather"),
            Context(**context),
            audience="monolith",
            use=use,
            action=face("weather", method),
            once=once is not None,
            body=once,
            target=target,
        )


@contextmanager
def edge(root: Path, settings: Any, monkeypatch: Any) -> Iterator[Edge]:
    """A project with the middleware, and a service; every capability stands on ``monolith``."""
    for party in ("monolith", "weather"):
        keys.generate(root / "keys", party)
    from tests.assets.sky import settings as sky

    settings.MIDDLEWARE = sky.MIDDLEWARE
    settings.ROOT_URLCONF = sky.ROOT_URLCONF
    settings.ALLOWED_HOSTS = sky.ALLOWED_HOSTS
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    recorded: list[tuple[Any, ...]] = []

    def record(capability: str, arm: Arm, kind: str, **outcome: Any) -> None:
        outcome.pop("seconds")
        recorded.append((capability, str(arm), str(kind), outcome["failed"], outcome["fallback"]))

    monkeypatch.setattr(observations, "record", record)
    views.asked.clear()
    with faults() as service, runtime.configured():
        table = Board(root / "table")
        monkeypatch.setattr(placing, "table", lambda: table)
        made = Edge(root, service, Keyring.load(root / "keys", "monolith"), recorded, table)
        settings.STRANGLER = {
            "MANIFEST": root / "capabilities.toml",
            "TABLE": root / "table",
            "KEYS": root / "keys",
        }
        made.begin()
        wiring.wire()
        made.stand(Stage.MONOLITH)
        try:
            yield made
        finally:
            made.forget()
