"""Comparing a capability's rows as a whole, and writing down what was found."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from strangler.django import conf
from strangler.django.control_plane.errors import RowsStay
from strangler.django.models import Transfer
from strangler.django.transfer import clock
from strangler.django.transfer.lease import Leased
from strangler.django.transfer.places import sides
from strangler.manifest import Capability
from strangler.transfer.control import ControlAway
from strangler.transfer.errors import TransferError
from strangler.transfer.marks import Mark, fingerprint, read, written
from strangler.transfer.pairing import Pairing, fit
from strangler.transfer.verify import Finding, Verification, Verified

KEPT = 20
"""Findings that are written down; all are counted."""
EVERY = 5.0
"""Seconds after which it is written down how far a verification has come."""
GOOD_FOR = timedelta(minutes=10)
"""How long another goes on from there: not for long, lest a restored backup be half compared."""
SUSPECTS = 1000
"""Rows above which nobody does: there is a lot wrong."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a whole verification found."""

    epoch: int
    rows: int
    seconds: float
    findings: tuple[Finding, ...]
    resumed: int = 0
    """How many of the rows were compared before, by a verification that broke off."""


def verify(capability: Capability, *, progress: Callable[[Verified], None] | None = None) -> Result:
    """Compare every row, and write down what was found.

    It goes on where one broke off a few minutes ago, if neither the owner nor a table nor a
    map is another since.

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
            book = _Book(capability.name, now.epoch, pairing)
            since = book.opened()
            check = Verification(
                pairing, monolith=monolith, service=service, owner=now.owner, since=since
            )
            for so_far in check.chunks():
                book.note(check.mark)
                if progress is not None:
                    progress(so_far)
            findings = tuple(check.findings())
    except (TransferError, ControlAway) as error:
        raise RowsStay(f"{capability.name} can't be verified: {error}") from error
    took = time.monotonic() - began
    result = Result(now.epoch, check.rows, took, findings, since.rows if since else 0)
    _remember(capability.name, result)
    return result


class _Book:
    """Where it is written down how far a verification has come."""

    def __init__(self, name: str, epoch: int, pairing: Pairing) -> None:
        self._name = name
        self._pairing = pairing
        self._of = {"epoch": epoch, "fit": fingerprint(pairing.carried())}
        self._due = time.monotonic() + EVERY

    def opened(self) -> Mark | None:
        """Where to go on, if one has broken off."""
        row = _rows(self._name).first()
        said = row.verified.get("so_far") if row is not None else None
        if not said or said["of"] != self._of:
            return None
        if clock.now(self._name) - datetime.fromisoformat(said["at"]) > GOOD_FOR:
            return None
        return read(said["mark"], self._pairing)

    def note(self, mark: Mark | None) -> None:
        """Write it down, now and then."""
        if mark is None or time.monotonic() < self._due or len(mark.suspects) > SUSPECTS:
            return
        self._due = time.monotonic() + EVERY
        with transaction.atomic(using=conf.settings().database):
            row = _rows(self._name).select_for_update().first()
            if row is not None:
                at = clock.now(self._name).isoformat()
                row.verified["so_far"] = {"of": self._of, "at": at, "mark": written(mark)}
                row.save(update_fields=["verified"])


def _rows(name: str) -> QuerySet[Transfer]:
    return Transfer.objects.using(conf.settings().database).filter(pk=name)


def _remember(name: str, result: Result) -> None:
    _rows(name).update(
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
