"""Taking events: remembered and handled in one transaction, so that each effect happens once.

A batch is one transaction. Where an event can't be handled, everything is undone, those before it
are done again, and it is set aside alone; later ones of its key are put behind it, and other keys
flow on. What would hit any other event as well (a database or a callee that is away, a door that is
shut) sets nothing aside, and is tried again later.

Handling is a command of the capability: it comes in by the door, and only on the side that owns the
rows. A side that does not own them can't remember anything either, because of the fence.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from strangler.events.book import Book, Ledger
from strangler.events.envelope import Envelope, newer, opened
from strangler.events.failing import Failed, Later, NotYet, TooMany, Verdict, turned
from strangler.events.handling import handling
from strangler.events.inbox import key, name
from strangler.events.subscribe import Handlers
from strangler.ports.answer import Refusal
from strangler.ports.calling.door import entered, holder
from strangler.ports.context import Context, Trace, current, use
from strangler.ports.errors import (
    CallRefused,
    DoorShut,
    NotExecuted,
    NotOwner,
    OutcomeUnknown,
)
from strangler.ports.rehearsal import under_way
from strangler.routing.cohorts import draw

__all__ = ["ATTEMPTS", "CHUNK", "PAUSES", "Consumer"]

PAUSES: Final = (1.0, 5.0, 30.0, 300.0)
"""Seconds until an event is tried again that could not be handled, after each attempt."""
ATTEMPTS: Final = len(PAUSES) + 1
"""How often it is tried; then it stays set aside, until somebody replays or drops it."""
CHUNK: Final = 500
"""Events of one transaction at most."""
SPELL: Final = 0.5
"""Seconds after which a transaction takes no more of them: a freeze waits until it has ended."""
PATIENCE: Final = 1.0
"""Seconds to wait for the door; whoever brings the events brings them again."""

_log = logging.getLogger("strangler.events")


class Consumer:
    """One capability, as far as it listens. Shared by threads."""

    def __init__(
        self,
        handlers: Handlers,
        ledger: Ledger,
        *,
        told: Collection[str] = (),
        owns: Callable[[], bool] | None = None,
    ) -> None:
        """Nothing is connected yet.

        Args:
            handlers: what is done about which event.
            ledger: the capability's own database, with its inbox.
            told: the types that it is meant to be told, as the manifest says: of these none is let
                go, handled or not.
            owns: whether this side owns the rows where no door can say so; by default it does.
                Whoever puts a service together sets it.
        """
        self.name = handlers.consumer
        self.handlers = handlers
        self.ledger = ledger
        self.told = frozenset(told)
        self.owns = owns
        self._size = CHUNK

    def __repr__(self) -> str:
        return f"Consumer({self.name!r})"

    def take(
        self, batch: Sequence[Envelope], *, until: float = math.inf, addressed: bool = False
    ) -> None:
        """Handle these, in order; when it returns, each of them is in the inbox.

        A topic has more than is subscribed to, and that is let go. What this one is meant to be
        told and does not handle yet, or not in that schema, waits, and whatever comes after it.

        Args:
            batch: in the order of their keys.
            until: on the clock of ``time.monotonic``; nothing more is begun after that.
            addressed: somebody who knows who is told what has brought it to this consumer alone.

        Raises:
            Later: see there; ``TooMany`` when the time was up, ``NotYet`` for what is to wait. What
                was dealt with before is its ``taken``.
            NotOwner: the other side owns the rows: it has to take what is left.
        """
        early = (n for n, event in enumerate(batch) if self._early(event, addressed))
        first = next(early, len(batch))
        ours = [index for index in range(first) if batch[index].type in self.handlers]
        taken = 0
        try:
            for done in self._taken([batch[index] for index in ours], until):
                taken += done
            if first < len(batch):
                raise self._not_yet(batch[first])
        except Later as later:
            later.taken = ours[taken] if taken < len(ours) else first
            raise

    def _taken(self, rest: Sequence[Envelope], until: float) -> Iterator[int]:
        """Handle these; gives how many more of them are dealt with, each time that some are.

        Raises:
            Later, NotOwner: see ``take``.
        """
        size, held = self._size, None
        while rest:
            try:
                done = self._together(rest[:size])
            except Failed as failed:
                size = failed.smaller(len(rest[:size]))
                if size and failed.verdict is Verdict.LATER:
                    rest, held = rest[:size], failed
                if size:
                    continue
                self._set_aside(rest[0], failed.error)
                done = 1
            yield done
            rest, size = rest[done:], self._size
            if rest and time.monotonic() > until:
                raise TooMany(f"there are {len(rest)} more than could be handled in time", 0.0)
        if held is not None:
            raise held.later() from held

    def _early(self, event: Envelope, addressed: bool) -> bool:  # noqa: FBT001 - as `take`
        return newer(event) if event.type in self.handlers else addressed or event.type in self.told

    def _not_yet(self, event: Envelope) -> NotYet:
        schema = event.schema if event.type in self.handlers else None
        return NotYet(self.name, event.type, schema)

    @property
    def size(self) -> int:
        """How many events it handles in one transaction, at the pace of the last ones."""
        return self._size

    def owned(self) -> bool:
        """Does this side own the rows at this moment, as far as anybody can say?"""
        try:
            with self.inside():
                return True
        except (NotOwner, Later):
            return False

    @contextmanager
    def inside(self) -> Iterator[Context]:
        """Inside the door, for one piece of work; gives what it is done for.

        Raises:
            NotOwner: the other side owns the rows.
            Later: nobody comes in now.
        """
        if current().shadow or under_way() is not None:
            raise RuntimeError(f"{self.name}: nothing is consumed for a shadow or a rehearsal")
        with use(Context(cohort=draw(), pins=set())):
            way = entered(self.name, time.monotonic() + PATIENCE)
            try:
                way.__enter__()
            except DoorShut as error:
                raise Later(str(error)) from error
            try:
                context = current()
                if self.owns and holder(context, self.name) is None and not self.owns():
                    raise NotOwner(f"nothing says that this side owns {self.name}")
                yield context
            finally:
                way.__exit__(None, None, None)

    @contextmanager
    def transaction(self) -> Iterator[Book]:
        """One transaction inside the door.

        Raises:
            Failed: it was undone; as said inside, or by none of the events alone.
            NotOwner, Later: see ``inside``.
        """
        with self.inside():
            try:
                with self.ledger.transaction() as book:
                    yield book
            except Failed as failed:
                if failed.verdict is Verdict.NOT_OURS:
                    raise turned(failed.error, self.name) from failed
                raise
            except Exception as error:
                verdict = self.judge(error)
                if verdict is Verdict.NOT_OURS:
                    raise turned(error, self.name) from error
                raise Failed(None, error, verdict) from error

    def handle(self, event: Envelope) -> None:
        """Do all that is done about one event, within a transaction.

        Raises:
            NotYet: nothing is; it may have been set aside by a newer process than this one.
        """
        if event.type not in self.handlers or newer(event):
            raise self._not_yet(event)
        said = opened(event)
        trace = Trace.continued(event.traceparent or None)
        with handling(event), use(current().replace(trace=trace)):
            for handler in self.handlers.of(event.type):
                handler(said)

    def judge(self, error: BaseException) -> Verdict:
        """What a failure means."""
        verdict = self.ledger.verdict(error)
        if verdict is not None:
            return verdict
        if isinstance(error, Later):
            return Verdict.LATER
        if isinstance(error, Refusal):  # of the service's own database
            return {421: Verdict.NOT_OURS, 503: Verdict.LATER}.get(error.status, Verdict.POISON)
        if isinstance(error, NotExecuted | OutcomeUnknown) and not isinstance(error, CallRefused):
            return Verdict.LATER
        return Verdict.POISON

    def tried(self, attempts: int) -> datetime | None:
        """When to try an event again that has been tried so often; None for never."""
        if attempts >= ATTEMPTS:
            return None
        return datetime.now(UTC) + timedelta(seconds=PAUSES[attempts - 1])

    def _together(self, chunk: Sequence[Envelope]) -> int:
        """Handle so many of these as one transaction; says how many of them are dealt with.

        Raises:
            Failed: none of them is.
            NotOwner, Later: see ``inside``.
        """
        with self.transaction() as book:
            new = book.remember(chunk)
            waiting = book.waiting({key(event) for event in chunk if name(event) in new})
            aside: list[Envelope] = []
            done, ends = len(chunk), time.monotonic() + SPELL
            for index, event in enumerate(chunk):
                known = name(event)
                if known not in new:
                    continue
                new.discard(known)
                if key(event) in waiting:
                    aside.append(event)
                    continue
                try:
                    self.handle(event)
                except Exception as error:
                    raise Failed(index, error, self.judge(error)) from error
                if time.monotonic() > ends:
                    done = index + 1
                    break
            if new:
                book.forget(new)
            if aside:
                book.put_behind(aside)
            book.sound()
        self._size = max(1, done) if done < len(chunk) else min(CHUNK, self._size * 2)
        return done

    def _set_aside(self, event: Envelope, error: Exception) -> None:
        """This one can't be handled: the later ones of its key wait for it.

        Raises:
            Later, NotOwner: see ``take``.
        """
        reason = f"{type(error).__name__}: {error}"
        try:
            with self.transaction() as book:
                if not book.remember([event]):
                    return
                if book.waiting([key(event)]):
                    book.put_behind([event])
                else:
                    book.park(event, reason=reason, due=self.tried(1))
        except Failed as failed:
            raise failed.later() from failed
        _log.warning(
            "%s can't handle %s %s, so it and what follows of %s is set aside",
            self.name, event.type, event.id, event.partitionkey, exc_info=error,
        )  # fmt: skip
