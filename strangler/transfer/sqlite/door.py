"""The door of a capability whose rows are in a SQLite file: locks on files beside it."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from strangler.ladder import Arm
from strangler.transfer.database import Owner
from strangler.transfer.door import Door, DoorClosed
from strangler.transfer.sqlite import asking, journal
from strangler.transfer.sqlite.link import Link, file_of
from strangler.transfer.sqlite.locks import FileLock
from strangler.transfer.sqlite.places import Places
from strangler.transfer.sqlite.stepping import owner_row

_PAUSES = (0.001, 0.02)
"""Seconds between two looks: the first, doubled up to the last."""
_abandoned: list[object] = []
"""Connections of a process that we were forked from: to close one here would harm that process."""


class SqliteDoor(Door):
    """Each who comes in has descriptors of its own, so threads and processes are the same here."""

    def __init__(
        self, path_or_url: str, *, capability: str, arm: Arm, waiting: int | None = None
    ) -> None:
        """Nothing is opened yet.

        Args:
            path_or_url: the database.
            capability: whose door.
            arm: on which side.
            waiting: how many may wait at once, over all processes of this machine.
        """
        self.arm = arm
        self._path = file_of(path_or_url)
        self._capability = capability
        self._places = Places(self._path, capability)
        self._waiting = waiting
        self._process = os.getpid()
        self._idle: deque[Link] = deque()

    @contextmanager
    def entered(self, *, deadline: float) -> Iterator[Owner | None]:
        """Hold the door for the block."""
        owner, hold = self._enter()
        if hold is None and owner is not None:
            with self._place_to_wait():
                owner, hold = self._wait(deadline)
        try:
            yield owner
        finally:
            if hold is not None:
                hold.close()

    def owner(self) -> Owner | None:
        """The owner row as it is now."""
        with self._linked() as link:
            return owner_row(link, self._capability)

    def position(self) -> int:
        """The highest number that the journal has given so far."""
        with self._linked() as link:
            return journal.position(link)

    def applied(self, position: int) -> bool:
        """Is nothing of the capability left in the journal up to there?"""
        with self._linked() as link:
            return journal.applied(link, self._capability, position)

    def ask(self) -> int:
        """Ask the mover whether all that is committed on the other side has come here."""
        with self._linked() as link:
            return asking.ask(link, self._capability)

    def answered(self, number: int) -> bool:
        """Has the mover said that it has?"""
        with self._linked() as link:
            return asking.answered(link, self._capability) >= number

    def delivered(self, rehearsal: str) -> list[str]:
        """What the mover has said of a rehearsed command's rows."""
        with self._linked() as link:
            return journal.delivered(link, rehearsal)

    def close(self) -> None:
        """Give up what is connected and not in use."""
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _linked(self) -> Iterator[Link]:
        """A connection that nobody else uses meanwhile."""
        if self._process != os.getpid():
            _abandoned.append(self._idle)
            self._idle, self._process = deque(), os.getpid()
        try:
            link = self._idle.pop()
        except IndexError:
            link = Link(self._path, shared=True)
        try:
            yield link
        except BaseException:
            link.close()
            raise
        self._idle.append(link)

    def _enter(self) -> tuple[Owner | None, FileLock | None]:
        """Try once: the owner, and what holds the door, or None where it is closed."""
        before = self.owner()
        if before is None or before.frozen:
            return before, None
        with FileLock(self._places.gate(before.token)) as gate:
            if not gate.try_shared():
                return before, None
            hold = FileLock(self._places.hold)
            try:
                # Nobody takes it alone: the mover looks only whether it is free.
                inside = hold.try_shared()
                gate.close()
                # The gate may have been another mover's by then, and closed by nobody that counts.
                now = self.owner()
            except BaseException:
                hold.close()
                raise
        if inside and now is not None and now.token == before.token and not now.frozen:
            return now, hold
        hold.close()
        return now, None

    def _wait(self, deadline: float) -> tuple[Owner | None, FileLock | None]:
        pause, longest = _PAUSES
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise DoorClosed(f"{self._capability}: its door did not open in time")
            time.sleep(min(pause, left))
            pause = min(2 * pause, longest)
            owner, hold = self._enter()
            if hold is not None or owner is None:
                return owner, hold

    @contextmanager
    def _place_to_wait(self) -> Iterator[None]:
        if self._waiting is None:
            yield
            return
        for number in range(self._waiting):
            with FileLock(self._places.waiting(number)) as place:
                if place.try_alone():
                    yield
                    return
        raise DoorClosed(f"{self._capability}: {self._waiting} wait at its door already")
