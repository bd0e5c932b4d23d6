"""A real NGINX that runs as an agent's does: in a folder with what the agent has compiled."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strangler.agent.configuring import Nginx
from strangler.routing.nginx import Settings
from tests.servers import Server, installed_nginx
from tests.strangler.routing.edge.front import Client

MANIFEST = """
[edge]
monolith = "{monolith}"
sticky   = ["cookie", "address"]

[capability.weather]
context  = "weather"
owner    = "team-sky"
contract = "weather:Weather"
service  = ["{service}"]
routes   = ["/weather/"]
"""
SECRET = "0123456789abcdef"


def user() -> str | None:
    """As whom it answers: a test's folder may be nobody else's."""
    return "root" if os.geteuid() == 0 else None


class Edge(Server):
    """The server, and what its agent has of it."""

    def __init__(
        self, root: Path, *, monolith: str, service: str = "http://127.0.0.1:9", **settings: Any
    ) -> None:
        super().__init__()
        self.manifest = root / "capabilities.toml"
        self.secret = root / "keys" / "edge.secret"
        self.secret.parent.mkdir(exist_ok=True)
        self.secret.write_text(SECRET + "\n")
        self.write(monolith=monolith, service=service)
        self._settings = {"table": str(root / "table"), "user": user(), **settings}

    def write(self, **urls: str) -> None:
        """Another manifest."""
        self.manifest.write_text(MANIFEST.format(**urls))

    def nginx(self, **changes: Any) -> Nginx:
        """What an agent that has just begun has of it."""
        settings = {"listen": f"127.0.0.1:{self.port}", **self._settings, **changes}
        return Nginx(
            self.folder,
            program=installed_nginx(),
            manifest=self.manifest,
            secret=self.secret,
            settings=Settings(**settings),
        )

    def prepare(self) -> None:
        """See that there is an NGINX at all."""
        installed_nginx()

    def command(self) -> list[str]:
        """How it is started, once it has a configuration."""
        self.nginx().fit(frozenset())
        where = ["-p", str(self.folder), "-c", "current/nginx.conf", "-e", "error.log"]
        return [installed_nginx(), *where, "-g", "daemon off;"]

    def answers(self) -> bool:
        """Whether it listens."""
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        known = (self.folder / "nginx.pid").read_text().strip() == str(self.pid)
        return known and len(self.workers()) == os.cpu_count()

    def ask(self, method: str, target: str, headers: Mapping[str, str] | None = None) -> Any:
        """One request, on a connection of its own."""
        client = Client(self.port)
        try:
            return client.ask(method, target, headers)
        finally:
            client.close()

    def workers(self) -> set[str]:
        """Its worker processes: others after each reload."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return {one for one in children if _title(one).startswith("nginx: worker process")}


def _title(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
