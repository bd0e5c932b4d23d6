"""A shop that says what becomes of orders, and both sides of who tells its customers of it."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from demo.processes import ROOT, Part, free_port
from strangler.ladder import Stage
from tests.e2e.transfer.hand import Hand
from tests.monolith.notifications.postbox import Postbox, Program, postbox, program

BECAUSE = ("--force", "--reason", "a test of what comes later")
NAME = "notifications"


@dataclass(frozen=True)
class Places:
    """The databases, for those who use them and for the mover."""

    monolith: str
    service: str
    mover: tuple[str, str]

    def rows(self, side: str, query: str) -> Sequence[Sequence[Any]]:
        """Ask one side, past everybody's code."""
        url = self.monolith if side == "monolith" else self.service
        if url.startswith("sqlite:"):
            file = url.removeprefix("sqlite:///")
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=20)) as books:
                return books.execute(query).fetchall()
        with psycopg.connect(url) as connection:
            return connection.execute(query.encode()).fetchall()


@dataclass
class Stand:
    """What runs, and who looks at it.

    Attributes:
        parts: by name: ``monolith``, ``service``, ``relay``, ``mover``, ``speaker``, and with a
            broker ``consumer``.
        customers: the last one has a program that is told too.
    """

    folder: Path
    url: str
    places: Places
    hand: Hand
    parts: dict[str, Part]
    mails: Postbox
    told: Program
    customers: list[str]

    @property
    def consumer(self) -> Part:
        """Whoever takes events for the monolith: with the http bus its web process."""
        return self.parts.get("consumer", self.parts["monolith"])

    def again(self, part: Part) -> None:
        """SIGKILL, and another one at once."""
        part.kill()
        part.spawn()

    def climb(self, to: Stage) -> None:
        """Up to this rung; gates that want traffic are taken on trust."""
        rungs = [Stage.REPLICATING, Stage.SHADOW, Stage.CANARY, Stage.LIVE]
        at = self.stage()
        start = rungs.index(at) + 1 if at in rungs else 0
        for stage in rungs[start : rungs.index(to) + 1]:
            self.advance(stage)

    def advance(self, stage: Stage, meanwhile: Callable[[], None] | None = None) -> None:
        """One rung up; ``meanwhile`` is done while that is under way."""
        share = ("--percent", "50") if stage is Stage.CANARY else ()
        trusted = () if stage is Stage.REPLICATING else BECAUSE
        self.change(["advance", NAME, "--to", str(stage), *share, *trusted], meanwhile)

    def back(self, meanwhile: Callable[[], None] | None = None) -> None:
        """The rows are the monolith's again."""
        self.change(["rollback", NAME], meanwhile)

    def change(self, arguments: list[str], meanwhile: Callable[[], None] | None = None) -> None:
        """A command that has to succeed in the end: a busy machine may have it undone."""
        until = time.monotonic() + 90
        while True:
            self.hand.begin(*arguments)
            if meanwhile is not None:
                meanwhile()
                meanwhile = None
            said = self.hand.end()
            assert said is not None
            if said.code == 0:
                return
            assert time.monotonic() < until, said
            time.sleep(0.3)

    def seen(self) -> dict[str, Any]:
        """What ``strangler transfer status`` says."""
        said = self.hand.strangler("transfer", "status", NAME)
        assert "capabilities" in (said.answer or ()), said
        found: dict[str, Any] = said.answer["capabilities"][0]
        return found

    def stage(self) -> Stage:
        return Stage(self.seen()["stage"])

    def handled(self, side: str) -> int:
        """How many events a side has handled."""
        return int(self.places.rows(side, "SELECT count(*) FROM witness")[0][0])

    def goes_on(self, side: str, more: int = 4) -> None:
        """Wait until this side has handled some more."""
        before = self.handled(side)
        self.until(lambda: self.handled(side) >= before + more)

    def quiet(self) -> dict[str, str]:
        """Nothing more is said; the customer of each order that there was."""
        (self.folder / "quiet").touch()
        said = self.folder / "said.json"
        self.until(said.exists)
        found: dict[str, str] = json.loads(said.read_text())
        return found

    @staticmethod
    def until(holds: Callable[[], object], *, patience: float = 90.0) -> None:
        """Wait until something holds."""
        end = time.monotonic() + patience
        while not holds():
            assert time.monotonic() < end, "it never came to hold"
            time.sleep(0.1)


@contextmanager
def opened(folder: Path, places: Places, *, bus: str, rate: float) -> Iterator[Stand]:
    """Everything runs; orders are confirmed from the beginning, so many each second."""
    ports = free_port(), free_port()
    url, service = (f"http://127.0.0.1:{port}" for port in ports)
    with ExitStack() as stack:
        mails = stack.enter_context(postbox())
        told = stack.enter_context(program())
        env = {
            "ALLOWED_HOSTS": "127.0.0.1",
            "DATABASE_URL": places.monolith,
            "DEBUG": "false",
            "DJANGO_SETTINGS_MODULE": "tests.e2e.listening.settings",
            "EMAIL_TIMEOUT": "20",
            "EMAIL_URL": f"smtp://127.0.0.1:{mails.port}",
            "HTTPS": "false",
            "IDENTITY_KEYS": str(folder / "identity.json"),
            "NOTIFICATIONS_DATABASE_URL": places.service,
            "NOTIFICATIONS_DELIVERY": "0.5",
            "NOTIFICATIONS_EMAIL_TIMEOUT": "20",
            "NOTIFICATIONS_LEASE": "4",
            "NOTIFICATIONS_EMAIL_URL": f"smtp://127.0.0.1:{mails.port}",
            "PYTHONPATH": str(ROOT),
            "SECRET_KEY": secrets.token_urlsafe(48),
            "STRANGLER_BUS": bus,
            "STRANGLER_EDGE": "middleware",
            "STRANGLER_KEYS": str(folder / "keys"),
            "STRANGLER_MANIFEST": str(ROOT / "router" / "capabilities.toml"),
            "STRANGLER_MONOLITH_URL": url,
            "STRANGLER_MOVER_DATABASE": places.mover[0],
            "STRANGLER_NOTIFICATIONS_DATABASE": places.mover[1],
            "STRANGLER_NOTIFICATIONS_URL": service,
            "STRANGLER_TABLE": str(folder / "table"),
            "VAR": str(folder),
        }
        hand = stack.enter_context(Hand({**os.environ, **env}, folder / "hand.log"))
        customers = hand.call("tests.e2e.listening.making:prepare", places.service, told.url)

        def part(name: str, *command: str, ready: str | None = None) -> Part:
            log = folder / f"{name}.log"
            return Part(name, [sys.executable, *command], env=env, log=log, ready=ready)

        commands = {
            "monolith": part(
                "monolith", "-m", "gunicorn", "monolith.config.wsgi", "--worker-class", "gthread",
                "--threads", "6", "--bind", f"127.0.0.1:{ports[0]}", "--no-control-socket",
                ready=f"{url}/readyz",
            ),
            "service": part(
                "service", "-m", "tests.e2e.listening.service", "--port", str(ports[1]),
                ready=f"{service}/readyz",
            ),
            "relay": part("relay", "manage.py", "strangler", "relay"),
            "mover": part("mover", "manage.py", "strangler", "mover", NAME),
            "speaker": part(
                "speaker", "-m", "tests.e2e.listening.speaking", str(folder), str(rate), *customers
            ),
        }  # fmt: skip
        if not bus.startswith("http"):
            commands["consumer"] = part("consumer", "manage.py", "strangler", "consume", NAME)
        for one in commands.values():
            stack.callback(one.stop)
            one.spawn()
        for one in commands.values():
            one.wait()
        yield Stand(folder, url, places, hand, commands, mails, told, customers)
