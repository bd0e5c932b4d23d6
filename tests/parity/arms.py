"""Both arms as real processes: the monolith under gunicorn with its edge, and the service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from strangler.ladder import Share, Stage
from strangler.manifest import load
from strangler.manifest.model import Resilience
from strangler.ports import headers as names
from strangler.ports import runtime
from strangler.ports.bind import bind
from strangler.ports.calling import remote
from strangler.ports.declare import Port, capability
from strangler.ports.errors import DeclaredError
from strangler.ports.face import normalise
from strangler.ports.trust.keys import Keyring, generate
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

    def __init__(self, folder: Path, monolith: Monolith, services: Mapping[str, Service]) -> None:
        self._table = folder / "table"
        self.monolith = monolith
        self.services = services
        self.keys = folder / "keys"
        self._edges = {
            name: Party(self.keys, "monolith", to=name, url=service.url)
            for name, service in services.items()
        }
        manifest = load(MANIFEST)
        self._routes = RouteMap(manifest)
        for revision, stage in enumerate(STANDS, start=1):
            entries = dict.fromkeys(manifest.capabilities, STANDS[Stage.MONOLITH])
            entries |= dict.fromkeys(services, STANDS[stage])
            publish(self._table, revision, entries)
        self._stage: Stage | None = None

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
            capability = path.split("/")[2]
            match = Match(capability, f"/api/{capability}/")
            kind = self._routes.kind(match, method, canonical(path.partition("?")[0]))
            command = kind is Kind.COMMAND
            edge = self._edges[capability]
            return edge.ask(method, path, body, headers=headers, command=command)
        self.stand(Stage.LIVE if way == "edge" else Stage.MONOLITH)
        answer = ask(self.monolith.url, method, path, body, headers)
        arm = answer.headers.get(names.ARM.lower())
        if way == "edge" and (answer.status == 413 or b"InvalidCredentials" in answer.body):
            assert arm is None, "the edge refuses by itself what it could not pass on"
        else:
            assert arm == ("service" if way == "edge" else "monolith")
        return answer

    def stand(self, stage: Stage) -> None:
        """Move the capabilities to this rung, as the table has it; both revisions are there."""
        if stage is not self._stage:
            self._stage = stage
            fresh = self._table / "fresh"
            fresh.symlink_to(f"revisions/{1 + list(STANDS).index(stage)}")
            fresh.replace(self._table / "current")

    def called(
        self, port: type[Port], party: str, stage: Stage, method: str, *arguments: Any
    ) -> Any:
        """What a port answers at this party, or the declared error that it raises."""
        name = capability(port)
        url = self.monolith.url if party == "monolith" else self.services[party].url
        self.stand(stage)
        with runtime.configured(
            party="monolith",
            keyring=Keyring.load(self.keys, "monolith"),
            urls=lambda _name, _arm: (url,),
            audience=lambda _name, _arm: party,
            resilience=lambda _name: Resilience(attempts=1),
            place=None,
            placed={name: "remote"},
        ):
            try:
                return getattr(bind(port), method)(*arguments)
            except DeclaredError as error:
                return type(error), error.detail()
            finally:
                remote.close()

    def describes(self, arm: str, name: str) -> tuple[Any, Any]:
        """What an arm's OpenAPI says of a capability, and what is frozen of it."""
        url, path = {
            "monolith": (self.monolith.url, "/api/schema/?format=json"),
            "service": (self.services[name].url, "/openapi.json"),
        }[arm]
        routes = load(MANIFEST).capabilities[name].routes
        frozen = (ROOT / "contracts" / "http" / f"{name}.openapi.json").read_text()
        return normalise(ask(url, "GET", path).json(), routes), json.loads(frozen)


@contextmanager
def running(folder: Path) -> Iterator[Arms]:
    """Both arms of pricing, under the rules of the corpus, and keys for everybody."""
    with both(folder, "pricing", PRICING_RULES=str(RULES)) as arms:
        yield arms


@contextmanager
def both(
    folder: Path,
    *capabilities: str,
    settings: str = "tests.parity.settings",
    database: str | None = None,
    **env: str,
) -> Iterator[Arms]:
    """Both arms of some capabilities, and keys for everybody.

    Args:
        folder: where they keep their files.
        capabilities: whose services there are.
        settings: the module of the monolith's settings.
        database: the URL of the monolith's; by default a file of SQLite.
        env: for all of them, beside what each needs anyway.
    """
    for party in ("monolith", "ordering", "pricing", *capabilities):
        if not (folder / "keys" / f"{party}.private.json").exists():
            generate(folder / "keys", party)
    port = free_port()
    shared = {
        "PYTHONPATH": str(ROOT),
        "STRANGLER_KEYS": str(folder / "keys"),
        "STRANGLER_MANIFEST": str(MANIFEST),
        "STRANGLER_MONOLITH_URL": f"http://127.0.0.1:{port}",
        **env,
    }
    shop = {
        "DATABASE_URL": database or f"sqlite:///{folder / 'shop.sqlite3'}",
        "DEBUG": "true",
        "DJANGO_SETTINGS_MODULE": settings,
        "IDENTITY_ACCESS_SECONDS": "3600",
        "STRANGLER_TABLE": str(folder / "table"),
        "VAR": str(folder),
    }
    with ExitStack() as stack:
        services = {
            name: stack.enter_context(
                # A test stops the one of pricing.
                Service(
                    f"extracted.{name}", {**shared, "STRANGLER_TABLE": ""}, cold=name == "pricing"
                )
            )
            for name in capabilities
        }
        places = {f"STRANGLER_{name.upper()}_URL": one.url for name, one in services.items()}
        monolith = stack.enter_context(Monolith({**shared, **shop, **places}, port))
        yield Arms(folder, monolith, services)
