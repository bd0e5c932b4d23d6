"""Take events, and be killed at every single step of it; run as a program of its own.

``python -m tests.strangler.events.taking URL FOLDER STRIDE``: every attempt is a forked child that
takes whatever has been said, tries again what was set aside, and ends before one statement or
commit, or just after a commit, later by a stride each time. The next one is brought again what
nobody has acknowledged. One star can't be seen at first, so it is set aside with what follows, and
replayed. Writes how many steps there were; raises AssertionError if an effect was lost, doubled or
out of order.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import event

from strangler.events import consumer as consuming
from strangler.events import parking
from strangler.events.envelope import Envelope, decode_batch, encode_batch
from strangler.events.failing import Later
from tests.strangler.events.listening import Listener, poison, star

DONE = 0
NAMES = ("Vega", "Sirius", "Rigel")
BATCH = 4
"""How many are brought at once."""


class Bus:
    """All that was said, and how much of it has been acknowledged, in two files."""

    def __init__(self, folder: Path) -> None:
        self._said, self._position = folder / "said", folder / "position"

    def say(self, events: list[Envelope]) -> None:
        self._said.write_bytes(encode_batch([*self.said(), *events]))

    def said(self) -> list[Envelope]:
        return decode_batch(self._said.read_bytes()) if self._said.exists() else []

    def position(self) -> int:
        return int(self._position.read_text()) if self._position.exists() else 0

    def acknowledge(self, position: int) -> None:
        new = self._position.with_suffix(".new")
        new.write_text(str(position))
        new.replace(self._position)


def take(listener: Listener, bus: Bus, *, mended: bool, step: Callable[[], None]) -> None:
    """All that there is to do."""
    listener.trouble = poison() if mended else poison("Sirius")
    events = bus.said()
    while (position := bus.position()) < len(events):
        listener.take(*events[position : position + BATCH])
        step()
        bus.acknowledge(min(position + BATCH, len(events)))
    if mended:
        parking.replay(listener.consumer)
    else:
        parking.retry(listener.consumer)


def attempt(url: str, bus: Bus, number: int, *, mended: bool) -> int:
    """Take in a child which is killed at a step; how that ended. A step of 0 is never met."""
    child = os.fork()
    if not child:
        seen, code = 0, 1

        def step(*_: object) -> None:
            nonlocal seen
            seen += 1
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            listener = Listener(url, new=False)
            engine = listener.database.engine
            for moment in ("before_cursor_execute", "commit"):
                event.listen(engine, moment, step)
            while True:
                try:
                    take(listener, bus, mended=mended, step=step)
                    break
                except Later:  # the server has not noticed yet that the last one was killed
                    continue
            code = DONE
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


def main() -> None:
    url, bus, stride = sys.argv[1], Bus(Path(sys.argv[2])), int(sys.argv[3])
    consuming.PAUSES = (0.0,) * 4  # type: ignore[misc]  # always due
    Listener(url).close()
    number, turn = 0, 0
    while True:
        number, turn = number + stride, turn + 1
        bus.say([star(name, 2 * turn - later) for later in (1, 0) for name in NAMES])
        whole = [False, False]
        for mended in (False, True):
            status = attempt(url, bus, number, mended=mended)
            whole[mended] = os.WIFEXITED(status)
            if whole[mended]:
                assert os.waitstatus_to_exitcode(status) == DONE
        assert os.waitstatus_to_exitcode(attempt(url, bus, 0, mended=True)) == DONE
        check(url, 2 * turn)
        if all(whole):
            break
    sys.stdout.write(json.dumps({"steps": number, "events": len(bus.said())}) + "\n")


def check(url: str, last: int) -> None:
    """Everything has happened, once, in order."""
    listener = Listener(url, new=False)
    wanted = list(range(1, last + 1))
    assert listener.effects() == dict.fromkeys(NAMES, wanted), listener.effects()
    assert listener.parked() == []
    listener.close()


if __name__ == "__main__":
    main()
