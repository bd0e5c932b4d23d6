"""A store in memory, for tests: what a database keeps, for as long as the process lives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from uuid import UUID

from strangler.saga.errors import LockHeld, TakenOver, UnknownSaga
from strangler.saga.machine import State
from strangler.saga.store import Change, Entry, KeyTaken, Record


class Memory:
    """Sagas in a dict. Nothing that ``work`` does beside is undone with it."""

    def __init__(self) -> None:
        self._records: dict[UUID, Record] = {}
        self._logs: dict[UUID, list[Entry]] = {}
        self._locks: dict[str, UUID] = {}
        self._lock = threading.RLock()

    def create(self, change: Change, locks: Sequence[str]) -> None:
        """See ``Store``."""
        record = change.after
        with self._lock:
            if self.find(record.name, record.key) is not None:
                raise KeyTaken
            for name in locks:
                if name in self._locks:
                    raise LockHeld(name, self._locks[name])
            self._locks.update(dict.fromkeys(locks, record.id))
            self._logs[record.id] = []
            self._keep(change)

    def read(self, saga: UUID) -> Record:
        """See ``Store``."""
        try:
            return self._records[saga]
        except KeyError:
            raise UnknownSaga(f"there is no saga {saga}") from None

    def find(self, name: str, key: str) -> Record | None:
        """See ``Store``."""
        found = (one for one in self._records.values() if (one.name, one.key) == (name, key))
        return next(found, None)

    def log(self, saga: UUID) -> list[Entry]:
        """See ``Store``."""
        return list(self._logs.get(saga, ()))

    def locks(self, saga: UUID) -> list[str]:
        """See ``Store``."""
        return sorted(name for name, holder in self._locks.items() if holder == saga)

    def write(self, before: Record, change: Change) -> None:
        """See ``Store``."""
        with self._lock:
            self._check(before)
            self._keep(change)

    def write_with(self, before: Record, work: Callable[[], Change]) -> Record:
        """See ``Store``."""
        with self._lock:
            self._check(before)
            change = work()
            self._keep(change)
            return change.after

    def due(self, now: float, limit: int) -> list[UUID]:
        """See ``Store``."""
        found = [one for one in self._records.values() if one.due is not None and one.due <= now]
        return [one.id for one in sorted(found, key=lambda one: one.due or 0)[:limit]]

    def claim(self, now: float, *, holder: str, until: float) -> Record | None:
        """See ``Store``."""
        with self._lock:
            for saga in self.due(now, 1):
                record = self._records[saga]
                ours = replace(record, token=record.token + 1, holder=holder, due=until)
                self.write(record, Change(ours))
                return ours
        return None

    def prune(self, before: float, limit: int) -> int:
        """See ``Store``."""
        with self._lock:
            holders = set(self._locks.values())
            gone = [
                one
                for one in self._records.values()
                if one.ended is not None and one.ended < before and one.id not in holders
            ]
            gone = sorted(gone, key=lambda one: one.ended or 0)[:limit]
            for one in gone:
                del self._records[one.id], self._logs[one.id]
            return len(gone)

    def listed(
        self, *, states: Sequence[State] = (), name: str | None = None, limit: int = 100
    ) -> list[Record]:
        """See ``Store``."""
        found = [
            one
            for one in self._records.values()
            if (not states or one.state in states) and name in {None, one.name}
        ]
        return sorted(found, key=lambda one: one.started, reverse=True)[:limit]

    def _check(self, before: Record) -> None:
        known = self.read(before.id)
        if (known.token, known.entries) != (before.token, before.entries):
            raise TakenOver(f"somebody else has gone on with the saga {before.id}")

    def _keep(self, change: Change) -> None:
        record = change.after
        self._records[record.id] = record
        self._logs[record.id].extend(change.entries)
        if record.state.ended:
            for name in self.locks(record.id):
                del self._locks[name]
