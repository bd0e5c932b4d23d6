"""The control database as a mover sees it: its lease, the decision, its reports."""

from __future__ import annotations

import dataclasses
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from django.db import Error, connections, transaction
from django.db.models import DateTimeField, ExpressionWrapper, F, Q
from django.db.models.functions import Now
from django.utils import timezone

from strangler.django import conf
from strangler.django.control_plane import state
from strangler.django.models import CapabilityState, Transfer, Writer
from strangler.ladder import Stage, Standing
from strangler.transfer.control import LEASE, Control, ControlAway, NotOurs, Report
from strangler.transfer.protocol import Decision

_ASKED = 2 * LEASE
_POLL = 0.05
_KERNEL = Path("/proc/sys/kernel/random/boot_id")
_PROCESSES = Path("/proc/self/ns/pid")


def _in(seconds: float) -> Any:
    # The database's clock: movers on several machines need not agree on the time.
    return ExpressionWrapper(Now() + timedelta(seconds=seconds), output_field=DateTimeField())


class Leased(Control):
    """One capability's transfer, for one process or thread that may hold its lease."""

    def __init__(
        self,
        capability: str,
        *,
        decide: Callable[[Decision], None] | None = None,
        publish: Callable[[], None] | None = None,
    ) -> None:
        """``decide`` and ``publish`` are how a move of the ladder does these two."""
        self._capability = capability
        self._decide = decide
        self._publish = publish
        self._holder = (
            f"{socket.gethostname()}:{os.getpid()}:{threading.get_native_id()}{_machine()}"
        )
        self.token = 0

    def acquire(self) -> bool:
        """Take the lease if nobody has it, or nobody else wants it.

        Who has died on this machine has it no more, nor wants it: a switch that was killed half way
        is repaired at once, and commands need not wait until its lease runs out.
        """
        with self._reaching():
            row, _ = self._rows().get_or_create(capability=self._capability)
            dead = [name for name in (row.holder, row.wanted_by) if _is_gone(name)]
            free = (
                Q(holder__in=["", *dead])
                | Q(until=None)
                | Q(until__lt=Now())
                | Q(holder=self._holder)
            )
            unwanted = (
                Q(wanted_by__in=["", self._holder, *dead])
                | Q(wanted_until=None)
                | Q(wanted_until__lt=Now())
            )
            with transaction.atomic(using=_using()):
                taken = (
                    self._row()
                    .filter(free & unwanted)
                    .update(
                        holder=self._holder,
                        token=F("token") + 1,
                        until=_in(LEASE),
                        wanted_by="",
                        wanted_until=None,
                    )
                )
                if taken:
                    self.token = self._row().get().token
            return bool(taken)

    def take(self, *, patience: float = 1.5 * LEASE) -> None:
        """Ask whoever has the lease for it, and take it.

        Raises:
            NotOurs: they did not let it go.
        """
        until = time.monotonic() + patience
        while not self.acquire():
            with self._reaching():
                asking = self._row().get().wanted_by
                nobody = Q(wanted_by__in=["", *([asking] if _is_gone(asking) else [])])
                self._row().filter(nobody | Q(wanted_until__lt=Now())).update(
                    wanted_by=self._holder, wanted_until=_in(_ASKED)
                )
            if time.monotonic() > until:
                with self._reaching():
                    holder = self._row().get().holder
                raise NotOurs(f"the mover {holder} does not let go of {self._capability}")
            time.sleep(_POLL)

    def renew(self) -> None:
        """Keep it."""
        self._own(until=_in(LEASE))

    def release(self) -> None:
        """Give it back."""
        with self._reaching():
            self._row().filter(holder=self._holder, token=self.token).update(holder="", until=None)

    def wanted(self) -> bool:
        """Has somebody else asked?"""
        with self._reaching():
            asked = self._row().filter(wanted_until__gte=Now())
            asking = asked.exclude(wanted_by__in=["", self._holder]).first()
            return asking is not None and not _is_gone(asking.wanted_by)

    def decision(self) -> Decision:
        """The owner is the stage's, and the epoch was written with it."""
        with self._reaching(), transaction.atomic(using=_using()):
            row = CapabilityState.objects.using(_using()).filter(pk=self._capability).first()
            standing = row.standing if row else Standing()
            return Decision(standing.owner, self._row().get().epoch)

    def decide(self, decision: Decision) -> None:
        """As the move has it."""
        if self._decide is None:
            raise NotOurs(f"nobody asked to move {self._capability}")
        self._decide(decision)

    def record(self, decision: Decision) -> None:
        """The new epoch, within the transaction that writes the new stage.

        Raises:
            NotOurs: the lease is another's.
        """
        now = self._row().filter(holder=self._holder, token=self.token, epoch=decision.epoch - 1)
        if not now.update(epoch=decision.epoch, until=_in(LEASE)):
            raise NotOurs(f"another mover has taken over {self._capability}")

    def publish(self) -> None:
        """See that the routing table says what the database does."""
        if self._publish is not None:
            self._publish()
            return
        from strangler.django.control_plane import control, ledger  # noqa: PLC0415 - it uses us

        with self._reaching():
            lags = (ledger.table_revision() or 0) != state.revision()
        if lags:
            control.publish(actor="strangler mover", reason="a switch was left half done")

    def installed(self) -> bool:
        """Does the capability stand where rows flow?"""
        with self._reaching():
            rows = CapabilityState.objects.using(_using()).filter(pk=self._capability)
            return rows.exclude(stage__in=[Stage.MONOLITH, Stage.RETIRED]).exists()

    def backfilled(self) -> bool:
        """Has every row been called dirty?"""
        with self._reaching():
            return bool(self._row().get().backfilled)

    def begin_backfill(self) -> None:
        """It has to be, once more; what was verified counts no more."""
        self._own(backfilled=False, verified={})

    def finish_backfill(self) -> None:
        """It has."""
        self._own(backfilled=True)

    def report(self, report: Report) -> None:
        """Write it down, and keep the lease."""
        said = dataclasses.asdict(report)
        writers = said.pop("writers")
        with self._reaching(), transaction.atomic(using=_using()):
            self._own(until=_in(LEASE), reported=Now(), report=said)
            self._count(writers)

    def _count(self, writers: dict[tuple[str, bool], int]) -> None:
        state_row = CapabilityState.objects.using(_using()).filter(pk=self._capability).first()
        since = state_row.since_revision if state_row else 0
        for (name, door), keys in writers.items():
            key: dict[str, Any] = {
                "capability": self._capability,
                "since_revision": since,
                "name": name[:200],
                "door": door,
            }
            rows = Writer.objects.using(_using())
            if not rows.filter(**key).update(keys=F("keys") + keys, last=Now()):
                rows.create(**key, keys=keys, last=timezone.now())

    def _own(self, **changes: Any) -> None:
        with self._reaching():
            mine = self._row().filter(holder=self._holder, token=self.token)
            if not mine.update(**changes):
                raise NotOurs(f"another mover has taken over {self._capability}")

    def _rows(self) -> Any:
        return Transfer.objects.using(_using())

    def _row(self) -> Any:
        return self._rows().filter(pk=self._capability)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except Error as error:
            connection = connections[_using()]
            if not connection.in_atomic_block:
                connection.close()  # the next question gets a new one
            raise ControlAway(f"the control plane's database: {error}") from error


@cache
def _machine() -> str:
    """What tells these processes' numbers from others': "" where nobody can say."""
    try:
        kernel = _KERNEL.read_text(encoding="ascii").strip()[:8]
        return f"@{kernel}.{_PROCESSES.stat().st_ino}"
    except OSError:
        return ""


def _is_gone(holder: str) -> bool:
    """Was that a process of this machine, which has ended?"""
    name, _, machine = holder.rpartition("@")
    number = name.split(":")[1:2]
    if not machine or f"@{machine}" != _machine() or not number:
        return False
    try:
        os.kill(int(number[0]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _using() -> str:
    return conf.settings().database
