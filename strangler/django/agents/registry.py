"""Which agents there are. A registration is a lease: one that has vanished blocks nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import (
    BooleanField,
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    F,
    Q,
)
from django.db.models.functions import Now

from strangler.django import conf
from strangler.django.control_plane import state
from strangler.django.models import Agent, Observation
from strangler.django.observing import counters
from strangler.ladder import Arm
from strangler.routing.decide import Kind
from strangler.routing.killing import BEYOND
from strangler.routing.news import LEASE, BadMessage, Counts, Report

FORGOTTEN = 3600.0
"""Seconds after which an agent that has vanished is not named any more."""
WRITTEN = 1.0
"""Seconds within which one that has nothing new to say is not written down again."""
FARTHEST = 1_000 * BEYOND
"""By how much a table may be ahead of the database: by that many kills that nobody has recorded."""
_COUNTED_BY = ("capability", "since_revision", "arm", "kind", "bucket")


class NotReported(Exception):
    """Nobody knows this agent: it reports first."""


@dataclass(frozen=True, slots=True)
class Known:
    """One agent as the control plane knows it."""

    id: str
    name: str
    alive: bool
    """Its lease holds."""
    age: float
    """Seconds since it was heard."""
    table: int
    heard: int
    refused: str
    edge: str

    @property
    def revision(self) -> int:
        """The revision that it has dealt with, one way or the other."""
        return max(self.table, self.heard)


def heard(party: str, report: Report) -> None:
    """Write down what an agent has said of itself.

    Raises:
        BadMessage: no table can be so far ahead.
        django.db.Error: the database is away.
    """
    if report.table > FARTHEST and report.table > state.revision() + FARTHEST:
        raise BadMessage(f"no table is at revision {report.table}, with {state.revision()} here")
    rows = Agent.objects.using(conf.settings().database)
    mine = rows.filter(pk=_id(party, report.name))
    if report.leaves:
        mine.delete()
        return
    known: dict[str, Any] = {
        "table": report.table,
        "heard": report.heard,
        "refused": report.refused,
        "edge": report.edge,
    }
    if mine.filter(**known, until__gt=_in(LEASE - WRITTEN)).exists():
        return
    says = {**known, "until": _in(LEASE), "heard_at": Now()}
    if mine.update(**says):
        return
    try:
        with transaction.atomic(using=rows.db):
            rows.create(pk=_id(party, report.name), **says)
    except IntegrityError:
        mine.update(**says)
    rows.filter(until__lt=_in(-FORGOTTEN)).delete()


def seen() -> Sequence[Known]:
    """Every agent that was heard of lately, by name.

    Raises:
        django.db.Error: the database is away.
    """
    rows = Agent.objects.using(conf.settings().database).filter(until__gte=_in(-FORGOTTEN))
    known = rows.annotate(
        alive=ExpressionWrapper(Q(until__gte=Now()), output_field=BooleanField()),
        age=ExpressionWrapper(Now() - F("heard_at"), output_field=DurationField()),
    )
    return [
        Known(
            id=row.id,
            name=row.name,
            alive=bool(row.alive),
            age=max(row.age.total_seconds(), 0.0),
            table=row.table,
            heard=row.heard,
            refused=row.refused,
            edge=row.edge,
        )
        for row in known.order_by("pk")
    ]


def newest() -> tuple[int, str]:
    """The newest revision of the table beside an agent that is waited for, and which that is.

    0 and nothing without any.

    Raises:
        django.db.Error: the database is away.
    """
    rows = Agent.objects.using(conf.settings().database).filter(until__gte=Now())
    first = rows.order_by("-table", "pk").values_list("table", "pk").first()
    return first or (0, "")


def count(party: str, counts: Counts) -> int:
    """Add what an edge has answered to the evidence, once; the number of its last batch there is.

    Raises:
        NotReported: the agent has not reported yet, or for so long that it was forgotten.
        django.db.Error: the database is away; nothing was counted.
    """
    using = conf.settings().database
    known = conf.manifest().capabilities
    amounts: dict[counters.Key, dict[str, int]] = {
        (one.capability, one.since, one.arm, one.kind, one.bucket): {
            "requests": one.requests,
            "failures": one.failures,
            "fallbacks": one.fallbacks,
        }
        for one in counts.counted
        if one.capability in known and one.arm in list(Arm) and one.kind in list(Kind)
    }
    with transaction.atomic(using=using):
        mine = Agent.objects.using(using).filter(pk=_id(party, counts.name))
        if not mine.filter(batch__lt=counts.batch).update(batch=counts.batch):
            last: int | None = mine.values_list("batch", flat=True).first()
            if last is None:
                raise NotReported(f"{party}/{counts.name} has not reported yet")
            return last
        counters.add(Observation, _COUNTED_BY, amounts, using=using)
    return counts.batch


def _id(party: str, name: str) -> str:
    return f"{party}/{name}"


def _in(seconds: float) -> Any:
    # The database's clock: agents and processes need not agree on the time.
    return ExpressionWrapper(Now() + timedelta(seconds=seconds), output_field=DateTimeField())
