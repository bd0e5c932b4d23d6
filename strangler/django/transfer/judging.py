"""The evidence of a capability's rows, for the gates of ``strangler.transfer.gate``."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from strangler.django import conf
from strangler.django.boundaries import crossings
from strangler.django.models import Transfer, Writer
from strangler.django.transfer import clock
from strangler.django.transfer.places import sides
from strangler.gates import Verdict
from strangler.ladder import Gate
from strangler.manifest import Capability
from strangler.transfer import gate as gates
from strangler.transfer.errors import TransferError, Unfit
from strangler.transfer.gate import Flowing, Verified
from strangler.transfer.pairing import fit

GATES = frozenset({Gate.TRANSFERABLE, Gate.REPLICATED, Gate.IN_STEP, Gate.THROUGH_DOOR})


@dataclass(frozen=True, slots=True)
class Since:
    """When the present rung began."""

    revision: int
    seconds: float


def judge(gate: Gate, capability: Capability, since: Since) -> tuple[Verdict, ...]:
    """What one gate says of a capability with tables.

    Raises:
        django.db.Error: the database is away.
    """
    if gate is Gate.TRANSFERABLE:
        return gates.transferable(problems(capability))
    row = Transfer.objects.using(_using()).filter(pk=capability.name).first()
    if gate is Gate.THROUGH_DOOR:
        rows = Writer.objects.using(_using()).filter(
            capability=capability.name, since_revision=since.revision, door=False
        )
        return gates.through_door(dict(rows.values_list("name", "keys")), seconds=since.seconds)
    judged = gates.replicated if gate is Gate.REPLICATED else gates.in_step
    return judged(flowing(row), verified(row))


def problems(capability: Capability) -> list[str]:
    """Why the rows can't be carried: everything at once."""
    crossing = [f"{one}: {one.remedy}" for one in crossings(capability) if one.blocks]
    return crossing + misfits(capability)


def misfits(capability: Capability) -> list[str]:
    """Why the rows can't be carried, as the maps and the two databases have it."""
    try:
        there = sides(capability)
        with (
            closing(there.monolith.session()) as monolith,
            closing(there.service.session()) as service,
        ):
            fit(there.maps, monolith, service)
    except Unfit as unfit:
        return list(unfit.problems)
    except TransferError as error:
        return [str(error)]
    return []


def flowing(row: Transfer | None) -> Flowing:
    """What the mover last said."""
    if row is None or row.reported is None:
        return Flowing(backfilled=bool(row and row.backfilled))
    said = row.report
    backfill = said.get("backfill") or {}
    return Flowing(
        age=clock.age(row.capability, row.reported),
        lag=said["lag"],
        beats=said["beats"],
        pending=said["pending"],
        parked=said["parked"],
        missing=said["missing"],
        backfilled=row.backfilled,
        enqueued=backfill.get("enqueued", 0),
        total=backfill.get("total", 0),
    )


def verified(row: Transfer | None) -> Verified:
    """The last verification, if it was made under the present owner."""
    if row is None or row.verified.get("epoch") != row.epoch:
        return Verified()
    findings = row.verified["findings"]
    first = findings[0] if findings else None
    return Verified(
        rows=row.verified["rows"],
        findings=row.verified["differing"],
        first=f"{first['kind']} {first['table']} {first['key']}" if first else "",
    )


def _using() -> str:
    return conf.settings().database
