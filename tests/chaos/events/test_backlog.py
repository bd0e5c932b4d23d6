"""Who is a month behind catches up in bounded memory; what can't be said is bounded, and told."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from strangler.events import relay as relaying
from strangler.events.buses.connect import connect
from strangler.events.outbox import OutboxFull
from strangler.events.relay import Relay
from tests.chaos.events import checker, listeners, relays
from tests.chaos.events.campaign import _context
from tests.chaos.events.places import place
from tests.chaos.events.world import DIARY, KINDS, World
from tests.chaos.servers import Durable
from tests.strangler.events.listening import star
from tests.strangler.events.sample import StarSeen
from tests.strangler.events.speaking import RecordingBus, Speaker, once, told

BEHIND = int(os.environ.get("STRANGLER_BEHIND", "120000"))
WARM = 2000
ROOM = 48
"""Megabytes that a process may grow by, however much waits."""
PATIENCE = 60.0


def eventually(holds: Callable[[], object], patience: float = PATIENCE) -> None:
    until = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


def memory(pid: int | None, which: str) -> float:
    """What a process has now (VmRSS), or had at most (VmHWM), in megabytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(which):
            return int(line.split()[1]) / 1024
    raise AssertionError(which)


def fill(world: World) -> None:
    """A month's events, which nobody has taken yet."""
    bus = connect(world.bus, database=world.speaks, consumers=lambda _: [DIARY])
    with bus:
        for first in range(0, BEHIND, 1000):
            assert not bus.publish(
                [star(f"HD {n % 500}", n // 500 + 1) for n in range(first, first + 1000)]
            )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.long
def test_a_month_behind(
    kind: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    server: Durable | None = None
    if kind == "redis":
        server = request.getfixturevalue("monolith_server")
    with place(kind, server=server, total=0, pace=0) as there:
        world = there.world
        fill(world)
        if kind == "redis":
            parts = [(listeners.pull, (world, DIARY))]
        else:
            parts = [(listeners.wsgi, (world, DIARY)), (relays.carry, (world,))]
        processes = [_context.Process(target=one, args=given) for one, given in parts]
        try:
            for process in processes:
                process.start()
            heard = world.hears[DIARY]
            eventually(lambda: checker.count(heard, "inbox") >= WARM)
            first = [memory(process.pid, "VmRSS") for process in processes]
            eventually(lambda: checker.count(heard, "inbox") >= BEHIND, 900)
            most = [memory(process.pid, "VmHWM") for process in processes]
        finally:
            world.ending.touch()
            for process in processes:
                process.join(10)
                process.kill()
                process.join()
        assert checker.count(heard, "effect") == BEHIND
        numbers = checker.rows(heard, "SELECT name, number FROM effect ORDER BY id")
        assert [n for name, n in numbers if name == "HD 7"] == list(range(1, BEHIND // 500 + 1))
        grown = [after - before for before, after in zip(first, most, strict=True)]
        with capsys.disabled():
            said = ", ".join(f"{a:.0f} MB then {b:.0f}" for a, b in zip(first, most, strict=True))
            print(f"\n{kind}: {BEHIND:,} behind: {said}")
        assert max(grown) < ROOM, (first, most)


def test_what_can_not_be_said_is_bounded_and_alarmed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, each = 500, 10
    monkeypatch.setattr(relaying, "COUNT", 0.05)
    monkeypatch.setattr(relaying, "TROUBLED", (0.02, 0.1))
    monkeypatch.setattr("strangler.events.outbox._alarmed", -1e9)
    speaker = Speaker(f"sqlite:///{tmp_path / 'sky.sqlite3'}")
    bus, stop = RecordingBus(tmp_path / "record"), threading.Event()
    bus.away = True
    bus.close = lambda: None  # type: ignore[method-assign]
    one = Relay(speaker.store, lambda: bus, limit=limit)
    thread = threading.Thread(target=one.run, args=(stop,))
    thread.start()
    try:
        said = 0

        def refused() -> bool:
            nonlocal said
            try:
                said += len(speaker.say(*(StarSeen("Vega", 1) for _ in range(each)), limit=limit))
            except OutboxFull:
                return True
            return False

        with caplog.at_level(logging.ERROR):
            eventually(refused)
            assert limit * 0.9 <= said <= limit
            waiting = speaker.rows("SELECT count(*) FROM strangler_outbox")[0][0]
            assert waiting == said
            alarms = [record for record in caplog.records if "no more are taken" in record.message]
            assert alarms, "somebody is told, and before it is full"
            assert {record.name for record in alarms} >= {"strangler.events"}
            for _ in range(20):
                assert refused()
        assert speaker.rows("SELECT count(*) FROM strangler_outbox")[0][0] == said
        bus.away = False
        eventually(lambda: not speaker.rows("SELECT 1 FROM strangler_outbox LIMIT 1"))
        eventually(lambda: not refused())  # once it has been counted again
        eventually(lambda: not speaker.rows("SELECT 1 FROM strangler_outbox LIMIT 1"))
    finally:
        stop.set()
        thread.join()
    assert once(told(tmp_path / "record"))["sky.star/Vega"] == list(range(1, said + 1))
