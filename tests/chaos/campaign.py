"""A run: writers at work while the rows change owner again and again, and all that befalls them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self

import psycopg

from strangler.transfer.errors import TransferError
from tests.chaos import cast, checker, notes, writer
from tests.chaos.faults import Fault
from tests.chaos.world import World, mend

WRITERS = 8
ROGUES = 2
ENOUGH = 60
"""Commands that have to be acknowledged before a run may end, for it to say anything."""
_PATIENCE = 60.0
_TRIES = 4
_WHILE = 0.5
"""Seconds in which an owner is written to, before the next one takes over."""

# A process of the server that forks them has all that they need imported, and no thread.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.chaos.cast", "tests.chaos.writer"])


class Unsettled(AssertionError):
    """Nobody has put right what a blow has left."""


@dataclass
class Outcome:
    """What came of a run."""

    found: checker.Found
    switched: int = 0
    refused: list[str] = field(default_factory=list)
    broke: list[str] = field(default_factory=list)
    struck: list[str] = field(default_factory=list)
    longest: float = 0.0
    """Freeze, of a switch that nothing befell."""

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing twice, no error, no two owners."""
        return not self.found.problems


class Campaign:
    """The cast on a world; leaving it ends every process that was started."""

    def __init__(
        self, world: World, *, seed: int = 0, writers: int = WRITERS, crowd: bool = True
    ) -> None:
        self.world = world
        self._crowd = crowd
        self._random = random.Random(seed)
        self._names = [f"w{number}" for number in range(writers)]
        self._rogues = [f"rogue{number}" for number in range(ROGUES)]
        self._there: dict[str, BaseProcess] = {}
        self._ended = False

    @classmethod
    def of(cls, world: World) -> Self:
        """Nobody but whom a test starts."""
        return cls(world, writers=0, crowd=False)

    def __enter__(self) -> Self:
        if not self._crowd:
            return self
        self.start("mover", cast.mover)
        self.start("watch", cast.watch)
        for name in self._names:
            self._write(name)
        for name in self._rogues:
            self.start(name, writer.rogue, name, self._random.randrange(2**32))
        return self

    def __exit__(self, *_: object) -> None:
        self.world.ending.touch()
        for process in self._there.values():
            if process.pid is not None and process.is_alive():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGCONT)
                process.kill()
            process.join()

    def start(self, name: str, target: Callable[..., None], *given: Any) -> BaseProcess:
        process = _context.Process(target=target, args=(self.world, *given), name=name)
        process.start()
        self._there[name] = process
        return process

    def _write(self, name: str) -> None:
        self.start(name, writer.command, name, self._random.randrange(2**32))

    def kill_writer(self) -> None:
        """One of them, in the middle of whatever it does; another goes on under its name."""
        name = self._random.choice(self._names)
        self._there[name].kill()
        self._there[name].join()
        self._write(name)

    def _revive(self) -> None:
        """Whoever was killed is started again, as a supervisor does."""
        for name in self._names:
            if self._there[name].exitcode == -signal.SIGKILL:
                self._write(name)

    def kill_mover(self) -> None:
        """While it carries, and holds the lease."""
        self._there["mover"].kill()
        self._there["mover"].join()
        self.start("mover", cast.mover)

    def cut_some(self) -> None:
        """Some connections, whosever they are."""
        for url in {self.world.monolith, self.world.service}:
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url) as there:
                there.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE random() < 0.4"
                    " AND datname = current_database() AND pid <> pg_backend_pid()"
                )

    def switch(self, fault: Fault | None = None) -> None:
        """Let the rows change owner, and the fault befall it; then wait until all is well."""
        process = self.start("switch", cast.switch, fault)
        stopped = self.ended_or_stopped(process)
        if stopped and process.pid is not None:
            with contextlib.suppress(Unsettled):
                self._settle(3 * self.world.lease + 0.5)  # another mover comes, if it can
            os.kill(process.pid, signal.SIGCONT)
            self.ended_or_stopped(process)
        self._settle(_PATIENCE, fault)

    def strike(self, fault: Fault) -> None:
        """Let it befall a switch: the next, or a later one where that loses its lease before."""
        for _ in range(_TRIES):
            self.switch(fault)
            self._revive()
            said = notes.read(cast.switches(self.world))
            if any(line.get("struck") == str(fault) for line in said):
                return

    def switch_often(self, times: int) -> None:
        """So many times; one that is undone, as a busy machine may have it, is tried again."""
        wanted = self.world.desk.decision().epoch + times
        for _ in range(3 * times):
            if self.world.desk.decision().epoch >= wanted:
                return
            self.switch()
            time.sleep(_WHILE)

    def ended_or_stopped(self, process: BaseProcess) -> bool:
        """Wait for either; whether it is stopped."""
        until = time.monotonic() + _PATIENCE
        while process.is_alive():
            if process.pid is not None and _state(process.pid) == "T":
                return True
            if time.monotonic() > until:
                raise Unsettled("a switch does not come to its end")
            time.sleep(0.01)
        process.join()
        return False

    def _settle(self, patience: float, fault: Fault | None = None) -> None:
        until = time.monotonic() + patience
        while not self.world.settled():
            if time.monotonic() > until:
                raise Unsettled(f"nobody has put it right after: {fault}")
            time.sleep(0.02)

    def finish(self) -> Outcome:
        """Let everybody come to an end, see that all is well, and count."""
        until = time.monotonic() + _PATIENCE
        while self._names and self._acknowledged() < ENOUGH and time.monotonic() < until:
            time.sleep(0.1)
        self.world.ending.touch()
        for name, process in self._there.items():
            process.join(90)
            assert not process.is_alive(), f"{name} does not come to an end"
        self._finish_rows()
        outcome = Outcome(checker.check(self.world, self._names, self._rogues))
        for name, process in self._there.items():
            if process.exitcode and name != "switch":
                outcome.found.errors.append(f"{name} ended with {process.exitcode}")
        for line in notes.read(cast.switches(self.world)):
            outcome.switched += "switched" in line
            outcome.longest = max(outcome.longest, line.get("freeze", 0.0))
            for word in ("refused", "broke", "struck"):
                if word in line:
                    getattr(outcome, word).append(line[word])
        return outcome

    def _acknowledged(self) -> int:
        logs = (writer.log_of(self.world, name) for name in self._names)
        return sum("done" in line for log in logs for line in notes.read(log))

    def _finish_rows(self) -> None:
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                mend(self.world)
                checker.drain(self.world)
            except TransferError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
            else:
                return


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
