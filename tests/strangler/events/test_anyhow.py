"""Whatever fails, dies, comes again or is late: each effect once, in order per key.

Hypothesis drives a consumer on a real SQLite file. Events are brought as a bus brings them: from
any place up to the first that was not acknowledged, as many as it likes. Meanwhile keys are
poisoned and healed, callees go away, transactions break off at any statement, and time passes.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from strangler.events import parking
from strangler.events.failing import Later
from strangler.ports.errors import Unreachable
from tests.strangler.events.listening import Listener, star
from tests.strangler.events.sample import StarSeen

NAMES = ("Vega", "Sirius", "Rigel")
LONG = bool(os.environ.get("STRANGLER_CHAOS"))
EACH = 6
"""Events of each star."""


class Killed(BaseException):
    """The process is gone; nobody handles this."""


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level("CRITICAL"):
        yield


class Anyhow(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.listener = Listener(f"sqlite:///{Path(self.folder.name) / 'notes.sqlite3'}")
        self.listener.trouble = self._trouble
        event.listen(self.listener.database.engine, "before_cursor_execute", self._step)
        event.listen(self.listener.database.engine, "commit", self._step)
        self.poisoned: set[str] = set()
        self.away = 0
        self.steps: int | None = None
        self.error: BaseException = Killed()
        self.acknowledged = 0

    @initialize(data=st.data())
    def say(self, data: st.DataObject) -> None:
        order = data.draw(st.permutations(NAMES * EACH))
        said = dict.fromkeys(NAMES, 0)
        self.events = []
        for name in order:
            said[name] += 1
            self.events.append(star(name, said[name]))

    def _trouble(self, told: StarSeen) -> None:
        if self.away:
            self.away -= 1
            raise Unreachable("away")
        if told.name in self.poisoned:
            raise ValueError("poison")

    def _step(self, *_: object) -> None:
        if self.steps is not None:
            self.steps -= 1
            if self.steps < 0:
                self.steps = None
                raise self.error

    def _do(self, work: object, *arguments: object) -> bool:
        try:
            work(*arguments)  # type: ignore[operator]
        except (Later, Killed, OperationalError):
            return False
        finally:
            self.steps = None
        return True

    @rule(back=st.integers(0, 5), count=st.integers(1, 8))
    def bring(self, back: int, count: int) -> None:
        first = max(0, self.acknowledged - back)
        batch = self.events[first : first + count]
        if self._do(self.listener.take, *batch):
            self.acknowledged = max(self.acknowledged, first + len(batch))

    @rule(late=st.lists(st.integers(0, 30), max_size=4))
    def bring_late(self, late: list[int]) -> None:
        """What somebody had in hand who was stopped for a while; all of it was acknowledged."""
        batch = [self.events[one] for one in late if one < self.acknowledged]
        self._do(self.listener.take, *batch)

    @rule(name=st.sampled_from(NAMES))
    def poison(self, name: str) -> None:
        self.poisoned.add(name)

    @rule()
    def mend(self) -> None:
        self.poisoned.clear()

    @rule(times=st.integers(1, 2))
    def go_away(self, times: int) -> None:
        self.away = times

    @rule(steps=st.integers(0, 30), kill=st.booleans())
    def break_off(self, steps: int, kill: bool) -> None:  # noqa: FBT001 - Hypothesis' own way
        self.steps = steps
        locked = sqlite3.OperationalError("database is locked")
        locked.sqlite_errorcode = sqlite3.SQLITE_BUSY
        self.error = Killed() if kill else OperationalError("", None, locked)

    @rule()
    def retry(self) -> None:
        kept, self.steps = self.steps, None
        self.listener.due()
        self.steps = kept
        self._do(parking.retry, self.listener.consumer)

    @rule()
    def replay(self) -> None:
        self._do(lambda: parking.replay(self.listener.consumer))

    @invariant()
    def once_and_in_order(self) -> None:
        kept, self.steps = self.steps, None
        for name, numbers in self.listener.effects().items():
            assert numbers == list(range(1, len(numbers) + 1)), (name, numbers)
        self.steps = kept

    def teardown(self) -> None:
        if hasattr(self, "events"):
            self.steps, self.away = None, 0
            self.poisoned.clear()
            self.listener.take(*self.events[self.acknowledged :])
            parking.replay(self.listener.consumer)
            assert self.listener.effects() == {name: list(range(1, EACH + 1)) for name in NAMES}
            assert self.listener.parked() == []
        self.listener.close()
        self.folder.cleanup()


TestAnyhow = Anyhow.TestCase
TestAnyhow.settings = settings(
    max_examples=400 if LONG else 12, stateful_step_count=30, deadline=None
)
