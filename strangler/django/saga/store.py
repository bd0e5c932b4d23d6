"""Sagas in the project's database: PostgreSQL, SQLite, or any that Django knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connections, transaction
from django.db.models import Exists, OuterRef

from strangler.django.saga.models import Saga, SagaEntry, SagaLock
from strangler.saga.errors import LockHeld, TakenOver, UnknownSaga
from strangler.saga.machine import Event, Standing, State
from strangler.saga.store import Change, Entry, KeyTaken, Record

_TRIES = 5
_FIXED = ("id", "name", "key", "given", "steps", "context", "started", "deadline")
"""What stays as it was at the start."""
_STANDING = ("state", "at", "attempts", "trying", "doubted", "back")


class Tables:
    """A ``Store``. Each write is a transaction of its own: inside of another it is refused."""

    def __init__(self, using: str) -> None:
        self._using = using

    def create(self, change: Change, locks: Sequence[str]) -> None:
        """See ``Store``."""
        record = change.after
        for _ in range(_TRIES):
            try:
                with self._transaction():
                    self._sagas.create(**_columns(record))
                    self._append(change)
                    self._locks.bulk_create([SagaLock(name=one, saga=record.id) for one in locks])
            except IntegrityError:
                self._explain(record, locks)
            else:
                return
        raise TakenOver(f"{record.name} {record.key!r}: its locks come and go")

    def _explain(self, record: Record, locks: Sequence[str]) -> None:
        """Why it could not be created, unless that has passed meanwhile."""
        if self.find(record.name, record.key) is not None:
            raise KeyTaken
        held = self._locks.filter(name__in=locks).order_by("name").first()
        if held is not None:
            raise LockHeld(held.name, held.saga)

    def read(self, saga: UUID) -> Record:
        """See ``Store``."""
        row = self._sagas.filter(pk=saga).first()
        if row is None:
            raise UnknownSaga(f"there is no saga {saga}")
        return _record(row)

    def find(self, name: str, key: str) -> Record | None:
        """See ``Store``."""
        row = self._sagas.filter(name=name, key=key).first()
        return None if row is None else _record(row)

    def log(self, saga: UUID) -> list[Entry]:
        """See ``Store``."""
        rows = SagaEntry.objects.using(self._using).filter(saga=saga).order_by("number")
        return [
            Entry(
                row.number,
                row.at,
                row.step,
                Event(row.event),
                State(row.state),
                row.attempt,
                row.token,
                row.detail,
            )
            for row in rows
        ]

    def locks(self, saga: UUID) -> list[str]:
        """See ``Store``."""
        return sorted(self._locks.filter(saga=saga).values_list("name", flat=True))

    def write(self, before: Record, change: Change) -> None:
        """See ``Store``."""
        with self._transaction():
            self._write(before, change)

    def write_with(self, before: Record, work: Callable[[], Change]) -> Record:
        """See ``Store``."""
        with self._transaction():
            # The row is ours from here on: whoever would take over waits, and then is too late.
            self._update(before, token=before.token)
            change = work()
            self._write(before, change)
        return change.after

    def due(self, now: float, limit: int) -> list[UUID]:
        """See ``Store``."""
        return list(self._due(now).values_list("pk", flat=True)[:limit])

    def claim(self, now: float, *, holder: str, until: float) -> Record | None:
        """See ``Store``."""
        if connections[self._using].features.has_select_for_update_skip_locked:
            with self._transaction():
                row = self._due(now).select_for_update(skip_locked=True).first()
                return None if row is None else self._claimed(_record(row), holder, until)
        for row in self._due(now)[:_TRIES]:
            try:
                with self._transaction():
                    return self._claimed(_record(row), holder, until)
            except TakenOver:
                continue
        return None

    def prune(self, before: float, limit: int) -> int:
        """See ``Store``."""
        if not self._ended(before).exists():  # on SQLite nobody else would write meanwhile
            return 0
        with self._transaction():
            rows = self._ended(before).order_by("ended").select_for_update(skip_locked=True)
            gone = list(rows.values_list("pk", flat=True)[:limit])
            SagaEntry.objects.using(self._using).forget(gone)
            self._sagas.filter(pk__in=gone).delete()
        return len(gone)

    def _ended(self, before: float) -> Any:
        held = self._locks.filter(saga=OuterRef("pk"))
        return self._sagas.filter(~Exists(held), ended__lt=before)

    def listed(
        self, *, states: Sequence[State] = (), name: str | None = None, limit: int = 100
    ) -> list[Record]:
        """See ``Store``."""
        rows = self._sagas.order_by("-started", "pk")
        if states:
            rows = rows.filter(state__in=[state.value for state in states])
            if not any(state.ended for state in states):
                rows = rows.filter(ended__isnull=True)  # they are few, and have an index
        if name is not None:
            rows = rows.filter(name=name)
        return [_record(row) for row in rows[:limit]]

    @property
    def _sagas(self) -> Any:
        return Saga.objects.using(self._using)

    @property
    def _locks(self) -> Any:
        return SagaLock.objects.using(self._using)

    def _due(self, now: float) -> Any:
        return self._sagas.filter(due__lte=now).order_by("due")

    def _transaction(self) -> transaction.Atomic:
        return transaction.atomic(using=self._using, durable=True)

    def _claimed(self, record: Record, holder: str, until: float) -> Record:
        ours = replace(record, token=record.token + 1, holder=holder, due=until)
        self._write(record, Change(ours))
        return ours

    def _write(self, before: Record, change: Change) -> None:
        columns = _columns(change.after)
        self._update(before, **{name: columns[name] for name in columns if name not in _FIXED})
        self._append(change)
        if change.after.state.ended:
            self._locks.filter(saga=before.id).delete()

    def _update(self, before: Record, **columns: Any) -> None:
        ours = self._sagas.filter(pk=before.id, token=before.token, entries=before.entries)
        if not ours.update(**columns):
            raise TakenOver(f"somebody else has gone on with the saga {before.id}")

    def _append(self, change: Change) -> None:
        saga = change.after.id
        rows = [SagaEntry(saga=saga, **asdict(entry)) for entry in change.entries]
        SagaEntry.objects.using(self._using).bulk_create(rows)


def _columns(record: Record) -> dict[str, Any]:
    columns = {name: getattr(record, name) for name in Record.__slots__ if name != "standing"}
    standing = {name: getattr(record.standing, name) for name in _STANDING}
    return {**columns, **standing, "steps": list(record.steps)}


def _record(row: Saga) -> Record:
    known = {
        name: getattr(row, name) for name in Record.__slots__ if name not in {"standing", "steps"}
    }
    standing = Standing(State(row.state), row.at, row.attempts, row.trying, row.doubted, row.back)
    return Record(**known, steps=tuple(row.steps), standing=standing)
