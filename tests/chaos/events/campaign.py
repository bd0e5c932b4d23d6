"""A run: events are said, carried and handled, while all who do so are killed again and again."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from typing import Any, Self

import psycopg

from tests.chaos.events import checker, listeners, relays, speakers
from tests.chaos.events.places import Place, crash, hold
from tests.chaos.events.points import known
from tests.chaos.events.world import DIARY, GARDEN, LEASE

STALLED = 60.0
"""Seconds without any progress, after which a run has failed."""
BROKEN = 10
"""Processes of one kind that may end by themselves, as when a port is not free yet."""
LATE = 8
"""A process is killed before its so manieth passing of a step at most."""

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["tests.chaos.events.listeners", "tests.chaos.events.relays", "tests.chaos.events.speakers"]
)


@dataclass
class Outcome:
    """What came of a run."""

    found: checker.Found
    blows: Counter[str] = field(default_factory=Counter)
    steps: int = 0
    """That were passed by anybody."""
    struck: int = 0
    """Those of them at which somebody was killed."""
    spared: list[str] = field(default_factory=list)
    seconds: float = 0.0
    stalled: bool = False

    @property
    def clean(self) -> bool:
        """Everything has happened, once, in order."""
        return not self.found.problems and not self.stalled


@dataclass
class _Part:
    """A process that is always there: whoever dies is followed by another."""

    role: str
    target: Callable[..., None]
    given: tuple[Any, ...]
    process: BaseProcess | None = None


class Campaign:
    """The processes of a place; leaving it ends every one of them."""

    def __init__(self, place: Place, *, seed: int = 0, stopping: bool = True) -> None:
        self.place = place
        self.world = place.world
        self.blows: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._stopping = stopping
        self._fatal = True
        speaking = [
            _Part("speaker", speakers.speak, (number + 1000 * seed,)) for number in range(2)
        ]
        relaying = [_Part("relay", relays.carry, ()) for _ in range(2)]
        if self.world.postgres:
            listening = [_Part(name, listeners.pull, (name,)) for name in (GARDEN, GARDEN, DIARY)]
        else:
            listening = [_Part(GARDEN, listeners.chassis, (number,)) for number in range(2)]
            listening += [_Part(DIARY, listeners.wsgi, (DIARY,))]
        self._speakers = speaking
        self._parts = [*speaking, *relaying, *listening]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.world.ending.touch()
        for part in self._parts:
            if part.process is not None:
                self._wake(part)
                part.process.terminate()
        until = time.monotonic() + 5
        for part in self._parts:
            if part.process is not None:
                part.process.join(max(0.0, until - time.monotonic()))
                part.process.kill()
                part.process.join()

    def run(self, blows: int, *, between: float = 0.2) -> Outcome:
        """Say all events, strike so many blows at least, let everything settle, and compare."""
        began = time.monotonic()
        self._revive()
        struck = 0
        while self._speaking() or struck < blows:
            if not self._speaking() and checker.settled(self.world):
                break  # there is nothing more to disturb
            time.sleep(between * self._random.uniform(0.5, 1.5))
            self._strike()
            struck += 1
            self._revive()
        self._fatal = False
        stalled = self._settle()
        outcome = Outcome(checker.check(self.world), self.blows, stalled=stalled)
        for role in sorted({part.role for part in self._parts}):
            passed, at = known(self.world, role)
            outcome.steps += len(passed)
            outcome.struck += len(at)
            outcome.spared += [f"{role} {one}" for one in sorted(passed.keys() - at.keys())]
        outcome.seconds = time.monotonic() - began
        return outcome

    def _speaking(self) -> bool:
        """Whoever speaks ends by itself, and with 0, once enough has been said."""
        return any(part.process is None or part.process.exitcode != 0 for part in self._speakers)

    def _settle(self) -> bool:
        """Wait until everything is done; has it stalled instead?"""
        last: tuple[int, ...] = ()
        patience = STALLED if not self.world.mutation else STALLED / 4
        until = time.monotonic() + patience
        while time.monotonic() < until:
            self._revive()
            with contextlib.suppress(psycopg.OperationalError):
                if checker.settled(self.world):
                    return False
                now = checker.progress(self.world)
                if now != last:
                    last, until = now, time.monotonic() + patience
            time.sleep(0.1)
        return True

    def _revive(self) -> None:
        for part in self._parts:
            process = part.process
            if process is not None and (process.is_alive() or process.exitcode == 0):
                continue
            if process is not None:
                self.blows["died"] += process.exitcode == -signal.SIGKILL
                if process.exitcode != -signal.SIGKILL:
                    ended = f"{part.role} ended with {process.exitcode}"
                    self.blows[ended] += 1
                    assert self.blows[ended] < BROKEN, ended
            fatal = self._step(part.role) if self._fatal else None
            given = (self.world, *part.given, fatal)
            part.process = _context.Process(target=part.target, args=given, daemon=True)
            part.process.start()

    def _step(self, role: str) -> tuple[str, int] | None:
        """Where this one is to be killed: at a step that has been struck least; or nowhere."""
        passed, struck = known(self.world, role)
        if not passed or self._random.random() < 0.3:
            return None
        least = min(struck[label] for label in passed)
        label = self._random.choice(sorted(one for one in passed if struck[one] == least))
        return label, self._random.randint(1, LATE if least else 1)

    def _strike(self) -> None:
        blow = self._random.choices(
            [self._kill, self._stop, self._broker_dies, self._cut, self._database_dies],
            [10, 3 if self._stopping else 0, 1, 1, 0.5],
        )[0]
        blow()

    def _kill(self) -> None:
        self._one().kill()
        self.blows["killed"] += 1

    def _stop(self) -> None:
        """For longer than it holds anything, while others go on."""
        process = self._one()
        if process.pid is None or not process.is_alive():
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGSTOP)
            until = time.monotonic() + 1.5 * LEASE
            while time.monotonic() < until:
                time.sleep(0.1)
                self._revive()
            os.kill(process.pid, signal.SIGCONT)
            self.blows["stopped"] += 1

    def _broker_dies(self) -> None:
        broker = self.place.broker
        if broker is None:
            self._file_is_kept()
            return
        broker.kill()
        time.sleep(self._random.uniform(0, 0.3))
        broker.again()
        self.blows["broker killed"] += 1

    def _cut(self) -> None:
        wire = self.place.wire
        if wire is None:
            self._file_is_kept()
            return
        wire.cut()
        time.sleep(self._random.uniform(0.1, 1.0))
        wire.mend()
        self.blows["broker cut off"] += 1

    def _file_is_kept(self) -> None:
        seconds = self._random.uniform(0.1, 1.0)
        with hold(self.world, seconds):
            time.sleep(seconds)
        self.blows["file kept"] += 1

    def _database_dies(self) -> None:
        server = self.place.server
        if server is None:
            self._file_is_kept()
            return
        crashes = server.crashes
        crash(server)
        while server.crashes == crashes:
            time.sleep(0.02)
        self.blows["database killed"] += 1

    def _one(self) -> BaseProcess:
        there = [part.process for part in self._parts if part.process is not None]
        return self._random.choice(there)

    def _wake(self, part: _Part) -> None:
        if part.process is not None and part.process.pid is not None and part.process.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(part.process.pid, signal.SIGCONT)
