"""The relay: carries what the outboxes of one database hold over a bus, in order per aggregate.

Events are read, published, and only then deleted: who dies in between has another publish them
again, which their inboxes notice. Several relays share the partitions by lease. One that was
stopped for longer than its leases last may repeat what others have published since; it deletes and
parks nothing, and never tells anything of an aggregate before what comes earlier.

What the bus refuses is parked, and with it whatever comes later of its aggregate; the others go on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, suppress

from strangler.events import leases
from strangler.events.buses import BadBus, Bus, BusError, Refused
from strangler.events.outbox import ALARM, LIMIT
from strangler.events.stores import (
    LEASE,
    Lease,
    Refusing,
    Store,
    StoreError,
    Superseded,
    Unprepared,
    Waiting,
)

BATCH = 1000
"""Rows that are read, published and deleted at once."""
SOON = 0.02
"""Seconds until the next look, after something was there."""
IDLE = 0.1
"""The same, at most, after nothing was there."""
RENEW = 1.0
"""Seconds between two looks at leases and shares."""
COUNT = 1.0
"""Seconds between two counts of what waits; more, where counting takes long."""
KEPT = 30.0
"""Days for which is known what was dropped, and why."""
FORGET = 3600.0
"""Seconds between two looks at what is older."""
TROUBLED = (0.1, 5.0)
"""Seconds to wait after something broke: the first time, and at most."""
LARGE = 32 * 1024
"""Bytes of data above which an event might be refused: what comes later of its aggregate waits for
the bus's word."""
CAREFUL = 600.0
"""Seconds for which whatever comes later waits like that, after a bus has refused a small one."""

_log = logging.getLogger("strangler.relay")


class Relay:
    """Carries one database's events. Several may run, in any processes, each with a connection."""

    def __init__(
        self,
        store: Callable[[], Store],
        bus: Callable[[], Bus],
        *,
        name: str = "",
        limit: int | None = LIMIT,
        listeners: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        """Nothing is connected yet.

        Args:
            store: connects to the database.
            bus: connects to the bus.
            name: what it is called among relays, beside its host and process.
            limit: events that may wait, of which an ERROR tells before it is reached.
            listeners: whose queues count, beside the outbox; see ``Store.count``.
        """
        self._store = store
        self._bus = bus
        self._holder = leases.holder(name)
        self._limit = limit
        self.listeners = listeners
        self.published = 0
        """Events that the bus has taken, and that are deleted."""

    def run(self, stop: threading.Event) -> None:
        """Carry until told to stop, and give the leases back; never gives up."""
        said, pause = "", TROUBLED[0]
        while not stop.is_set():
            before = self.published
            try:
                self._connected(stop)
            except (StoreError, BusError) as error:
                # Said once for as long as it stays the same.
                if said != (said := str(error)):
                    self._complain(error)
            except Exception:  # noqa: BLE001 - a relay that is gone carries nothing
                _log.exception("the relay begins anew")
            if self.published > before:
                said, pause = "", TROUBLED[0]
            stop.wait(pause)
            pause = min(2 * pause, TROUBLED[1])

    def _complain(self, error: Exception) -> None:
        level = logging.ERROR if isinstance(error, BadBus | Unprepared) else logging.WARNING
        _log.log(level, "nothing is published meanwhile: %s", error)

    def _connected(self, stop: threading.Event) -> None:
        with closing(self._store()) as store:
            try:
                with closing(self._bus()) as bus:
                    _Carrying(self, store, bus, self._holder, self._limit).carry(stop)
            finally:
                with suppress(StoreError):
                    store.leave(self._holder)


class _Carrying:
    """While both connections last."""

    def __init__(
        self, relay: Relay, store: Store, bus: Bus, holder: str, limit: int | None
    ) -> None:
        self._relay = relay
        self._store = store
        self._bus = bus
        self._holder = holder
        self._limit = limit
        self._leases: list[Lease] = []
        self._ends = 0.0
        self._renewed = 0.0
        self._counted = 0.0
        self._alarmed = False
        self._forgot = time.monotonic()
        self._careful = 0.0

    def carry(self, stop: threading.Event) -> None:
        pause = SOON
        with ThreadPoolExecutor(1, "strangler relay") as beside:
            while not stop.is_set():
                self._attend()
                found = self._read()
                if len(found) == BATCH:
                    self._catch_up(found, stop, beside)
                    continue
                if found:
                    self._settle(*self._told(found))
                    pause = SOON
                stop.wait(pause)
                pause = min(pause * 1.5, IDLE)

    def _catch_up(
        self, found: list[Waiting], stop: threading.Event, beside: ThreadPoolExecutor
    ) -> None:
        """While one batch is published, the one before is deleted, and the next one is read.

        That is read as it is at one moment, but for what is on its way: so it holds nothing that is
        not to be told after it. If anything of that is parked, it is read anew.
        """
        done: list[int] = []
        while found and not stop.is_set():
            now = [one.position for one in found]
            ahead = beside.submit(self._turn, done, now)
            try:
                done, parking = self._told(found)
            finally:
                wait([ahead])
            found = ahead.result()
            leases = self._leases
            self._attend()
            if parking or len(found) < BATCH or leases != self._leases:
                self._settle(done, parking)
                return
        self._settle(done, [])

    def _turn(self, done: Sequence[int], on_their_way: Sequence[int]) -> list[Waiting]:
        self._settle(done, [])
        partitions = [one.partition for one in self._leases]
        return self._store.read(partitions, BATCH, but=on_their_way)

    def _attend(self) -> None:
        now = time.monotonic()
        if now >= self._renewed + RENEW:
            self._leases = self._store.attend(self._holder)
            self._renewed = now
            self._ends = now + LEASE  # as of before they were asked for
        if now >= self._counted and any(one.partition == 0 for one in self._leases):
            self._count(now)

    def _count(self, now: float) -> None:
        waiting = self._store.count(self._relay.listeners)
        took = time.monotonic() - now
        self._counted = now + max(COUNT, 20 * took)
        alarming = self._limit is not None and waiting > self._limit * ALARM
        if alarming and not self._alarmed:
            _log.error(
                "%s events wait to be published or handed over; at %s no more are taken: "
                "strangler events status",
                f"{waiting:,}",
                f"{self._limit:,}",
            )
        self._alarmed = alarming
        if now >= self._forgot + FORGET:
            self._forgot = now
            self._store.forget(KEPT)

    def _read(self) -> list[Waiting]:
        if not self._leases:
            return []
        return self._store.read([one.partition for one in self._leases], BATCH)

    def _told(self, found: Sequence[Waiting]) -> tuple[list[int], list[Refusing]]:
        """Publish what may be told; what is to be deleted now, and what is to be parked."""
        parking = [Refusing(one.position, None) for one in found if one.behind]
        left = [one for one in found if not one.behind]
        done: list[int] = []
        while left:
            now, left = self._first(left)
            refused = {one.event.id: one.reason for one in self._published(now)}
            stuck = set()
            for one in now:
                if (reason := refused.get(one.event.id)) is None:
                    done.append(one.position)
                else:
                    parking.append(Refusing(one.position, reason))
                    stuck.add(one.event.partitionkey)
            if stuck:
                behind = [one for one in left if one.event.partitionkey in stuck]
                parking += [Refusing(one.position, None) for one in behind]
                left = [one for one in left if one.event.partitionkey not in stuck]
        return done, parking

    def _settle(self, done: Sequence[int], parking: Sequence[Refusing]) -> None:
        """Delete what was published, and park what may not be.

        Raises:
            Superseded: some of it is another relay's by now.
        """
        if done:
            removed = self._store.remove(self._leases, done)
            self._relay.published += removed
            if removed < len(done):
                raise Superseded("another relay has taken partitions over")
        if parking:
            self._store.park(self._leases, parking)

    def _first(self, found: Sequence[Waiting]) -> tuple[list[Waiting], list[Waiting]]:
        """Those that can be published together, and those that wait for what becomes of them."""
        careful = time.monotonic() < self._careful
        now: list[Waiting] = []
        later: list[Waiting] = []
        waited_for: set[str] = set()
        for one in found:
            event = one.event
            if event.partitionkey in waited_for:
                later.append(one)
                continue
            now.append(one)
            if careful or len(memoryview(event.data)) > LARGE:
                waited_for.add(event.partitionkey)
        return now, later

    def _published(self, found: Sequence[Waiting]) -> Sequence[Refused]:
        """Publish these, and say which were refused.

        Raises:
            Superseded: we were stopped for so long that others may have gone on.
            BusAway: publish them again.
        """
        if time.monotonic() >= self._ends:
            raise Superseded("the leases have run out")
        refused = self._bus.publish([one.event for one in found])
        for one in refused:
            event = one.event
            _log.error(
                "parked: %s of %s, version %s, and whatever follows it: %s",
                event.type,
                event.subject,
                event.version,
                one.reason,
            )
            if len(memoryview(event.data)) <= LARGE:
                self._careful = time.monotonic() + CAREFUL
        return refused
