"""What is written of a saga at each event: pure, but for the time that it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from strangler.ports.errors import NotExecuted
from strangler.saga.declare import Step
from strangler.saga.machine import Event, Kind, Plan, Shape, State, after
from strangler.saga.store import Change, Entry, Record

FIRST = 0.5
"""Seconds before the second try; doubled for each one after it."""
LARGEST = 60.0
"""Seconds between two tries, at most."""
SAID = 1000
"""Characters that are kept of what an error says."""

_VAIN = frozenset({Event.FAILED, Event.UNKNOWN, Event.NOT_UNDONE})
DEADLINE_PASSED = "DeadlinePassed"
"""The cause of a saga that has turned because its time was up."""
LATE = "It was not done by its deadline."
"""The reason of that."""


def pause(attempts: int) -> float:
    """Seconds until the next try, after so many that came to nothing."""
    return min(FIRST * 2.0 ** min(attempts - 1, 20), LARGEST)


def outcome(step: Step[object], error: Exception, *, back: bool) -> Event:
    """What it means that this was raised while a step was done, or undone."""
    if back:
        return Event.NOT_UNDONE
    if isinstance(error, step.refusals):
        return Event.REFUSED
    # A transaction that was undone has had no effect.
    return Event.FAILED if step.local or isinstance(error, NotExecuted) else Event.UNKNOWN


def said(error: Exception) -> str:
    """An error, in words."""
    return f"{type(error).__name__}: {error}"[:SAID]


class Course:
    """The changes of one saga, one after the other, for whoever holds its lease.

    Args:
        plan: what the declaration says.
        lease: seconds that a step may take.
        holder: who that is.
        hurried: is there no time left for another step?
    """

    def __init__(
        self, plan: Plan, *, lease: float, holder: str, hurried: Callable[[], bool]
    ) -> None:
        self._plan = plan
        self._lease = lease
        self._holder = holder
        self._hurried = hurried

    def onward(self, record: Record, now: float) -> Change:
        """From a lease that was just taken to the next try."""
        return self._go_on(_Draft(record, now), now)

    def done(self, record: Record, now: float, *, data: str) -> Change:
        """The step is done, or undone, and this is the data now."""
        draft = _Draft(record, now)
        event = Event.UNDONE if record.standing.back else Event.DONE
        draft.record = replace(record, data=data, trouble="")
        self._happens(draft, event)
        return self._go_on(draft, now)

    def failed(self, record: Record, now: float, event: Event, error: Exception) -> Change:
        """The step is not done, or not undone."""
        draft = _Draft(record, now)
        draft.record = replace(record, trouble=said(error))
        self._happens(draft, event, said(error))
        if event is Event.REFUSED and draft.record.state is not State.STUCK:
            cause, reason = type(error).__name__, str(error)[:SAID]
            draft.record = replace(draft.record, cause=cause, reason=reason, trouble="")
        return self._go_on(draft, now, vain=event in _VAIN)

    def told(self, record: Record, now: float, event: Event, why: str) -> Change:
        """Something else happens: an operator has decided, or the code does not fit any more."""
        draft = _Draft(replace(record, trouble=why), now)
        self._happens(draft, event, why)
        return self._go_on(draft, now)

    def _happens(self, draft: _Draft, event: Event, detail: str = "") -> None:
        before = draft.record
        standing = after(before.standing, event, self._plan)
        # A try that comes to nothing bears the number of the one that began it.
        attempt = max(standing.attempts, before.standing.attempts)
        draft.note(before.steps[before.standing.at], event, standing.state, attempt, detail)
        draft.record = replace(draft.record, standing=standing)

    def _go_on(self, draft: _Draft, now: float, *, vain: bool = False) -> Change:
        """What follows: the deadline's passing, the end, a pause, or the next try."""
        vain = not self._turns(draft, now) and vain
        record = draft.record
        state = record.state
        if state.ended:
            return draft.change(replace(record, due=None, holder="", ended=now, trouble=""))
        if state is State.STUCK:
            return draft.change(replace(record, due=None, holder=""))
        if vain:
            due = now + pause(record.standing.attempts)
            if state is State.RUNNING and record.deadline > now:
                due = min(due, record.deadline)
            return draft.change(replace(record, due=due, holder=""))
        if self._hurried():
            return draft.change(replace(record, due=now, holder=""))
        self._happens(draft, Event.TRY)
        due = now + self._lease
        return draft.change(replace(draft.record, due=due, holder=self._holder))

    def _turns(self, draft: _Draft, now: float) -> bool:
        """Does it turn because its deadline has passed?"""
        record = draft.record
        if not record.late(now):
            return False
        if after(record.standing, Event.DEADLINE, self._plan) == record.standing:
            return False
        # What it has met with stays in the log: the reason is for whoever asked for the saga.
        draft.record = replace(record, cause=DEADLINE_PASSED, reason=LATE, trouble="")
        self._happens(draft, Event.DEADLINE, record.trouble)
        return True


def unread(record: Record) -> Course:
    """The course of a saga whose declaration is not known: all it can do is end, or be stuck."""
    plan = Plan(tuple(Shape(Kind.COMPENSABLE) for _ in record.steps))
    return Course(plan, lease=0, holder="", hurried=lambda: True)


class _Draft:
    """A change in the making."""

    def __init__(self, record: Record, now: float) -> None:
        self.record = record
        self._now = now
        self._entries: list[Entry] = []

    def note(self, step: str, event: Event, state: State, attempt: int, detail: str) -> None:
        number = self.record.entries + len(self._entries)
        token = self.record.token
        self._entries.append(Entry(number, self._now, step, event, state, attempt, token, detail))

    def change(self, record: Record) -> Change:
        entries = record.entries + len(self._entries)
        after = replace(record, entries=entries, changed=self._now)
        return Change(after, tuple(self._entries))
