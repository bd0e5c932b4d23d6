"""The film, from the outside: what it prints, writes, leaves running, and leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.long
PATIENCE = 480
"""Seconds for a film of one minute: tests share their machine."""


class Film:
    """``python -m demo`` in a folder of its own."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder = folder
        self.output = folder / "output"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "demo"],
                cwd=ROOT,
                env={**os.environ, "DEMO_FOLDER": str(folder / "demo"), **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_for(self, text: str) -> None:
        until = time.monotonic() + PATIENCE
        while text not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < until, self.said()
            time.sleep(0.1)

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=30)

    def said(self) -> str:
        return self.output.read_text()

    def processes(self) -> set[int]:
        """Every process below the film's, its own left out."""
        found: set[int] = set()
        waiting = [self.process.pid]
        while waiting:
            children = Path(f"/proc/{waiting.pop()}/task")
            for task in children.glob("*/children"):
                pids = [int(pid) for pid in task.read_text().split()]
                found.update(pids)
                waiting.extend(pids)
        return found


@pytest.fixture
def rolling(tmp_path: Path) -> Iterator[list[Film]]:
    films: list[Film] = []
    yield films
    for film in films:
        if film.process.poll() is None:
            film.interrupt()


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


CLIMB = [
    "monolith", "shadow", "canary 5", "canary 25", "canary 50", "live",
    "monolith", "shadow", "canary 50", "live",
]  # fmt: skip


CATALOG = ["monolith", "replicating", "shadow", "canary 50", "live"]
BACK_AND_AGAIN = [*CATALOG, "canary 50", "live"]
CLIMBED = {"catalog": CATALOG, "notifications": BACK_AND_AGAIN, "inventory": BACK_AND_AGAIN}


def check(
    film: Film, stages: list[str], *, database: str, edge: str = "middleware", bus: str = "http"
) -> None:
    report = json.loads((film.folder / "demo" / "report.json").read_text())
    assert report["edge"] == edge
    assert report["database"] == database
    assert report["faults"] == [], film.said()
    assert {name: report[name] for name in ("failed", "wrong", "lost", "twice")} == {
        "failed": 0, "wrong": 0, "lost": 0, "twice": 0,
    }, film.said()  # fmt: skip
    assert report["finished"], film.said()
    assert report["orders"] > 0
    assert report["rescued"] > 0
    assert report["requests_by_arm"].keys() == {"monolith", "service"}
    assert report["requests"] == sum(report["requests_by_arm"].values())
    climbed = {climb["capability"]: climb["stages"] for climb in report["climbs"]}
    assert climbed == {"pricing": stages, **CLIMBED}
    carried = report["transfer"]
    assert carried["rows"] > 500
    assert carried["differing"] == 0
    switched = ["catalog", *["notifications"] * 3, *["inventory"] * 3]
    assert [name for name, _ in carried["freezes"]] == switched
    assert all(0 < freeze < 5 for _, freeze in carried["freezes"])
    assert carried["lag"].keys() == CLIMBED.keys()
    assert report["slowest_write"] > 0
    told = report["events"]
    assert told["published"] >= report["orders"]
    assert told["delivered"] >= 2 * report["orders"]  # shipping and notifications
    assert (told["lost"], told["twice"], told["parked"]) == (0, 0, 0)
    mails = report["mails"]
    assert mails.keys() == {"monolith", "service"}
    assert sum(mails.values()) >= report["orders"]
    sagas = report["sagas"]
    assert sagas["completed"] >= report["orders"]
    assert sagas["compensated"] > 0
    assert sagas["stuck"] == 0
    assert Decimal(report["money"]["charged"]) > 0
    assert report["money"]["differing"] == 0
    assert report["bus"] == bus
    dying = ["the payment provider", "the relay", "the consumer", "the worker"]
    for dead in [*dying, *(["the broker"] if bus == "redis" else [])]:
        assert f"{dead} is gone" in film.said().replace("\n", " ")
    assert "$.tax_rate differs" in film.said().replace("\n", " ")
    assert (film.folder / "demo" / "view.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("edge", "database", "bus"),
    [
        ("middleware", "postgres", "redis"),
        ("nginx", "sqlite", "http"),
        ("nginx", "postgres", "redis"),
    ],
)
def test_the_whole_film(
    tmp_path: Path, rolling: list[Film], edge: str, database: str, bus: str
) -> None:
    film = Film(tmp_path, EDGE=edge, DATABASE=database, BUS=bus)
    rolling.append(film)
    film.wait_for("$ strangler advance pricing")
    started = film.processes()
    assert film.process.wait(timeout=PATIENCE) == 0, film.said()
    check(film, [*CLIMB, "retired"], database=database, edge=edge, bus=bus)
    assert not {pid for pid in started if _alive(pid)}


@pytest.mark.foremost
def test_a_film_on_sqlite_that_stays(tmp_path: Path, rolling: list[Film]) -> None:
    film = Film(tmp_path, STAY="1")
    rolling.append(film)
    film.wait_for("The shop stays open at ")
    check(film, CLIMB, database="sqlite")
    url = film.said().partition("The shop stays open at ")[2].split()[0]
    with urlopen(f"{url}api/catalog/products/") as answer:
        assert json.load(answer)["results"]
    started = film.processes()
    assert len(started) > 2
    assert film.interrupt() == 0
    assert not {pid for pid in started if _alive(pid)}


def test_the_whole_film_can_be_broken_off(tmp_path: Path, rolling: list[Film]) -> None:
    film = Film(tmp_path)
    rolling.append(film)
    film.wait_for("strangler advance pricing")
    started = film.processes()
    assert len(started) > 2
    # Where Python was just making a class it ends by the signal; a shell shows 130 for either.
    assert film.interrupt() in {130, -signal.SIGINT}
    assert "everything it started is down" in film.said()
    assert not {pid for pid in started if _alive(pid)}


@pytest.mark.parametrize(("name", "value"), [("EDGE", "apache"), ("DATABASE", "oracle")])
def test_unknown_settings_are_refused(
    tmp_path: Path, rolling: list[Film], name: str, value: str
) -> None:
    film = Film(tmp_path, **{name: value})
    rolling.append(film)
    assert film.process.wait(timeout=60) == 2
    assert f"{name}={value} is unknown here" in film.said()
