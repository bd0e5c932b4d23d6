"""The tables of what is said: versions, which travel with a capability; the rest stays.

A context that publishes has one table of versions, which belongs to it::

    class ProductVersion(EventVersion):
        \"\"\"How many events of each product there have been.\"\"\"
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models

from strangler.events import outbox


class EventVersion(models.Model):
    """How many events of one aggregate there have been, on whichever side."""

    aggregate: models.TextField[str, str] = models.TextField(primary_key=True)
    """Kind and key, such as ``catalog.product/SKU-1``."""
    version: models.PositiveBigIntegerField[int, int] = models.PositiveBigIntegerField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.aggregate}: {self.version}"


class _Event(models.Model):
    """What both tables of events hold."""

    id: models.UUIDField[UUID, UUID]
    aggregatetype: models.TextField[str, str] = models.TextField()
    aggregateid: models.TextField[str, str] = models.TextField()
    version: models.BigIntegerField[int, int] = models.BigIntegerField()
    type: models.TextField[str, str] = models.TextField()
    payload: models.TextField[str, str] = models.TextField()
    """JSON."""
    schema: models.IntegerField[int, int] = models.IntegerField()
    capability: models.TextField[str, str] = models.TextField()
    partition: models.SmallIntegerField[int, int] = models.SmallIntegerField()
    trace: models.TextField[str | None, str | None] = models.TextField(null=True)  # noqa: DJ001 -- NULL is none
    at: models.DateTimeField[datetime, datetime] = models.DateTimeField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.type} {self.aggregateid} {self.version}"


class Outbox(_Event):
    """What was said and is not published yet."""

    position: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    id: models.UUIDField[UUID, UUID] = models.UUIDField(unique=True)

    class Meta:
        db_table = outbox.OUTBOX
        constraints = (
            models.UniqueConstraint(
                fields=("aggregatetype", "aggregateid", "version"), name="strangler_outbox_once"
            ),
        )


class OutboxParked(_Event):
    """What a bus has refused, and what is behind it."""

    position: models.BigIntegerField[int, int] = models.BigIntegerField(primary_key=True)
    """Where it goes back to."""
    id: models.UUIDField[UUID, UUID] = models.UUIDField(unique=True)
    reason: models.TextField[str, str] = models.TextField()
    parked_at: models.DateTimeField[datetime, datetime] = models.DateTimeField()
    dropped: models.TextField[str, str] = models.TextField(default="", blank=True)
    """Who has decided that nobody will be told, and why."""

    class Meta:
        db_table = outbox.PARKED
        constraints = (
            models.UniqueConstraint(
                fields=("aggregatetype", "aggregateid", "version"),
                name="strangler_outbox_parked_once",
            ),
        )


class RelayLease(models.Model):
    """Who publishes what a partition holds."""

    partition: models.SmallIntegerField[int, int] = models.SmallIntegerField(primary_key=True)
    holder: models.TextField[str, str] = models.TextField(default="", blank=True)
    token: models.BigIntegerField[int, int] = models.BigIntegerField(default=0)
    """Grows with every holder."""
    until: models.DateTimeField[Any, Any] = models.DateTimeField(null=True)

    class Meta:
        db_table = outbox.RELAY

    def __str__(self) -> str:
        return f"{self.partition}: {self.holder or 'nobody'}"


class RelayProcess(models.Model):
    """A relay that lives, with partitions or without."""

    holder: models.TextField[str, str] = models.TextField(primary_key=True)
    until: models.DateTimeField[datetime, datetime] = models.DateTimeField()

    class Meta:
        db_table = outbox.RELAY_PROCESS

    def __str__(self) -> str:
        return self.holder


class Backlog(models.Model):
    """One row: how many events waited when a relay last counted, and which was the last."""

    id: models.PositiveSmallIntegerField[int, int] = models.PositiveSmallIntegerField(
        primary_key=True, default=1
    )
    waiting: models.BigIntegerField[int, int] = models.BigIntegerField(default=0)
    position: models.BigIntegerField[int, int] = models.BigIntegerField(default=0)
    at: models.DateTimeField[datetime, datetime] = models.DateTimeField()

    class Meta:
        db_table = outbox.BACKLOG

    def __str__(self) -> str:
        return f"{self.waiting} at {self.position}"
