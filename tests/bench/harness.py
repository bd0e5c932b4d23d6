"""What the benches share: servers on free ports, rounds in turn, goals, rows of the report."""

from __future__ import annotations

import contextlib
import enum
import importlib
import math
import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

ROOT = Path(__file__).parents[2]
START_SECONDS = 30.0
STOP_SECONDS = 5.0


class Pair(NamedTuple):
    """What one round has measured on either side."""

    ours: float
    peer: float

    @property
    def ratio(self) -> float:
        """Ours as a part of the peer's."""
        return self.ours / self.peer


@dataclass(frozen=True, slots=True)
class Goal:
    """What a row has to reach, in words and as bounds of one of its figures."""

    text: str
    figure: Literal["ours", "extra", "ratio"]
    least: float = -math.inf
    most: float = math.inf

    def reached(self, row: Row) -> bool:
        """Whether the row's figure lies within."""
        figures = {"ours": row.ours, "extra": row.ours - row.peer, "ratio": row.ratio}
        return self.least <= figures[self.figure] <= self.most


def at_most(ratio: float) -> Goal:
    """Ours is at most this part of the peer's."""
    return Goal(f"ratio ≤ {ratio:g}", "ratio", most=ratio)


def at_least(ratio: float) -> Goal:
    """Ours is at least this many times the peer's."""
    return Goal(f"ratio ≥ {ratio:g}", "ratio", least=ratio)


def within(extra: float, unit: str) -> Goal:
    """Ours is at most this much more than the peer's."""
    return Goal(f"≤ {extra:g} {unit} more", "extra", most=extra)


def limit(most: float, unit: str) -> Goal:
    """Ours is at most this, whatever the peer's is."""
    return Goal(f"≤ {most:g} {unit}", "ours", most=most)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report. Without a goal it only informs; ``spread`` is of the ratio."""

    name: str
    ours: float
    peer: float
    peer_name: str
    unit: str
    ratio: float
    spread: tuple[float, float]
    goal: Goal | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether it reaches its goal; None without one."""
        return None if self.goal is None else self.goal.reached(self)

    def to_json(self) -> dict[str, Any]:
        """What the report says."""
        return {
            "name": self.name,
            "ours": round(self.ours, 4),
            "peer": round(self.peer, 4),
            "peer_name": self.peer_name,
            "ratio": round(self.ratio, 4),
            "spread": [round(end, 4) for end in self.spread],
            "goal": self.goal.text if self.goal else None,
            "met": self.met,
            "unit": self.unit,
            "note": self.note,
        }


def row(
    name: str,
    pairs: Sequence[Pair],
    *,
    peer_name: str,
    unit: str,
    goal: Goal | None = None,
    note: str = "",
) -> Row:
    """The medians of some rounds. The ratio is the median of each round's own."""
    ratios = [pair.ratio for pair in pairs]
    quarters = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [ratios[0]] * 3
    return Row(
        name=name,
        ours=statistics.median(pair.ours for pair in pairs),
        peer=statistics.median(pair.peer for pair in pairs),
        peer_name=peer_name,
        unit=unit,
        ratio=statistics.median(ratios),
        spread=(quarters[0], quarters[2]),
        goal=goal,
        note=note,
    )


def measured(name: str, folder: Path) -> list[Row]:
    """The rows of one bench, which may use the folder."""
    bench: Callable[[Path], Iterable[Row]] = importlib.import_module(f"tests.bench.{name}").bench
    return list(bench(folder))


T = TypeVar("T")


def in_turn(ours: Callable[[], T], peer: Callable[[], T], *, rounds: int) -> list[tuple[T, T]]:
    """Measure both in each round, and begin with the other one each time; the first warms up."""
    measured: list[tuple[T, T]] = []
    for number in range(rounds + 1):
        if number % 2:
            theirs = peer()
            measured.append((ours(), theirs))
        else:
            mine = ours()
            measured.append((mine, peer()))
    return measured[1:]


def cpu_seconds(pid: int) -> float:
    """Processor time that all threads of a process have used, of user and system."""
    # What clock_getcpuclockid(3) makes of a pid: exact, where /proc counts in hundredths.
    return time.clock_gettime((~pid << 3) | 2)


class Where(enum.Enum):
    """On which processors a server runs, so that what is measured shares its own with nobody."""

    ANYWHERE = enum.auto()
    MEASURED = enum.auto()
    ELSEWHERE = enum.auto()

    def pin(self, pid: int) -> None:
        """Put a process there, with all that it will fork; anywhere, where there is no choice."""
        if self is Where.ANYWHERE or not hasattr(os, "sched_setaffinity"):
            return
        first, *others = sorted(os.sched_getaffinity(0))
        if others:
            os.sched_setaffinity(pid, {first} if self is Where.MEASURED else others)


class NotReadyError(RuntimeError):
    """A process ended, or did not answer in time; the message ends with its log."""


@contextlib.contextmanager
def serving(
    command: Sequence[str],
    *,
    ready: str,
    log: Path,
    env: Mapping[str, str] | None = None,
    where: Where = Where.ANYWHERE,
) -> Iterator[int]:
    """A server of ours with all its workers, for as long as the block lasts; yields its pid.

    Args:
        command: what comes after ``python``.
        ready: the URL that answers once it is up.
        log: the file that its output is written to.
        env: on top of our own environment.
        where: on which processors.

    Raises:
        NotReadyError: it ended, or took longer than ``START_SECONDS``.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        where.pin(process.pid)
        _await(process, ready, log)
        yield process.pid
    finally:
        _stop(process)


def run(*command: str, env: Mapping[str, str]) -> None:
    """Run ``python`` with these arguments to its end.

    Raises:
        NotReadyError: it failed; the message is what it said.
    """
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        raise NotReadyError(f"{' '.join(command)} failed with {done.returncode}:\n{done.stdout}")


def _await(process: subprocess.Popen[bytes], ready: str, log: Path) -> None:
    limit = time.monotonic() + START_SECONDS
    while not _answers(ready):
        if process.poll() is not None or time.monotonic() > limit:
            end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise NotReadyError(f"{ready} does not answer; the end of {log}:\n{end}")
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except OSError:
        return False


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stop a server of ours with all its workers for the block, whatever it is doing."""
    os.killpg(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(pid, signal.SIGCONT)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """The whole group, workers too, and nobody else: the process leads it."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
            return
