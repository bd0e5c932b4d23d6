"""A clock that is set, forward and back, beside a real NGINX: by libfaketime."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from tests.e2e.transfer.skewed import LIBRARIES
from tests.servers import ServerMissingError
from tests.strangler.routing.edge import front
from tests.strangler.routing.edge.front import Answer, Front, System, system

HOUR = 3600
NAMES = ("FAKETIME_TIMESTAMP_FILE", "FAKETIME_NO_CACHE", "FAKETIME_DONT_FAKE_MONOTONIC")


class Clocked(Front):
    """One whose clock is so many seconds ahead as a file in its folder says."""

    def prepare(self) -> None:
        super().prepare()
        self.set(0)

    def set(self, ahead: int) -> None:
        new = self.folder / "clock.new"
        new.write_text(f"{ahead:+}\n")
        new.rename(self.folder / "clock")

    def command(self) -> list[str]:
        found = next(LIBRARIES.glob("*/faketime/libfaketime.so.1"), None)
        if found is None:
            raise ServerMissingError("libfaketime is not installed: get Debian's `faketime`")
        command = super().command()
        path = self.folder / "nginx.conf"
        path.write_text("".join(f"env {name};\n" for name in NAMES) + path.read_text())
        clock = str(self.folder / "clock")
        fake = [f"{name}={value}" for name, value in zip(NAMES, (clock, 1, 1), strict=True)]
        return ["env", f"LD_PRELOAD={found}", *fake, *command]


class Watch:
    """An edge, and its clock."""

    def __init__(self, edge: System) -> None:
        self._edge = edge
        self._clock = edge.front
        self._real = time.time()

    @property
    def tokens(self) -> int:
        return len(self._edge.monolith.seen) - len(self._edge.asked)

    def ask(self, method: str = "GET") -> Answer:
        answer = self._edge.ask(method, "/weather/rome", {"Cookie": "strangler_cohort=7"})
        assert (answer.status, answer.arm) == (200, "service")
        return answer

    def set(self, ahead: int) -> None:
        """Set the clock, and wait until NGINX has looked at it."""
        assert isinstance(self._clock, Clocked)
        self._clock.set(ahead)
        until = time.monotonic() + 20
        while abs(self._ahead() - ahead) > HOUR // 2:
            assert time.monotonic() < until
            time.sleep(0.02)

    def _ahead(self) -> float:
        said = self._edge.ask("GET", "/about").header("Date") or ""
        return parsedate_to_datetime(said).timestamp() - time.time()


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    monkeypatch.setattr(front, "Front", Clocked)
    with system(tmp_path) as edge:
        edge.stand(1000)
        yield Watch(edge)


def test_no_token_outlives_a_clock_that_is_set_back(watch: Watch) -> None:
    """The service would refuse it, for as long as the clock has to go until it is there again."""
    watch.set(HOUR)
    watch.ask()
    before = watch.tokens
    watch.ask()
    assert watch.tokens - before <= 1, "a token is kept for some seconds"
    before = watch.tokens
    watch.set(0)
    watch.ask()
    assert watch.tokens == before + 1


def test_no_answer_outlives_a_clock_that_is_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be kept for as long as the clock has to go until it is there again."""
    monkeypatch.setattr(front, "Front", Clocked)
    cached = '[capability.weather.gateway]\ncache = "5s"\n'
    with system(tmp_path, text=front.MANIFEST + cached) as edge:
        edge.stand(1000)
        watch = Watch(edge)
        watch.set(HOUR)
        assert watch.ask().header("Cache-Status") == "strangler; fwd=miss"
        watch.set(0)
        assert watch.ask().header("Cache-Status") == "strangler; fwd=miss"


def test_clients_do_not_notice(watch: Watch) -> None:
    for ahead in (HOUR, -24 * HOUR, 24 * HOUR, 0):
        watch.set(ahead)
        for method in ("GET", "POST", "PUT"):
            watch.ask(method)
