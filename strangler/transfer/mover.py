"""The mover: carries the rows of one capability for as long as it holds the lease.

Whatever breaks, it lets go of everything and begins anew: with the lease, then with ``repair``.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from math import ceil

from strangler.ladder import Arm
from strangler.transfer import actions
from strangler.transfer.answering import BUSY, Answering
from strangler.transfer.apply import Applied, Flow
from strangler.transfer.backfill import Backfill
from strangler.transfer.bulk import Bulk
from strangler.transfer.control import Control, ControlAway, NotOurs, Report, Stuck
from strangler.transfer.database import HEARTBEAT, Database, Session
from strangler.transfer.delivering import make_room
from strangler.transfer.errors import LockTimeout, TransferError, Unfit
from strangler.transfer.filling import Filling
from strangler.transfer.mapping import TableMap
from strangler.transfer.pairing import changed, pair
from strangler.transfer.protocol import Torn
from strangler.transfer.rehearsed import unstamped
from strangler.transfer.repair import NotInstalled, reinstall, repair

IDLE = 0.05
"""Seconds between two looks into an empty journal."""
EVERY = 1.0
"""Seconds between two reports."""
BEAT = 0.25
"""Seconds between two touches of the canary row."""
RETRY = 5.0
"""Seconds after which parked keys are tried again."""
REINSTALL = 10.0
"""Seconds after which triggers are tried again that could not be made."""
WAIT = 0.3
"""Seconds between two attempts to get the lease."""
TROUBLED = 1.0
"""Seconds to wait after something broke."""
BEATS = 100
"""Canary rows by which the lag is told: the latest."""

NAMED = 5
"""Parked keys that a report names."""

_log = logging.getLogger("strangler.mover")


class Mover:
    """Carries one capability's rows. One per capability is active, by lease; the others wait."""

    def __init__(
        self,
        name: str,
        maps: Iterable[TableMap],
        *,
        monolith: Database,
        service: Database,
        control: Control,
        installed: Callable[[], bool],
    ) -> None:
        """``installed`` says whether the capability stands where rows flow."""
        self._name = name
        self._maps = tuple(maps)
        self._monolith = monolith
        self._service = service
        self._control = control
        self._installed = installed

    def run(self, stop: threading.Event) -> None:
        """Carry until told to stop; never gives up."""
        said = ""
        while not stop.is_set():
            try:
                if self._installed() and self._control.acquire():
                    said = ""
                    try:
                        self._hold(stop)
                    finally:
                        self._control.release()
                stop.wait(WAIT)
            except NotOurs:
                _log.info("%s: another mover has taken over", self._name)
            except (TransferError, ControlAway, Torn) as error:
                # Said once for as long as it stays the same.
                if said != (said := str(error)):
                    _log.error("%s: %s", self._name, error)
                stop.wait(TROUBLED)
            except Exception:  # noqa: BLE001 - a mover that is gone carries nothing
                _log.exception("%s: the mover begins anew", self._name)
                stop.wait(TROUBLED)

    def _hold(self, stop: threading.Event) -> None:
        with ExitStack() as stack:
            monolith = stack.enter_context(closing(self._monolith.session()))
            service = stack.enter_context(closing(self._service.session()))
            try:
                done = repair(
                    self._control, monolith=monolith, service=service, token=self._control.token
                )
            except NotInstalled as error:
                _log.warning("%s: %s", self._name, error)
                return
            if done:
                _log.warning("%s: repaired: %s", self._name, ", ".join(done))
            missing, whole = self._reinstalled(monolith, service)
            now = self._control.decision()
            pairing = pair(self._maps, monolith, service)
            source, target = monolith, service
            if now.owner is Arm.SERVICE:
                source, target = service, monolith
            flow = Flow(pairing, source, target, now.owner, self._control.token, now.epoch)
            bulk = Bulk(flow)
            backfill: Backfill | Filling | None = None
            if whole and not self._control.backfilled():
                if bulk.pours:
                    backfill = stack.enter_context(self._beside(flow, bulk.limit))
                else:
                    backfill = Backfill(flow, chunk=bulk.limit)
            _Carrying(flow, bulk, backfill, self._control, missing, whole=whole).carry(stop)

    def _reinstalled(self, monolith: Session, service: Session) -> tuple[list[str], bool]:
        """What is missing still, and whether that is all that could be done about it now.

        Nobody's rows wait for the table that somebody else holds, nor do writers for long.
        """
        try:
            return reinstall(
                self._control, monolith=monolith, service=service, patience=actions.PATIENCE
            ), True
        except (LockTimeout, Unfit) as error:
            _log.error("%s: triggers are missing, and can't be made now: %s", self._name, error)
            return [*monolith.missing(), *service.missing()], False

    def _beside(self, flow: Flow, chunk: int) -> Filling:
        source, target = self._monolith, self._service
        if flow.owner is Arm.SERVICE:
            source, target = target, source
        return Filling(flow, source=source, target=target, chunk=chunk)


class _Carrying:
    """While the lease is held: apply, backfill, beat, report."""

    def __init__(
        self,
        flow: Flow,
        bulk: Bulk,
        backfill: Backfill | Filling | None,
        control: Control,
        missing: list[str],
        *,
        whole: bool,
    ) -> None:
        """``missing`` is what could not be installed again; unless ``whole``, it is tried again."""
        self._flow = flow
        self._control = control
        self._bulk = bulk
        self._backfill = backfill
        self._missing = missing
        self._whole = whole
        self._carried = 0
        self._recent: deque[tuple[float, int]] = deque(maxlen=10)
        self._writers: Counter[tuple[str, bool]] = Counter()
        self._pulse = _Pulse(flow.source)
        self._answering = Answering(flow)
        self._again = time.monotonic() + RETRY

    def carry(self, stop: threading.Event) -> None:
        due, again = 0.0, time.monotonic() + REINSTALL
        while not stop.is_set():
            applied = self._bulk.batch()
            self._note(applied)
            self._answering.look()
            if self._backfill is not None and not self._backfill.more():
                self._backfill = None
                self._pulse.forget()
                self._control.finish_backfill()
            now = time.monotonic()
            if now >= due:
                due = now + EVERY
                altered = changed(self._flow.pairing, *self._flow.sessions)
                absent = self._absent()
                self._control.report(self._report([*altered, *absent]))
                self._writers.clear()
                # Perhaps the maps fit no more, or a migration has dropped triggers.
                if lost := [*altered, *(one for one in absent if one not in self._missing)]:
                    _log.warning("%s: begins anew", "; ".join(lost))
                    return
                if self._control.wanted() or (not self._whole and now > again):
                    return
                self._retry(now)
                make_room(self._flow)
            # After the report, to which a beat on its way would be a row that is not carried yet.
            self._pulse.beat(now)
            if not applied.entries:
                stop.wait(BUSY if self._answering.busy else IDLE)

    def _note(self, applied: Applied) -> None:
        now = time.monotonic()
        self._carried += len(applied.entries)
        for (table, writer, door), count in applied.census.items():
            if table == HEARTBEAT:
                self._pulse.arrived(now)
            else:
                self._writers[unstamped(writer)[0], door] += count
        for parked in applied.parked:
            _log.error("parked: %s %s: %s", parked.table, parked.key, parked.reason)

    def _retry(self, now: float) -> None:
        """What could not be applied may fit by now: its parent is there, or the mapping mended."""
        if now >= self._again:
            self._again = now + RETRY
            flow = self._flow
            if flow.source.count_parked():
                with flow.source.step(token=flow.token, epoch=flow.epoch) as step:
                    step.unpark()

    def _absent(self) -> list[str]:
        return [*self._flow.source.missing(), *self._flow.target.missing()]

    def _report(self, missing: list[str]) -> Report:
        source, now = self._flow.source, time.monotonic()
        self._recent.append((now, self._carried))
        first = self._recent[0]
        seconds = now - first[0]
        parked = source.count_parked()
        return Report(
            pending=source.pending(),
            oldest=source.oldest() or 0.0,
            lag=self._pulse.lag(now),
            beats=self._pulse.count,
            rate=(self._carried - first[1]) / seconds if seconds else 0.0,
            carried=self._carried,
            parked=parked,
            stuck=_named(source) if parked else (),
            missing=tuple(missing),
            backfill=self._backfill.progress if self._backfill is not None else None,
            writers=dict(self._writers),
        )


def _named(source: Session) -> tuple[Stuck, ...]:
    return tuple(
        Stuck(one.table, ", ".join(map(str, one.key)), one.reason) for one in source.parked(NAMED)
    )


class _Pulse:
    """The canary row, touched all the time; how long each beat takes to arrive is the lag."""

    def __init__(self, source: Session) -> None:
        self._source = source
        heard = source.heard()
        self._number = heard[0] if heard else 0
        self._beaten: float | None = None
        self._due = 0.0
        self._lags: deque[float] = deque(maxlen=BEATS)

    @property
    def count(self) -> int:
        return len(self._lags)

    def beat(self, now: float) -> None:
        # While one is still on its way, and grows old, there is no other.
        if self._beaten is None and now >= self._due:
            self._due = now + BEAT
            self._number += 1
            self._source.beat(self._number)
            self._beaten = time.monotonic()

    def forget(self) -> None:
        """What a backfill has delayed says nothing of the time after it."""
        self._lags.clear()

    def arrived(self, now: float) -> None:
        if self._beaten is not None:
            self._lags.append(now - self._beaten)
            self._beaten = None

    def lag(self, now: float) -> float | None:
        lags = sorted([*self._lags, *([now - self._beaten] if self._beaten is not None else [])])
        return lags[ceil(len(lags) * 0.99) - 1] if lags else None  # by the nearest rank
