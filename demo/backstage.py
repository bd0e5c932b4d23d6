"""Who works behind the scenes: takes the money, carries what was said, does what was left."""

from __future__ import annotations

import secrets
import shutil
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import httpx

from demo.processes import Part, free_port
from demo.servers import ServerMissingError
from strangler.events.buses import Subscription
from strangler.events.buses.connect import connect
from strangler.events.relaying import listeners
from strangler.manifest import load

FAULTS = (
    "--fault",
    "duplicate=0.2",
    "--fault",
    "after=0.02",
    "--fault",
    "lost=0.02",
    "--seed",
    "7",
)
"""Webhooks that come twice, and answers that never come although the money was taken."""


class Broker(Part):
    """A Redis that keeps what it was told, whatever becomes of it."""

    def __init__(self, folder: Path, *, log: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise ServerMissingError("Redis is not installed: get Debian's `redis-server`")
        kept = folder / "broker"
        kept.mkdir()
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        super().__init__(
            "the broker",
            [program, "--bind", "127.0.0.1", "--port", str(self._port), "--dir", str(kept),
             "--save", "", "--appendonly", "yes", "--appendfsync", "always"],
            env={},
            log=log,
        )  # fmt: skip

    @property
    def asked(self) -> bool:
        """By whoever carries events."""
        return True

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1) as asked:
            asked.sendall(b"PING\r\n")
            return asked.recv(64).startswith(b"+PONG")
        return False


class Backstage:
    """The payment provider, the relay, the consumer, the worker, and the broker if there is one."""

    def __init__(self, folder: Path, *, monolith: str, manifest: Path, bus: str) -> None:
        self._manifest = manifest
        port, secret = free_port(), secrets.token_urlsafe(32)
        self._provider = f"http://127.0.0.1:{port}"
        self._folder = folder
        self._command = [
            sys.executable, "-m", "monolith.payments.sandbox", "--port", str(port),
            "--books", str(folder / "provider.sqlite3"),
            "--webhook", f"{monolith}/api/payments/webhooks/sandbox",
            f"--secret={secret}",  # as one: it may begin with a dash
            *FAULTS,
        ]  # fmt: skip
        self._broker = Broker(folder, log=folder / "log" / "broker.log") if bus == "redis" else None
        self.env = {
            "PAYMENTS_PROVIDER_URL": self._provider,
            "PAYMENTS_WEBHOOK_SECRETS": secret,
            "STRANGLER_BUS": self._broker.url if self._broker else bus,
        }

    def parts(self, env: Mapping[str, str]) -> tuple[Part, ...]:
        """All of them, in the shop's environment; the broker first."""
        provider = Part(
            "the payment provider",
            self._command,
            env=env,
            log=self._folder / "log" / "provider.log",
            ready=f"{self._provider}/healthz",
        )
        # Without a broker of Celery's a task runs where it is asked for: here.
        worker = self._part("worker", env, "celery", "-A", "monolith.config", "beat", "--pidfile=",
                            "--schedule", str(self._folder / "beat"))  # fmt: skip
        relay = self._part("relay", env, "strangler", "relay")
        consumer = self._part("consumer", env, "strangler", "consume")
        broker = (self._broker,) if self._broker else ()
        return (*broker, provider, relay, consumer, worker)

    def _part(self, name: str, env: Mapping[str, str], program: str, *arguments: str) -> Part:
        command = [str(Path(sys.executable).with_name(program)), *arguments]
        log = self._folder / "log" / f"{name}.log"
        return Part(f"the {name}", command, env=env, log=log)

    def waiting(self) -> int | None:
        """How many events somebody has still to take from the broker; None where there is none."""
        if self._broker is None:
            return None
        with connect(self._broker.url) as bus:
            return sum(
                _backlog(bus.subscribe(name, topics))
                for name, topics in listeners(load(self._manifest)).items()
            )

    def charged(self) -> dict[str, Decimal]:
        """What the provider has taken for each order, and not given back, by its own books."""
        books = httpx.get(f"{self._provider}/books", timeout=15).raise_for_status().json()
        return {
            key: Decimal(one["charged"]) - Decimal(one["refunded"]) for key, one in books.items()
        }


def _backlog(subscription: Subscription) -> int:
    with subscription:
        return subscription.backlog()
