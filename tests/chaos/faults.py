"""What may happen to a mover, and where: every place is enumerated from the protocol's table."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Any

from strangler.transfer.database import Session
from strangler.transfer.errors import SwitchRefused
from strangler.transfer.protocol import STEPS, UNDO, Action, Place
from strangler.transfer.switch import Switch
from tests.chaos import notes


class Blow(StrEnum):
    """What happens."""

    KILL = "SIGKILL"
    STOP = "SIGSTOP"
    """And SIGCONT once another mover has come, or has tried to."""
    OLD_CRASHES = "the old owner's server is killed"
    NEW_CRASHES = "the new owner's server is killed"
    CUT = "its connections are cut"
    APPLICATIONS = "the applications of both sides are killed"


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


TRANSACTIONS = {step.action for step in STEPS if step.place in {Place.OLD, Place.NEW}} - {
    Action.VERIFY, Action.TELL, Action.OPEN_DOOR,
} | {Action.THAW}  # fmt: skip
"""What has a within."""
MOMENTS = tuple(Moment)


def faults(*blows: Blow, moments: Collection[Moment] = MOMENTS) -> list[Fault]:
    """Each of these blows, at each moment of each action of the table, and of its undoing."""
    places: list[tuple[Action, Action | None]] = [(step.action, None) for step in STEPS]
    for step in STEPS:
        places += [(action, step.action) for action in UNDO.get(step.source, ())]
    return [
        Fault(blow, moment, action, refused)
        for action, refused in places
        for moment in moments
        for blow in blows
        if moment is not Moment.WITHIN or action in TRANSACTIONS
    ]


def mixed(seed: int, *blows: Blow) -> list[Fault]:
    """Every place once, in any order, each with one of the blows: in as many seeds, with each."""
    found = [
        replace(fault, blow=blows[(place + seed) % len(blows)])
        for place, fault in enumerate(faults(Blow.KILL))
    ]
    random.Random(seed).shuffle(found)
    return found


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


class Counted:
    """A session, or a control, whose every call is counted; the mover is struck at one of them."""

    def __init__(self, one: Any, calls: Calls) -> None:
        self._one = one
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._one, name)
        if not callable(found):
            return found
        if name == "step":
            return partial(self._step, found)

        def called(*args: Any, **given: Any) -> Any:
            self._calls.next(name)
            return found(*args, **given)

        return called

    @contextmanager
    def _step(self, found: Callable[..., Any], **given: Any) -> Iterator[Any]:
        self._calls.next("step")
        with found(**given) as step:
            yield step
            self._calls.next("commit")


class Calls:
    """How many calls there were; ``strike`` comes before the one with this number, from 0 on."""

    def __init__(self, number: int, strike: Callable[[], None], said: notes.Notes) -> None:
        self._left = number
        self._strike = strike
        self._said = said

    def next(self, name: str) -> None:
        self._left -= 1
        if self._left == -1:
            self._said.say(struck=f"repair at '{name}'")
            self._strike()


def kill_self() -> None:
    """As a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def stop_self() -> None:
    """Until somebody says SIGCONT."""
    os.kill(os.getpid(), signal.SIGSTOP)
