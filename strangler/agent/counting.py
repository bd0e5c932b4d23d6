"""What an edge has answered, counted under the rung that it was answered on."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

import msgspec

from strangler import latency
from strangler.agent.control import Control, ControlAway
from strangler.agent.reading import Answered, Log, read
from strangler.routing.news import Counted, Counts

INTERVAL = 1.0
"""Seconds between two times that the control plane is told."""
_MOST = 5_000
_REMEMBERED = 60.0

_log = logging.getLogger("strangler.agent")

_Key = tuple[str, int, str, str, int]


class Rungs:
    """Since when this edge has known which rungs, for as long as a request may have taken."""

    def __init__(self) -> None:
        self._known: tuple[tuple[float, Mapping[str, int]], ...] = ()
        """The oldest first. Another thread reads it: it is never changed, only replaced."""

    def learn(self, since: Mapping[str, int], now: float) -> None:
        """From this moment on the table says so."""
        known = self._known
        if known and known[-1][1] == since:
            return
        # What began later than now began before somebody has set the clock back.
        former = [(min(began, now), there) for began, there in known]
        while len(former) > 1 and former[1][0] < now - _REMEMBERED:
            del former[0]
        self._known = (*former, (now, dict(since)))

    def at(self, capability: str, moment: float, now: float) -> int | None:
        """The revision at which the rung began on which a request was answered that began then.

        ``now`` is the time as the clock has it by now.
        """
        known = self._known
        if known and now < known[-1][0]:  # it has been set back since: no request began before
            return known[-1][1].get(capability)
        for began, since in reversed(known):
            if began <= moment:
                return since.get(capability)
        return None


class Counter:
    """Counts lines of the log, and tells the control plane; what it can't tell it keeps."""

    def __init__(
        self,
        log: Log,
        rungs: Rungs,
        control: Control,
        *,
        name: str,
        reopen: Callable[[], None],
    ) -> None:
        """``reopen`` makes whoever writes the log begin a new one, once the old is put away."""
        self._log = log
        self._reopen = reopen
        self._rungs = rungs
        self._control = control
        self._name = name
        self._counts: dict[_Key, list[int]] = {}
        self._told: Counts | None = None
        """What was told, and perhaps not heard."""
        self._batch = time.time_ns()
        self._odd = False
        self._kept = False

    def step(self) -> None:
        """Read what is new, and tell it.

        Raises:
            ControlAway: it could not be told, and will be told the next time.
            OSError: the log can't be read.
        """
        for line in self._log.lines():
            self._add(line)
        if self._told is None and self._counts:
            some = dict(list(self._counts.items())[:_MOST])
            self._counts = {key: one for key, one in self._counts.items() if key not in some}
            self._batch += 1
            counted = tuple(Counted(*key, *amounts) for key, amounts in some.items())
            self._told = Counts(name=self._name, batch=self._batch, counted=counted)
        if self._told is not None:
            behind = self._control.count(self._told)
            if behind is None:
                self._told = None
                return
            # Numbers begin with the time: the clock was set back since others were told.
            self._batch = behind.last + 1
            self._told = msgspec.structs.replace(self._told, batch=self._batch)

    def run(self, ending: threading.Event) -> None:
        """Once a second; then once more, when ``ending`` is set."""
        while not ending.wait(INTERVAL):
            self.attempt()
        self.attempt()
        self._log.close()

    def attempt(self) -> None:
        """The same, and nobody is troubled if it can't be done."""
        try:
            # However long the control plane is away, the log does not fill the disk.
            self._log.rotate(self._reopen)
            self.step()
        except (ControlAway, OSError) as error:
            if not self._kept:
                _log.warning("what the edge has answered can't be told, and is kept: %s", error)
            self._kept = True
        else:
            self._kept = False

    def _add(self, line: bytes) -> None:
        try:
            answered = read(line)
        except ValueError as error:
            if not self._odd:
                _log.warning("%s has lines that can't be read: %s", self._log.path, error)
            self._odd = True
            return
        if answered is not None and (key := self._key(answered)) is not None:
            amounts = self._counts.setdefault(key, [0, 0, 0])
            amounts[0] += 1
            amounts[1] += answered.failed
            amounts[2] += answered.fallback

    def _key(self, one: Answered) -> _Key | None:
        since = self._rungs.at(one.capability, one.began, time.time())
        if since is None:
            return None
        return one.capability, since, str(one.arm), str(one.kind), latency.bucket(one.seconds)
