"""Relay, and be killed or stopped at every single step of it; run as a program of its own.

``python -m tests.strangler.events.crashing URL RECORD KILL|STOP EVERY``: every attempt is a forked
child that relays until nothing is left, and ends at one step, EVERY steps later each time: a step
is a statement, or the publication of one event, before and after. What was stopped is woken once
another relay has taken its partitions over, has told everything and more besides. Writes how many
steps there were; raises AssertionError if anything was lost, or told before what comes earlier.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from strangler.events import relay as relaying
from strangler.events.envelope import Envelope, opened
from strangler.events.relay import LARGE, Relay
from strangler.events.stores.base import SqlStore
from tests.strangler.events.sample import StarSeen
from tests.strangler.events.speaking import RecordingBus, Speaker, once, told

DONE = 0
PAST = "2001-01-01 00:00:00"
NAMES = ("Vega", "Sirius", "Rigel")
BRIGHT = "bright" * LARGE


def bright(event: Envelope) -> bool:
    return opened(event).light.startswith("bright")


def relay(
    speaker: Speaker,
    record: Path,
    step: Callable[[str], None] | None = None,
    *,
    everywhere: bool = True,
    refuses: Callable[[Envelope], bool] = bright,
) -> None:
    """Until nothing is left that could be told."""
    stop = threading.Event()

    def connected() -> Any:
        store = speaker.store()
        return store if step is None else stepping(store, step, everywhere=everywhere)

    bus = RecordingBus(record, step=step or (lambda _: None), refuses=refuses)
    bus.close = lambda: None  # type: ignore[method-assign]
    one = Relay(connected, lambda: bus)
    watching = watched(speaker, stop)
    one.run(stop)
    watching.join()


def watched(speaker: Speaker, stop: threading.Event) -> threading.Thread:
    """Stops the relay once the outbox is empty."""

    def watch() -> None:
        while not stop.wait(0.01):
            if not speaker.rows("SELECT 1 FROM strangler_outbox LIMIT 1"):
                stop.set()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def stepping(store: Any, step: Callable[[str], None], *, everywhere: bool) -> SqlStore:
    """``everywhere``: within transactions too, which hold locks as long as they are open."""

    def tell(what: str) -> None:
        if everywhere or not open_transaction(store):
            step(what)

    for name in ("_run", "_changed"):
        plain = getattr(store, name)

        def stepped(sql: str, values: Any = (), plain: Any = plain) -> Any:
            tell(f"before {sql}")
            done = plain(sql, values)
            tell(f"after {sql}")
            return done

        setattr(store, name, stepped)
    return store


def open_transaction(store: Any) -> bool:
    connection = store._connection
    if isinstance(connection, sqlite3.Connection):
        return connection.in_transaction
    return bool(connection.info.transaction_status)


def say(speaker: Speaker, turn: int) -> int:
    """A few more of each star, one of which no bus takes; what was refused is dropped at times."""
    events = [StarSeen(name, turn) for name in NAMES for _ in range(3)]
    if turn % 2:
        events.insert(3, StarSeen("Sirius", turn, BRIGHT))
    else:
        with closing(speaker.store()) as store:
            for one in store.parked(1000):
                if one.reason == "too bright":
                    store.drop(one.id, "a test")
    return len(speaker.say(*events))


def attempt(speaker: Speaker, record: Path, number: int, sign: int) -> tuple[int, int]:
    """Relay in a child which meets its end at a step; its pid, and how that ended."""
    child = os.fork()
    if not child:
        seen = 0

        def step(_: str) -> None:
            nonlocal seen
            seen += 1
            if seen == number:
                os.kill(os.getpid(), sign)

        code = 1
        try:
            relay(speaker, record, step, everywhere=sign == signal.SIGKILL)
            code = DONE
        finally:
            os._exit(code)
    return child, os.waitpid(child, os.WUNTRACED)[1]


def main() -> None:
    speaker, record = Speaker(sys.argv[1]), Path(sys.argv[2])
    relaying.BATCH = 4  # so that it has to catch up, too
    sign = {"KILL": signal.SIGKILL, "STOP": signal.SIGSTOP}[sys.argv[3]]
    number, said = 0, 0
    while True:
        number += int(sys.argv[4])
        said += say(speaker, number)
        child, status = attempt(speaker, record, number, sign)
        if os.WIFSTOPPED(status):
            speaker.run(f"UPDATE strangler_relay_process SET until = '{PAST}'")  # noqa: S608 - ours
            speaker.run(f"UPDATE strangler_relay SET until = '{PAST}'")  # noqa: S608 - ours
            said += say(speaker, 2 * number)
            relay(speaker, record)
            said += say(speaker, 0)
            os.kill(child, signal.SIGCONT)
            status = os.waitpid(child, 0)[1]
            assert os.waitstatus_to_exitcode(status) == DONE
        elif os.WIFEXITED(status):
            assert os.waitstatus_to_exitcode(status) == DONE
            break
        relay(speaker, record)
    with closing(speaker.store()) as store:
        store.replay()
    relay(speaker, record, refuses=lambda _: False)
    check(speaker, record, said)
    counts = {"steps": number, "events": said, "told": len(told(record))}
    sys.stdout.write(json.dumps(counts) + "\n")


def check(speaker: Speaker, record: Path, said: int) -> None:
    """Everything was told but for what was dropped, and in order."""
    found = once(told(record))
    dropped = speaker.rows("SELECT aggregateid, version, dropped FROM strangler_outbox_parked")
    assert all(why == "a test" for _, _, why in dropped)
    assert dropped
    for name, last in speaker.rows("SELECT aggregate, version FROM sky_eventversion"):
        lost = {version for key, version, _ in dropped if f"sky.star/{key}" == name}
        assert found[name] == [one for one in range(1, last + 1) if one not in lost], name
    assert sum(map(len, found.values())) + len(dropped) == said
    assert speaker.rows("SELECT count(*) FROM strangler_outbox") == [(0,)]


if __name__ == "__main__":
    main()
