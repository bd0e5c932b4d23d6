"""The tables of sagas. Times are seconds since the epoch, as ``strangler.saga.store`` says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn
from uuid import UUID

from django.db import models
from django.db.models import Q

from strangler.saga.machine import State

_LONG = 200


class Saga(models.Model):
    """One saga: see ``strangler.saga.store.Record``."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True)
    name: models.CharField[str, str] = models.CharField(max_length=100)
    key: models.CharField[str, str] = models.CharField(max_length=_LONG)
    given: models.TextField[str, str] = models.TextField()
    data: models.TextField[str, str] = models.TextField()
    steps: models.JSONField[Any, Any] = models.JSONField()
    state: models.CharField[str, str] = models.CharField(max_length=20, default=State.RUNNING.value)
    at: models.PositiveSmallIntegerField[int, int] = models.PositiveSmallIntegerField(default=0)
    attempts: models.PositiveIntegerField[int, int] = models.PositiveIntegerField(default=0)
    trying: models.BooleanField[bool, bool] = models.BooleanField(default=False)
    doubted: models.BooleanField[bool, bool] = models.BooleanField(default=False)
    back: models.BooleanField[bool, bool] = models.BooleanField(default=False)
    cause: models.CharField[str, str] = models.CharField(max_length=_LONG, blank=True)
    reason: models.TextField[str, str] = models.TextField(blank=True)
    trouble: models.TextField[str, str] = models.TextField(blank=True)
    deadline: models.FloatField[float, float] = models.FloatField()
    due: models.FloatField[float | None, float | None] = models.FloatField(null=True)
    holder: models.CharField[str, str] = models.CharField(max_length=_LONG, blank=True)
    token: models.PositiveBigIntegerField[int, int] = models.PositiveBigIntegerField(default=1)
    """Grows with every holder."""
    entries: models.PositiveIntegerField[int, int] = models.PositiveIntegerField(default=0)
    """How long its log is."""
    context: models.TextField[str, str] = models.TextField()
    started: models.FloatField[float, float] = models.FloatField()
    changed: models.FloatField[float, float] = models.FloatField()
    ended: models.FloatField[float | None, float | None] = models.FloatField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("name", "key"), name="strangler_saga_once"),)
        indexes = (
            models.Index(fields=["due"], condition=Q(due__isnull=False), name="strangler_saga_due"),
            models.Index(fields=["-started"], name="strangler_saga_youngest"),
            models.Index(
                fields=["-started"], condition=Q(ended__isnull=True), name="strangler_saga_open"
            ),
            models.Index(
                fields=["ended"], condition=Q(ended__isnull=False), name="strangler_saga_ended"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} {self.id}: {self.state}"


class LogIsAppendOnly(TypeError):
    """What has happened to a saga is never altered, and goes with the whole of it or not at all."""


class SagaEntries(models.QuerySet["SagaEntry"]):
    """Reads and appends."""

    def forget(self, sagas: Sequence[UUID]) -> None:
        """Remove all that has happened to these, who are being removed themselves."""
        super(SagaEntries, self.filter(saga__in=sagas)).delete()

    def update(self, **_: Any) -> NoReturn:
        """Refused.

        Raises:
            LogIsAppendOnly: always.
        """
        raise LogIsAppendOnly("a saga's log is append-only: it can't be updated")

    def delete(self) -> NoReturn:
        """Refused.

        Raises:
            LogIsAppendOnly: always.
        """
        raise LogIsAppendOnly("a saga's log is append-only: nothing is deleted from it")


class SagaEntry(models.Model):
    """What has happened to a saga: one line of its log."""

    saga: models.UUIDField[UUID, UUID] = models.UUIDField()
    number: models.PositiveIntegerField[int, int] = models.PositiveIntegerField()
    at: models.FloatField[float, float] = models.FloatField()
    step: models.CharField[str, str] = models.CharField(max_length=100)
    event: models.CharField[str, str] = models.CharField(max_length=20)
    state: models.CharField[str, str] = models.CharField(max_length=20)
    attempt: models.PositiveIntegerField[int, int] = models.PositiveIntegerField()
    token: models.PositiveBigIntegerField[int, int] = models.PositiveBigIntegerField()
    detail: models.TextField[str, str] = models.TextField(blank=True)

    objects = SagaEntries.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("saga", "number"), name="strangler_sagaentry_once"),
        )

    def __str__(self) -> str:
        return f"{self.saga} {self.number}: {self.step} {self.event}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Append it.

        Raises:
            LogIsAppendOnly: it is there already.
        """
        if not self._state.adding:
            raise LogIsAppendOnly("a saga's log is append-only: it can't be updated")
        super().save(*args, **kwargs)

    def delete(self, *_: Any, **__: Any) -> NoReturn:
        """Refused.

        Raises:
            LogIsAppendOnly: always.
        """
        raise LogIsAppendOnly("a saga's log is append-only: nothing is deleted from it")


class SagaLock(models.Model):
    """A name that one saga holds until it has ended."""

    name: models.CharField[str, str] = models.CharField(max_length=_LONG, primary_key=True)
    saga: models.UUIDField[UUID, UUID] = models.UUIDField(db_index=True)

    def __str__(self) -> str:
        return f"{self.name}: {self.saga}"
