"""The control plane's tables: where each capability stands, how it came there, and the evidence.

All of them live in the database that ``STRANGLER["DATABASE"]`` names. ``since_revision`` is the
revision at which a capability came to stand where it stands: evidence is kept under it, so that
evidence of an earlier rung never counts for the present one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NoReturn

from django.db import models

from strangler.django.events.models import (  # noqa: F401 - Django looks for tables here
    Backlog,
    Outbox,
    OutboxParked,
    RelayLease,
    RelayProcess,
)
from strangler.django.saga.models import Saga, SagaEntry, SagaLock  # noqa: F401 - ditto
from strangler.ladder import Arm, Stage, Standing


class ControlPlane(models.Model):
    """One row: the revision of the latest change. Whoever changes anything locks it first."""

    id: models.PositiveSmallIntegerField[int, int] = models.PositiveSmallIntegerField(
        primary_key=True, default=1
    )
    revision: models.PositiveBigIntegerField[int, int] = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"revision {self.revision}"


class CapabilityState(models.Model):
    """Where one capability stands. One that has no row stands on ``monolith``."""

    name: models.CharField[str, str] = models.CharField(max_length=100, primary_key=True)
    stage: models.CharField[str, str] = models.CharField(
        max_length=20, default=Stage.MONOLITH.value
    )
    percent: models.PositiveSmallIntegerField[int, int] = models.PositiveSmallIntegerField(
        default=0
    )
    held: models.BooleanField[bool, bool] = models.BooleanField(default=False)
    killed: models.BooleanField[bool, bool] = models.BooleanField(default=False)
    closed: models.BooleanField[bool, bool] = models.BooleanField(default=False)
    since: models.DateTimeField[datetime, datetime] = models.DateTimeField()
    since_revision: models.PositiveBigIntegerField[int, int] = models.PositiveBigIntegerField()
    revision: models.PositiveBigIntegerField[int, int] = models.PositiveBigIntegerField()
    """The latest change of any kind, overlays included."""

    def __str__(self) -> str:
        return f"{self.name}: {self.standing}"

    @property
    def standing(self) -> Standing:
        """The rung and its overlays, as the ladder knows them."""
        return Standing(Stage(self.stage), self.percent, self.held, self.killed, self.closed)


class HistoryIsAppendOnly(TypeError):
    """A change that was recorded is never altered or removed; record another one."""


class ChangeQuerySet(models.QuerySet["Change"]):
    """Reads and appends; everything else is refused, here and by triggers in the database."""

    def update(self, **_: Any) -> NoReturn:
        """Refused.

        Raises:
            HistoryIsAppendOnly: always.
        """
        raise HistoryIsAppendOnly("history is append-only: a change can't be updated")

    def delete(self) -> NoReturn:
        """Refused.

        Raises:
            HistoryIsAppendOnly: always.
        """
        raise HistoryIsAppendOnly("history is append-only: a change can't be deleted")

    def _raw_delete(self, using: str | None) -> NoReturn:
        """Django's own way around ``delete``."""
        raise HistoryIsAppendOnly(f"history is append-only: no change is deleted from {using!r}")


class Change(models.Model):
    """One entry of the history: who, when, why, from, to, and what was known at the time."""

    revision: models.PositiveBigIntegerField[int, int] = models.PositiveBigIntegerField()
    capability: models.CharField[str, str] = models.CharField(
        max_length=100, blank=True, db_index=True
    )
    """Empty for a change that is about the whole table."""
    action: models.CharField[str, str] = models.CharField(max_length=20)
    actor: models.CharField[str, str] = models.CharField(max_length=200)
    at: models.DateTimeField[datetime, datetime] = models.DateTimeField()
    reason: models.TextField[str, str] = models.TextField(blank=True)
    forced: models.BooleanField[bool, bool] = models.BooleanField(default=False)
    before: models.JSONField[Any, Any] = models.JSONField(default=dict)
    after: models.JSONField[Any, Any] = models.JSONField(default=dict)
    evidence: models.JSONField[Any, Any] = models.JSONField(default=list)
    """The verdicts of every gate that was asked, passed or not."""

    objects = ChangeQuerySet.as_manager()

    class Meta:
        ordering = ("revision", "capability")
        constraints = (
            models.UniqueConstraint(
                fields=("revision", "capability"), name="strangler_change_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.revision} {self.capability} {self.action}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Append it.

        Raises:
            HistoryIsAppendOnly: it is recorded already.
        """
        if not self._state.adding:
            raise HistoryIsAppendOnly("history is append-only: a change can't be updated")
        super().save(*args, **kwargs)

    def delete(self, *_: Any, **__: Any) -> NoReturn:
        """Refused.

        Raises:
            HistoryIsAppendOnly: always.
        """
        raise HistoryIsAppendOnly("history is append-only: a change can't be deleted")


class Observation(models.Model):
    """How many calls of one kind an arm has answered within one bucket of latency.

    ``bucket`` is a number of ``strangler.latency``; the rows of an arm are its
    histogram.
    """

    capability: models.CharField[str, str] = models.CharField(max_length=100)
    since_revision: models.PositiveBigIntegerField[int, int] = models.PositiveBigIntegerField()
    arm: models.CharField[str, str] = models.CharField(max_length=10)
    kind: models.CharField[str, str] = models.CharField(max_length=10)
    bucket: models.PositiveSmallIntegerField[int, int] = models.PositiveSmallIntegerField()
    requests: models.PositiveBigIntegerField[int, int] = models.PositiveBigIntegerField(default=0)
    failures: models.PositiveBigIntegerField[int, int] = models.PositiveBigIntegerField(default=0)
    fallbacks: models.PositiveBigIntegerField[int, int] = models.PositiveBigIntegerField(default=0)
    """Calls that this arm failed and the other one answered."""

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("capability", "since_revision", "arm", "kind", "bucket"),
                name="strangler_observation_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.capability} {Arm(self.arm)} {self.kind}: {self.requests}"


class ShadowTally(models.Model):
    """How many comparisons of one route ended how."""

    capability: models.CharField[str, str] = models.CharField(max_length=100)
    since_revision: models.PositiveBigIntegerField[int, int] = models.PositiveBigIntegerField()
    method: models.CharField[str, str] = models.CharField(max_length=10)
    route: models.CharField[str, str] = models.CharField(max_length=200)
    outcome: models.CharField[str, str] = models.CharField(max_length=20)
    count: models.PositiveBigIntegerField[int, int] = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("capability", "since_revision", "method", "route", "outcome"),
                name="strangler_shadowtally_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.capability} {self.method} {self.route} {self.outcome}: {self.count}"


class ShadowDifference(models.Model):
    """One way in which the service's answers differ from the monolith's, with a few examples."""

    capability: models.CharField[str, str] = models.CharField(max_length=100)
    since_revision: models.PositiveBigIntegerField[int, int] = models.PositiveBigIntegerField()
    signature: models.CharField[str, str] = models.CharField(max_length=64)
    """The same for the same route, statuses, path and kind, on every rung."""
    method: models.CharField[str, str] = models.CharField(max_length=10)
    route: models.CharField[str, str] = models.CharField(max_length=200)
    monolith_status: models.PositiveSmallIntegerField[int, int] = models.PositiveSmallIntegerField()
    service_status: models.PositiveSmallIntegerField[int, int] = models.PositiveSmallIntegerField()
    path: models.CharField[str, str] = models.CharField(max_length=500)
    """JSON path of what differs, such as ``$.lines[*].tax``."""
    kind: models.CharField[str, str] = models.CharField(max_length=20)
    count: models.PositiveBigIntegerField[int, int] = models.PositiveBigIntegerField(default=0)
    examples: models.JSONField[Any, Any] = models.JSONField(default=list)
    explained: models.TextField[str, str] = models.TextField(blank=True)
    """Why this difference is as it should be; empty while nobody has said so."""

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("capability", "since_revision", "signature"),
                name="strangler_shadowdifference_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.capability} {self.method} {self.route} {self.path}: {self.kind}"


class Delivery(models.Model):
    """A single-use token that has been delivered to one of this party's processes."""

    issuer: models.CharField[str, str] = models.CharField(max_length=100)
    token: models.CharField[str, str] = models.CharField(max_length=100)
    expires: models.FloatField[float, float] = models.FloatField(db_index=True)
    """Seconds since the epoch, after which the token is refused for its age."""

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("issuer", "token"), name="strangler_delivery_once"),
        )

    def __str__(self) -> str:
        return f"{self.issuer} {self.token}"


class Agent(models.Model):
    """One agent that follows the control plane, and what it has made of that."""

    id: models.CharField[str, str] = models.CharField(max_length=210, primary_key=True)
    """``party/name``."""
    until: models.DateTimeField[datetime, datetime] = models.DateTimeField()
    """Until when it is waited for, by the database's clock."""
    heard_at: models.DateTimeField[datetime, datetime] = models.DateTimeField()
    table: models.PositiveBigIntegerField[int, int] = models.PositiveBigIntegerField(default=0)
    """The revision that its table is at."""
    heard: models.PositiveBigIntegerField[int, int] = models.PositiveBigIntegerField(default=0)
    """The revision of the last news that it has dealt with."""
    refused: models.TextField[str, str] = models.TextField(blank=True)
    """Why it could not do all that this revision wants."""
    edge: models.CharField[str, str] = models.CharField(max_length=40, blank=True)
    """The edge that it serves; empty beside a service."""
    batch: models.PositiveBigIntegerField[int, int] = models.PositiveBigIntegerField(default=0)
    """The last of its counts that is counted."""

    def __str__(self) -> str:
        return f"{self.id}: revision {self.table}"

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.id.partition("/")[2]


class Transfer(models.Model):
    """How one capability's rows flow: who may carry them, and what that mover last saw."""

    capability: models.CharField[str, str] = models.CharField(max_length=100, primary_key=True)
    epoch: models.PositiveBigIntegerField[int, int] = models.PositiveBigIntegerField(default=1)
    """Grows at every change of owner, in the transaction that changes the stage."""
    token: models.PositiveBigIntegerField[int, int] = models.PositiveBigIntegerField(default=0)
    """Grows with every holder of the lease."""
    holder: models.CharField[str, str] = models.CharField(max_length=200, blank=True)
    until: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True)
    wanted_by: models.CharField[str, str] = models.CharField(max_length=200, blank=True)
    wanted_until: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(
        null=True
    )
    backfilled: models.BooleanField[bool, bool] = models.BooleanField(default=False)
    reported: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(
        null=True
    )
    report: models.JSONField[Any, Any] = models.JSONField(default=dict)
    verified: models.JSONField[Any, Any] = models.JSONField(default=dict)
    """The last whole verification: epoch, at, rows, seconds, findings."""
    switches: models.JSONField[Any, Any] = models.JSONField(default=list)
    """The last few changes of owner: epoch, at, and seconds by step."""

    def __str__(self) -> str:
        return f"{self.capability}: epoch {self.epoch}"


class Writer(models.Model):
    """Who has written a capability's rows on its present rung, as its journal tells."""

    capability: models.CharField[str, str] = models.CharField(max_length=100)
    since_revision: models.PositiveBigIntegerField[int, int] = models.PositiveBigIntegerField()
    name: models.CharField[str, str] = models.CharField(max_length=200)
    door: models.BooleanField[bool, bool] = models.BooleanField()
    """By the door, as it should be."""
    keys: models.PositiveBigIntegerField[int, int] = models.PositiveBigIntegerField(default=0)
    last: models.DateTimeField[datetime, datetime] = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("capability", "since_revision", "name", "door"),
                name="strangler_writer_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.capability}: {self.name}"
