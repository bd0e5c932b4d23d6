"""Comparing a capability's rows as a whole, and writing down what was found."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from django.utils import timezone

from strangler.django import conf
from strangler.django.control_plane.errors import RowsStay
from strangler.django.models import Transfer
from strangler.django.transfer.lease import Leased
from strangler.django.transfer.places import sides
from strangler.manifest import Capability
from strangler.transfer.control import ControlAway
from strangler.transfer.database import TransferError
from strangler.transfer.pairing import Pairing, fit
from strangler.transfer.verify import Finding, Verification, Verified

KEPT = 20
"""Findings that are written down; all are counted."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a whole verification found."""

    epoch: int
    rows: int
    seconds: float
    findings: tuple[Finding, ...]


def verify(capability: Capability, *, progress: Callable[[Verified], None] | None = None) -> Result:
    """Compare every row, and write down what was found.

    Raises:
        RowsStay: one of the databases is out of reach, or the maps do not fit.
    """
    began = time.monotonic()
    try:
        there = sides(capability)
        now = Leased(capability.name).decision()
        with (
            closing(there.monolith.session()) as monolith,
            closing(there.service.session()) as service,
        ):
            pairing = Pairing(fit(there.maps, monolith, service))
            check = Verification(pairing, monolith=monolith, service=service, owner=now.owner)
            for so_far in check.chunks():
                if progress is not None:
                    progress(so_far)
            findings = tuple(check.findings())
    except (TransferError, ControlAway) as error:
        raise RowsStay(f"{capability.name} can't be verified: {error}") from error
    result = Result(now.epoch, check.rows, time.monotonic() - began, findings)
    _remember(capability.name, result)
    return result


def _remember(name: str, result: Result) -> None:
    rows = Transfer.objects.using(conf.settings().database).filter(pk=name)
    rows.update(
        verified={
            "epoch": result.epoch,
            "at": timezone.now().isoformat(),
            "rows": result.rows,
            "seconds": result.seconds,
            "differing": len(result.findings),
            "findings": [shape(one) for one in result.findings[:KEPT]],
        }
    )


def shape(finding: Finding) -> dict[str, object]:
    """A finding as JSON data."""
    return {
        "table": finding.table,
        "key": [str(part) for part in finding.key],
        "kind": str(finding.kind),
        "columns": list(finding.columns),
        "reason": finding.reason,
    }
