"""What may happen to a mover, and where: every place is enumerated from the protocol's table."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from strangler.transfer.database import Session
from strangler.transfer.protocol import STEPS, UNDO, Action, Phase
from strangler.transfer.switch import Switch, SwitchRefused
from tests.chaos import notes


class Blow(StrEnum):
    """What happens."""

    KILL = "SIGKILL"
    STOP = "SIGSTOP"
    """And SIGCONT once another mover has come, or has tried to."""
    OLD_CRASHES = "the old owner's server is killed"
    NEW_CRASHES = "the new owner's server is killed"
    CUT = "its connections are cut"


class Moment(StrEnum):
    """When, of one action."""

    BEFORE = "before"
    WITHIN = "within"
    """Its statements are executed, and its transaction is not committed."""
    AFTER = "after"


@dataclass(frozen=True)
class Fault:
    """One blow. An action of ``UNDO`` comes after ``refused``, which is where the switch fails."""

    blow: Blow
    moment: Moment
    action: Action
    refused: Action | None = None

    def __str__(self) -> str:
        where = f"{self.moment} '{self.action}'"
        if self.refused is not None:
            where += f", undone at '{self.refused}'"
        return f"{self.blow} {where}"


def faults(*blows: Blow, moments: tuple[Moment, ...] = tuple(Moment)) -> list[Fault]:
    """Each of these blows, at each moment of each action."""
    found = [Fault(b, moment, step.action) for step in STEPS for moment in moments for b in blows]
    for step in STEPS:
        for action in UNDO.get(step.source, ()):
            found += [Fault(b, moment, action, step.action) for moment in moments for b in blows]
    return found


def mixed(seed: int) -> list[Fault]:
    """Every action's every moment once, each with one of the blows to the mover itself."""
    pick = random.Random(seed)
    found = faults(Blow.KILL)
    pick.shuffle(found)
    return [
        Fault(pick.choice([Blow.KILL, Blow.STOP]), f.moment, f.action, f.refused) for f in found
    ]


Strike = Callable[[Blow], None]


class Striking:
    """Carries a fault into a switch: wraps its actions, and the sessions under them."""

    def __init__(self, fault: Fault | None, said: notes.Notes, strike: Strike) -> None:
        self._fault = fault
        self._said = said
        self._strike = strike
        self._now: Action | None = None

    def prepare(self, switch: Switch) -> None:
        if self._fault is None:
            return
        for action, perform in list(switch._actions.items()):
            switch._actions[action] = self._wrapped(action, perform)

    def _wrapped(self, action: Action, perform: Callable[[], None]) -> Callable[[], None]:
        def wrapped() -> None:
            self._at(Moment.BEFORE, action)
            if self._fault is not None and self._fault.refused is action:
                raise SwitchRefused("as the test wants it")
            self._now = action
            perform()
            self._now = None
            self._at(Moment.AFTER, action)

        return wrapped

    def _at(self, moment: Moment, action: Action) -> None:
        fault = self._fault
        if fault is not None and (fault.moment, fault.action) == (moment, action):
            self._fault = None
            self._said.say(struck=str(fault))
            self._strike(fault.blow)

    def within(self) -> None:
        if self._now is not None:
            self._at(Moment.WITHIN, self._now)


class Struck:
    """A session whose transactions are struck before they commit."""

    def __init__(self, session: Session, striking: Striking) -> None:
        self._session = session
        self._striking = striking

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    @contextmanager
    def step(self, **given: Any) -> Iterator[Any]:
        with self._session.step(**given) as step:
            yield step
            self._striking.within()

    @contextmanager
    def applying(self, **given: Any) -> Iterator[Any]:
        with self._session.applying(**given) as writer:
            yield writer
            self._striking.within()

    @contextmanager
    def claim(self, limit: int) -> Iterator[Any]:
        with self._session.claim(limit) as claim:
            yield claim
            self._striking.within()

    def close_door(self, *, patience: float) -> None:
        self._session.close_door(patience=patience)
        self._striking.within()


def kill_self() -> None:
    """As a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def stop_self() -> None:
    """Until somebody says SIGCONT."""
    os.kill(os.getpid(), signal.SIGSTOP)


def before(phase: Phase) -> Action:
    """The action that leads on from a phase."""
    return next(step.action for step in STEPS if step.source is phase)
