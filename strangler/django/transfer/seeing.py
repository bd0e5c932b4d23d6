"""What there is to see of a capability's rows, as ``strangler transfer status`` shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from strangler.django import conf
from strangler.django.control_plane import state
from strangler.django.control_plane.state import State
from strangler.django.models import Transfer, Writer
from strangler.django.transfer import clock
from strangler.ladder import Arm, Stage
from strangler.manifest import Capability
from strangler.transfer.control import LEASE
from strangler.transfer.gate import FRESH

LAST = 5
"""Changes of owner that are shown, and writers past the door that are named first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Which mover holds the lease, and how many seconds ago it last said that it does."""

    name: str
    age: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """How far the backfill has come; ``left`` is in seconds, None where nobody can say."""

    enqueued: int
    total: int
    rate: float
    left: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What the mover last said, and how many seconds ago. Times in seconds."""

    age: float
    pending: int
    oldest: float
    lag: float | None
    rate: float
    carried: int
    parked: int
    stuck: tuple[tuple[str, str, str], ...]
    """Table, key and reason of the first that are parked."""
    missing: tuple[str, ...]
    backfill: Filling | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The last whole verification; ``current`` if it was made under the present owner."""

    at: datetime
    rows: int
    seconds: float
    differing: int
    findings: tuple[dict[str, Any], ...]
    current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrote:
    """Somebody who has written the rows on this rung; ``door``: as it should be."""

    name: str
    door: bool
    keys: int
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """One change of owner, and for how many seconds commands had to wait, step by step."""

    epoch: int
    at: datetime
    freeze: float
    drained: int
    steps: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One capability's rows."""

    capability: str
    stage: Stage
    owner: Arm
    epoch: int
    flows: bool
    """It stands on a rung where rows flow."""
    backfilled: bool
    holder: Holder | None
    report: Reported | None
    verified: Compared | None
    writers: tuple[Wrote, ...]
    """Those past the door first, then whoever wrote most."""
    switches: tuple[Switched, ...]
    """The last one first."""

    @property
    def wrong(self) -> tuple[str, ...]:
        """What somebody has to see to."""
        if not self.flows:
            return ()
        found = []
        report = self.report
        if report is None or report.age > FRESH:
            found.append("no mover carries its rows: start 'strangler mover'")
        if report is not None and report.missing:
            found.append(f"not in place: {'; '.join(report.missing)}")
        if report is not None and report.parked:
            found.append(f"{report.parked} rows can't be applied")
        if self.verified is not None and self.verified.current and self.verified.differing:
            found.append(f"{self.verified.differing} rows differ")
        return tuple(found)


def see(capability: Capability) -> Seen:
    """How the rows of one capability flow.

    Raises:
        django.db.Error: the database is away.
    """
    known = state.read(capability.name)
    row = Transfer.objects.using(_using()).filter(pk=capability.name).first() or Transfer()
    return Seen(
        capability=capability.name,
        stage=known.standing.stage,
        owner=known.standing.owner,
        epoch=row.epoch,
        flows=known.standing.stage not in {Stage.MONOLITH, Stage.RETIRED},
        backfilled=row.backfilled,
        holder=_holder(row),
        report=_report(row),
        verified=_verified(row),
        writers=_writers(known),
        switches=tuple(reversed(_switches(row)[-LAST:])),
    )


def freeze(name: str) -> float | None:
    """For how long commands had to wait at the change of owner that made the present epoch.

    Raises:
        django.db.Error: the database is away.
    """
    row = Transfer.objects.using(_using()).filter(pk=name).first()
    made = [one for one in _switches(row) if one.epoch == row.epoch] if row else []
    return made[-1].freeze if made else None


def _holder(row: Transfer) -> Holder | None:
    if not row.holder or row.until is None:
        return None
    age = LEASE + clock.age(row.capability, row.until)
    return Holder(name=row.holder, age=max(0.0, age)) if age <= LEASE else None


def _report(row: Transfer) -> Reported | None:
    if row.reported is None:
        return None
    said = row.report
    return Reported(
        age=max(0.0, clock.age(row.capability, row.reported)),
        pending=said["pending"],
        oldest=said["oldest"],
        lag=said["lag"],
        rate=said["rate"],
        carried=said["carried"],
        parked=said["parked"],
        stuck=tuple((one["table"], one["key"], one["reason"]) for one in said.get("stuck", ())),
        missing=tuple(said["missing"]),
        backfill=_filling(said),
    )


def _filling(said: dict[str, Any]) -> Filling | None:
    backfill = said["backfill"]
    if not backfill:
        return None
    enqueued, total, rate = backfill["enqueued"], backfill["total"], said["rate"]
    ahead = total - enqueued + said["pending"]
    return Filling(
        enqueued=enqueued, total=total, rate=rate, left=ahead / rate if rate > 0 else None
    )


def _verified(row: Transfer) -> Compared | None:
    said = row.verified
    if "at" not in said:  # none has come to its end
        return None
    return Compared(
        at=datetime.fromisoformat(said["at"]),
        rows=said["rows"],
        seconds=said["seconds"],
        differing=said["differing"],
        findings=tuple(said["findings"]),
        current=said["epoch"] == row.epoch,
    )


def _writers(known: State) -> tuple[Wrote, ...]:
    rows = Writer.objects.using(_using()).filter(
        capability=known.capability, since_revision=known.since_revision
    )
    rows = rows.exclude(name="mover", door=True)  # it calls rows dirty, and has written none
    return tuple(
        Wrote(name=one.name, door=one.door, keys=one.keys, last=one.last)
        for one in rows.order_by("door", "-keys", "name")
    )


def _switches(row: Transfer) -> Sequence[Switched]:
    return [
        Switched(
            epoch=one["epoch"],
            at=datetime.fromisoformat(one["at"]),
            freeze=one["freeze"],
            drained=one["drained"],
            steps=tuple(one["steps"].items()),
        )
        for one in row.switches
    ]


def _using() -> str:
    return conf.settings().database
