"""Both arms as real processes: the monolith under gunicorn with its edge, and the service."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from strangler.ladder import Share, Stage
from strangler.manifest import load
from strangler.ports import headers as names
from strangler.ports.trust.keys import generate
from strangler.routing.decide import Kind
from strangler.routing.paths import Match, RouteMap, canonical
from strangler.routing.publish import publish
from strangler.routing.table import Entry
from tests.parity.corpus import RULES
from tests.servers import Server, free_port
from tests.strangler.fastapi.running import ROOT, Answered, Party, Service, ask

MANIFEST = ROOT / "router" / "capabilities.toml"
STANDS = {
    Stage.MONOLITH: Entry(
        Stage.MONOLITH, 0, held=False, killed=False, share=Share(0, 0), fallback=True
    ),
    Stage.LIVE: Entry(
        Stage.LIVE, 0, held=False, killed=False, share=Share(1000, 1000), fallback=True
    ),
}


class Monolith(Server):
    """gunicorn with the shop; a port is found by the test, since the manifest has to name it."""

    def __init__(self, env: Mapping[str, str], port: int) -> None:
        super().__init__()
        self._env = dict(env)
        self._wanted = port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._wanted}"

    def prepare(self) -> None:
        subprocess.run(
            [sys.executable, ROOT / "manage.py", "migrate", "--verbosity", "0"],
            env={**os.environ, **self._env},
            check=True,
        )

    def command(self) -> list[str]:
        return [
            "env", *(f"{name}={value}" for name, value in self._env.items()), sys.executable, "-m",
            "gunicorn", "monolith.config.wsgi", "--threads", "4", "--bind",
            f"127.0.0.1:{self._wanted}",
        ]  # fmt: skip

    def answers(self) -> bool:
        try:
            return ask(self.url, "GET", "/readyz").status == 200
        except OSError:
            return False


class Arms:
    """Three ways to ask one capability the same question."""

    def __init__(
        self, folder: Path, monolith: Monolith, service: Service, capability: str = "pricing"
    ) -> None:
        self._folder = folder
        self._capability = capability
        self.monolith = monolith
        self.service = service
        self.keys = folder / "keys"
        self._edge = Party(self.keys, "monolith", to=capability, url=service.url)
        manifest = load(MANIFEST)
        self._routes = RouteMap(manifest)
        self._monolith = dict.fromkeys(manifest.capabilities, STANDS[Stage.MONOLITH])
        self._stage: Stage | None = None
        self._revision = 0

    def ask(
        self,
        way: str,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        """Ask the ``monolith``, the ``service`` as the edge would, or it through the ``edge``."""
        headers = headers or {}
        if way == "service":
            match = Match(self._capability, f"/api/{self._capability}/")
            kind = self._routes.kind(match, method, canonical(path.partition("?")[0]))
            command = kind is Kind.COMMAND
            return self._edge.ask(method, path, body, headers=headers, command=command)
        self.stand(Stage.LIVE if way == "edge" else Stage.MONOLITH)
        answer = ask(self.monolith.url, method, path, body, headers)
        arm = answer.headers.get(names.ARM.lower())
        if way == "edge" and answer.status == 413:
            assert arm is None, "the edge itself refuses what is too large for either arm"
        else:
            assert arm == ("service" if way == "edge" else "monolith")
        return answer

    def stand(self, stage: Stage) -> None:
        """Move the capability to this rung, as the table has it."""
        if stage is not self._stage:
            self._revision += 1
            self._stage = stage
            entries = {**self._monolith, self._capability: STANDS[stage]}
            publish(self._folder / "table", self._revision, entries)


@contextmanager
def running(folder: Path) -> Iterator[Arms]:
    """Both arms of pricing, under the rules of the corpus, and keys for everybody."""
    with both(folder, "pricing", PRICING_RULES=str(RULES)) as arms:
        yield arms


@contextmanager
def both(
    folder: Path,
    capability: str,
    *,
    settings: str = "tests.parity.settings",
    database: str | None = None,
    **env: str,
) -> Iterator[Arms]:
    """Both arms of a capability, and keys for everybody.

    Args:
        folder: where they keep their files.
        capability: whose service it is.
        settings: the module of the monolith's settings.
        database: the URL of the monolith's; by default a file of SQLite.
        env: for both of them, beside what each needs anyway.
    """
    for party in ("monolith", "ordering", "pricing", capability):
        if not (folder / "keys" / f"{party}.private.json").exists():
            generate(folder / "keys", party)
    ports = free_port(), free_port()
    shared = {
        "PYTHONPATH": str(ROOT),
        "STRANGLER_KEYS": str(folder / "keys"),
        "STRANGLER_MANIFEST": str(MANIFEST),
        "STRANGLER_MONOLITH_URL": f"http://127.0.0.1:{ports[0]}",
        **env,
    }
    shop = {
        "DATABASE_URL": database or f"sqlite:///{folder / 'shop.sqlite3'}",
        "DEBUG": "true",
        "DJANGO_SETTINGS_MODULE": settings,
        "STRANGLER_TABLE": str(folder / "table"),
        "VAR": str(folder),
    }
    with Service(f"extracted.{capability}", {**shared, "STRANGLER_TABLE": ""}) as service:
        place = {f"STRANGLER_{capability.upper()}_URL": service.url}
        with Monolith({**shared, **shop, **place}, ports[0]) as monolith:
            yield Arms(folder, monolith, service, capability)
