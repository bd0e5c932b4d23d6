"""The reference monolith under gunicorn, as the benches of Django's side need it."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from strangler.ladder import Stage, Standing, share
from strangler.manifest import load
from strangler.ports.trust import keys
from strangler.routing.publish import publish
from strangler.routing.table import Entry
from tests.bench.harness import ROOT, Where, run, serving
from tests.servers import free_port

CAPABILITIES = tuple(load(ROOT / "router" / "capabilities.toml", {}).capabilities)
PRODUCTS = 50


class Server(NamedTuple):
    """A gunicorn of its own process group."""

    port: int
    pid: int


class Shop:
    """A folder with keys, a seeded database, a manifest and a routing table."""

    def __init__(self, folder: Path) -> None:
        """Make all of it.

        Raises:
            NotReadyError: it can't be made.
        """
        self.folder = folder
        self.pricing = free_port()
        self._revision = 0
        for party in ("monolith", "pricing"):
            keys.generate(folder / "keys", party)
        self.manifest("capabilities.toml")
        for command in (
            ["rotate_keys"],
            ["migrate", "-v0"],
            ["seed", "--products", str(PRODUCTS), "--customers", "2", "--orders", "0"],
        ):
            run("manage.py", *command, env=self.env)

    @property
    def env(self) -> dict[str, str]:
        """What every process of the shop reads."""
        return {
            "ALLOWED_HOSTS": "127.0.0.1",
            "DATABASE_URL": f"sqlite:///{self.folder / 'monolith.sqlite3'}",
            "DEBUG": "false",
            "DJANGO_SETTINGS_MODULE": "monolith.config.settings",
            "HTTPS": "false",
            "IDENTITY_KEYS": str(self.folder / "identity.json"),
            "SECRET_KEY": "of-no-use-to-anybody-" * 3,
            "STRANGLER_EDGE": "middleware",
            "STRANGLER_KEYS": str(self.folder / "keys"),
            "STRANGLER_MANIFEST": str(self.folder / "capabilities.toml"),
            "STRANGLER_PRICING_URL": f"http://127.0.0.1:{self.pricing}",
            "STRANGLER_TABLE": str(self.folder / "table"),
            "VAR": str(self.folder),
        }

    def manifest(self, name: str, *, sample: float | None = None) -> Path:
        """The shop's own manifest; the shadow of pricing samples this part."""
        text = (ROOT / "router" / "capabilities.toml").read_text()
        if sample is not None:
            text, found = re.subn(r"^sample = .*$", f"sample = {sample}", text, flags=re.MULTILINE)
            if found != 1:
                raise ValueError("router/capabilities.toml has not one line `sample = …`")
        path = self.folder / name
        path.write_text(text)
        return path

    def stand(self, stage: Stage) -> None:
        """Publish a table in which pricing stands here, and everything else on the first rung."""
        self._revision += 1
        standings = dict.fromkeys(CAPABILITIES, Standing()) | {"pricing": Standing(stage)}
        publish(
            self.folder / "table",
            self._revision,
            {name: _entry(standing) for name, standing in standings.items()},
        )

    def basket(self) -> Path:
        """The body of a quote: three lines."""
        lines = [{"sku": sku, "quantity": 2} for sku in self._skus()[:3]]
        path = self.folder / "basket.json"
        path.write_text(json.dumps({"lines": lines, "country": "DE"}))
        return path

    def _skus(self) -> list[str]:
        with contextlib.closing(sqlite3.connect(self.folder / "monolith.sqlite3")) as database:
            query = "SELECT sku FROM catalog_product WHERE active AND currency = 'EUR'"
            return [sku for (sku,) in database.execute(query)]

    def comparisons(self, name: str) -> Counter[str]:
        """How many comparisons of the shadow ended how, as that gunicorn has written it so far."""
        with contextlib.closing(sqlite3.connect(self.folder / f"{name}.sqlite3")) as database:
            query = "SELECT outcome, sum(count) FROM strangler_shadowtally GROUP BY outcome"
            return Counter(dict(database.execute(query)))

    @contextlib.contextmanager
    def gunicorn(
        self, name: str, *, workers: int = 2, env: Mapping[str, str] | None = None
    ) -> Iterator[Server]:
        """The monolith with synchronous workers, and a copy of the database to itself."""
        database = self.folder / f"{name}.sqlite3"
        shutil.copy(self.folder / "monolith.sqlite3", database)
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        own = {
            "DATABASE_URL": f"sqlite:///{database}",
            "STRANGLER_MONOLITH_URL": url,
            **(env or {}),
        }
        command = [
            "-m", "gunicorn", "monolith.config.wsgi", "--bind", f"127.0.0.1:{port}",
            "--workers", str(workers), "--timeout", "600", "--no-control-socket",
        ]  # fmt: skip
        with serving(
            command,
            ready=f"{url}/readyz",
            log=self.folder / f"{name}.log",
            env=self.env | own,
            where=Where.MEASURED,
        ) as pid:
            yield Server(port, pid)

    @contextlib.contextmanager
    def service(self, *, monolith: int) -> Iterator[Server]:
        """The pricing service, which asks that monolith for prices."""
        url = f"http://127.0.0.1:{self.pricing}"
        env = self.env | {
            "STRANGLER_TABLE": "",
            "STRANGLER_MONOLITH_URL": f"http://127.0.0.1:{monolith}",
        }
        command = ["-m", "extracted.pricing", "--port", str(self.pricing)]
        with serving(
            command,
            ready=f"{url}/readyz",
            log=self.folder / "pricing.log",
            env=env,
            where=Where.ELSEWHERE,
        ) as pid:
            yield Server(self.pricing, pid)


def _entry(standing: Standing) -> Entry:
    return Entry(
        stage=standing.stage,
        percent=standing.percent,
        held=False,
        killed=False,
        share=share(standing, tables=False),
        fallback=standing.stage is not Stage.RETIRED,
    )
