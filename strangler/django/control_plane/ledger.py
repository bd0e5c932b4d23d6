"""One change of the control plane, from the lock to the flip."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

from django.db import DEFAULT_DB_ALIAS, Error, ProgrammingError, connections, transaction
from django.db.models import F
from django.utils import timezone

from strangler.django import conf
from strangler.django.agents import registry
from strangler.django.control_plane import state
from strangler.django.control_plane.errors import (
    ControlPlaneAway,
    RevisionConflict,
    TableAhead,
    TableLags,
)
from strangler.django.control_plane.state import State
from strangler.django.models import CapabilityState, Change, ControlPlane
from strangler.django.observing import observations
from strangler.gates import Verdict
from strangler.ladder import Standing
from strangler.routing.publish import Prepared, PublishFailed, discard, point, prepare
from strangler.routing.table import Table, TableUnusable


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What was done. ``before`` and ``after`` are the same where there was nothing to do."""

    capability: str
    before: Standing
    after: Standing
    revision: int
    together: tuple[str, ...]
    """Every capability that this revision changed."""
    forced: bool
    verdicts: tuple[Verdict, ...]


@dataclass(slots=True)
class Ledger:
    """The control plane while it is locked: what it says, and what is being written."""

    before: int
    """The revision that was found."""
    table: int | None
    """The newest revision of a routing table, here or beside an agent; None where none is known."""
    states: dict[str, State]
    changes: dict[str, Moved] = field(default_factory=dict)
    revision: int = 0
    """The revision that it will be."""

    @property
    def ahead(self) -> bool:
        """Does a routing table know more than the database?"""
        return self.table is not None and self.table > self.before

    def unchanged(self, seen: Mapping[str, State], names: Sequence[str]) -> None:
        """Check that nobody has changed these capabilities since they were seen.

        Raises:
            RevisionConflict: somebody has.
        """
        expected = max(seen[name].revision for name in names)
        found = max(self.states[name].revision for name in names)
        if found != expected:
            raise RevisionConflict(expected, found, last_change(found))

    def write(
        self,
        known: State,
        after: Standing,
        action: str,
        *,
        actor: str,
        reason: str,
        anew: bool = False,
        forced: bool = False,
        verdicts: tuple[Verdict, ...] = (),
    ) -> None:
        """Record one capability's change; ``anew`` begins its evidence anew."""
        using = conf.settings().database
        now = self._open(known.capability, action, actor, reason, forced=forced)
        CapabilityState.objects.using(using).update_or_create(
            name=known.capability,
            defaults={
                "stage": after.stage.value,
                "percent": after.percent,
                "held": after.held,
                "killed": after.killed,
                "closed": after.closed,
                "since": now.at if anew or known.since is None else known.since,
                "since_revision": self.revision if anew else known.since_revision,
                "revision": self.revision,
            },
        )
        now.before, now.after = standing_json(known.standing), standing_json(after)
        now.evidence = [dataclasses.asdict(verdict) for verdict in verdicts]
        now.save(using=using)
        self.changes[known.capability] = Moved(
            capability=known.capability,
            before=known.standing,
            after=after,
            revision=self.revision,
            together=(),
            forced=forced,
            verdicts=verdicts,
        )

    def note(self, action: str, *, actor: str, reason: str) -> None:
        """Record a change that is about the whole table."""
        self._open("", action, actor, reason).save(using=conf.settings().database)

    def moved(self, name: str) -> Moved:
        """What became of a capability."""
        done = self.changes.get(name)
        if done is not None:
            return dataclasses.replace(done, together=tuple(self.changes))
        here = self.states[name].standing
        return Moved(
            capability=name,
            before=here,
            after=here,
            revision=self.before,
            together=(),
            forced=False,
            verdicts=(),
        )

    def _open(
        self, capability: str, action: str, actor: str, reason: str, *, forced: bool = False
    ) -> Change:
        self.revision = max(self.before, self.table or 0) + 1
        return Change(
            revision=self.revision,
            capability=capability,
            action=action,
            actor=actor[:200],
            at=timezone.now(),
            reason=reason,
            forced=forced,
        )


Flip = Callable[[Prepared], object]
"""What is done with a revision of the table once its change is committed."""


@contextmanager
def opened(
    at: int | None, *, urgent: bool = False, republish: bool = False, flip: Flip | None = None
) -> Iterator[Ledger]:
    """Lock the control plane for one change; commit it and flip the table at the end.

    ``at`` is the revision that the caller has seen; ``urgent`` accepts a table that is ahead, and
    ``republish`` writes the table even if nothing has changed. ``flip`` may put the flip off: by
    default it is made at once.

    Raises:
        RevisionConflict: it is another revision by now.
        TableAhead: the routing table knows more than the database.
        ControlPlaneAway: the database can't be used.
        PublishFailed: the routing table can't be written; nothing was changed.
        TableLags: the change is made, but the routing table can't be pointed at it.
    """
    using = conf.settings().database
    prepared: Prepared | None = None
    committing = False
    try:
        with reaching(), transaction.atomic(using=using, durable=True):
            book = _lock(using, at, urgent=urgent)
            yield book
            if book.revision > book.before or republish:
                prepared = _prepare(book, using)
            committing = True
    except BaseException as error:
        if prepared is not None:
            discard(prepared)
        if committing and isinstance(error, ControlPlaneAway):
            raise ControlPlaneAway(
                f"{error}. It went away during the commit: see 'strangler status' for whether "
                "the change was made, then 'strangler publish'"
            ) from error
        raise
    if prepared is not None:
        (flip or flipped)(prepared)


def rehearsed(name: str, judge: Callable[[State], object]) -> None:
    """Everything that a move writes down, taken back before it is committed: for what it takes.

    Raises:
        ControlPlaneAway, PublishFailed: as for ``opened``.
    """
    using = conf.settings().database
    prepared: list[Prepared] = []
    try:
        with reaching(), transaction.atomic(using=using, durable=True):
            book = _lock(using, None, urgent=True)
            known = book.states[name]
            judge(known)
            book.write(known, known.standing, "rehearse", actor="", reason="")
            prepared.append(_prepare(book, using))
            raise _TakenBack  # noqa: TRY301 - undoes the transaction
    except _TakenBack:
        pass
    finally:
        for one in prepared:
            discard(one)


class _TakenBack(Exception):
    """Ends a transaction that was only to be tried."""


def flipped(prepared: Prepared) -> None:
    """Point the routing table at a revision whose change is committed.

    Raises:
        TableLags: it can't be.
    """
    try:
        point(prepared)
    except PublishFailed as error:
        raise TableLags(prepared.revision, error) from error
    finally:
        observations.learn()


def _lock(using: str, at: int | None, *, urgent: bool) -> Ledger:
    # An UPDATE takes the row on PostgreSQL and the whole database on SQLite; as the transaction's
    # first statement, so that SQLite waits for its turn instead of refusing a stale reader.
    row = ControlPlane.objects.using(using).filter(pk=1)
    if not row.update(revision=F("revision")):
        ControlPlane.objects.using(using).get_or_create(pk=1)
        row.update(revision=F("revision"))
    before = row.get().revision
    if at is not None and at != before:
        raise RevisionConflict(at, before, last_change(before))
    newest, where = max((table_revision() or 0, ""), registry.newest())
    book = Ledger(before, newest or None, state.read_all(), revision=before)
    if book.ahead and not urgent:
        raise TableAhead(newest, before, where)
    return book


def _prepare(book: Ledger, using: str) -> Prepared:
    ControlPlane.objects.using(using).filter(pk=1).update(revision=book.revision)
    entries = state.entries(state.read_all())
    return prepare(conf.settings().table, book.revision, entries, groups=state.groups())


def table_revision() -> int | None:
    """The routing table's own revision; None where it can't be asked."""
    try:
        return Table(conf.settings().table).revision()
    except TableUnusable:
        return None


def last_change(revision: int) -> str:
    """Who made this revision, in words."""
    changes = Change.objects.using(conf.settings().database).filter(revision=revision)
    change = changes.order_by("capability").last()
    if change is None:
        return "by nobody on record"
    at = change.at.astimezone(UTC)
    return f"{change.action} {change.capability} by {change.actor} at {at:%H:%M:%S} UTC"


def standing_json(standing: Standing) -> dict[str, Any]:
    """A standing as JSON data."""
    return {
        "stage": standing.stage.value,
        "percent": standing.percent,
        "held": standing.held,
        "killed": standing.killed,
        "closed": standing.closed,
    }


@contextmanager
def reaching() -> Iterator[None]:
    """Say in the control plane's words that its database can't be used.

    Raises:
        ControlPlaneAway: it can't.
    """
    alias = conf.settings().database
    try:
        yield
    except Error as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        if isinstance(error, ProgrammingError) or "no such table" in said:
            said += ". If it is the right one, make its tables: manage.py migrate strangler"
            said += f" --database {alias}" if alias != DEFAULT_DB_ALIAS else ""
        raise ControlPlaneAway(
            f"the control plane's database {database()} can't be used: {said}"
        ) from error


def database() -> str:
    """The control plane's database as a person finds it: its alias, and where that leads."""
    alias = conf.settings().database
    there = connections[alias].settings_dict
    where = str(there.get("NAME") or "")
    if there.get("HOST"):
        port = f":{there['PORT']}" if there.get("PORT") else ""
        where += f" on {there['HOST']}{port}"
    return f"{alias!r} ({where})" if where else repr(alias)
