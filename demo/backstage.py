"""Who works behind the scenes: takes the money, carries what was said, does what was left."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import httpx

from demo.processes import Part, free_port


class Backstage:
    """The payment provider, the relay, and the worker."""

    def __init__(self, folder: Path, *, monolith: str) -> None:
        port, secret = free_port(), secrets.token_urlsafe(32)
        self._provider = f"http://127.0.0.1:{port}"
        self._folder = folder
        self._command = [
            sys.executable, "-m", "monolith.payments.sandbox", "--port", str(port),
            "--books", str(folder / "provider.sqlite3"),
            "--webhook", f"{monolith}/api/payments/webhooks/sandbox", "--secret", secret,
            "--fault", "duplicate=0.2", "--fault", "after=0.02", "--fault", "lost=0.02", "--seed", "7",
        ]  # fmt: skip
        self.env = {
            "PAYMENTS_PROVIDER_URL": self._provider,
            "PAYMENTS_WEBHOOK_SECRETS": secret,
        }

    def parts(self, env: Mapping[str, str]) -> tuple[Part, ...]:
        """All of them, in the shop's environment."""
        log, program = self._folder / "log", Path(sys.executable)
        self.provider = Part(
            "the payment provider",
            self._command,
            env=env,
            log=log / "provider.log",
            ready=f"{self._provider}/healthz",
        )
        self.relay = Part(
            "the relay",
            [str(program.with_name("strangler")), "relay"],
            env=env,
            log=log / "relay.log",
        )
        # Without a broker a task runs where it is asked for: here.
        self.worker = Part(
            "the worker",
            [str(program.with_name("celery")), "-A", "monolith.config", "beat", "--pidfile=",
             "--schedule", str(self._folder / "beat")],
            env=env,
            log=log / "worker.log",
        )  # fmt: skip
        return (self.provider, self.relay, self.worker)

    def charged(self) -> dict[str, Decimal]:
        """What the provider has taken for each order, and not given back, by its own books."""
        books = httpx.get(f"{self._provider}/books", timeout=15).raise_for_status().json()
        return {
            key: Decimal(one["charged"]) - Decimal(one["refunded"]) for key, one in books.items()
        }
