"""Performing a switch: the steps of ``protocol``, within a budget, both ways the same code.

Before the decision everything is undone if it takes too long; after it there is no way but forward,
for us or for whoever repairs what we leave.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field

from strangler.transfer import actions
from strangler.transfer.apply import BATCH, Flow
from strangler.transfer.control import Control, NotOurs
from strangler.transfer.database import Entry, Session, Step
from strangler.transfer.errors import LockTimeout, SwitchRefused
from strangler.transfer.pairing import Entity
from strangler.transfer.protocol import STEPS, UNDO, Action, Decision, Phase, step_from
from strangler.transfer.settle import refuse_parked
from strangler.transfer.untold import waiting
from strangler.transfer.verify import Finding, Verification

BUDGET = 5.0
"""Seconds that a freeze may last; below every port's deadline."""
_SOON = 0.005


@dataclass(slots=True)
class Timings:
    """How long a switch took, in seconds, from the closing of the door to its opening."""

    steps: dict[Action, float] = field(default_factory=dict)
    drained: int = 0
    """Dirty keys that were carried while nobody could write."""

    @property
    def freeze(self) -> float:
        """For how long commands had to wait, at most."""
        return sum(self.steps.values())


Report = Callable[[Action], None]


class Switch:
    """One switch, from the owner that the flow comes from to the other side; settle first."""

    def __init__(
        self,
        flow: Flow,
        control: Control,
        *,
        budget: float = BUDGET,
        report: Report | None = None,
    ) -> None:
        self._flow = flow
        self._control = control
        self._budget = budget
        self._report = report or (lambda _: None)
        self._touched: set[Entity] = set()
        self._until = 0.0
        self._unpublished: Exception | None = None
        self.timings = Timings()
        self._actions: dict[Action, Callable[[], None]] = {
            Action.CLOSE_DOOR: self._close_door,
            Action.FREEZE: self._freeze,
            Action.DRAIN: self._drain,
            Action.VERIFY: self._verify,
            Action.TELL: self._tell,
            Action.NUMBER: self._number,
            Action.DECIDE: self._decide,
            Action.OPEN: self._open,
            Action.PUBLISH: self._publish,
            Action.HAND_OVER: self._hand_over,
            Action.OPEN_DOOR: self._open_door,
            Action.THAW: self._thaw,
        }

    def perform(self) -> Timings:
        """Let the rows change owner.

        Raises:
            SwitchRefused: it was undone, and the old owner goes on.
            TransferError, ControlAway: it broke off; whoever repairs it goes back or forward.
            Exception: the table could not be published, as the control says; all else is done.
        """
        phase = Phase.FLOWING
        self._until = time.monotonic() + self._budget
        try:
            for step in STEPS:
                self._report(step.action)
                with self._timed(step.action):
                    self._actions[step.action]()
                phase = step.target
        except Exception as error:
            if not self._may_undo(phase, error):
                raise
            self._undo(phase)
            if isinstance(error, LockTimeout | SwitchRefused | NotOurs):
                raise SwitchRefused(f"undone at '{step.action}': {error}") from error
            raise
        finally:
            # What is over is over; whoever holds the lease next does it.
            with suppress(LockTimeout):
                self._flow.source.quieten(on=False)
        if self._unpublished is not None:
            raise self._unpublished
        return self.timings

    def rehearse(self) -> Timings:
        """Each step on either side, taken back at once: what it would take.

        Commands wait, and writers, for as long as the locks take to get. What is decided and
        published is the control's to tell.

        Raises:
            SwitchRefused: a lock was not to be had within the budget.
        """
        self._until = time.monotonic() + self._budget
        old, new = self._flow.source, self._flow.target
        try:
            with self._timed(Action.DRAIN):
                while len(self._batch()) >= BATCH:
                    self._left()
            with self._timed(Action.VERIFY):
                self._compared()
            with self._timed(Action.TELL):
                self._flow.source.untold()
            with self._timed(Action.NUMBER):
                self._numbers()
            with self._timed(Action.OPEN), self._undone(new) as step:
                actions.opening(step, self._next)
            # While nobody waits for us: a mover that was stopped may still hold some of it.
            with self._timed(Action.HAND_OVER), self._undone(old) as step:
                step.empty_journal()
            with self._timed(Action.CLOSE_DOOR):
                old.close_door(patience=self._left())
            try:
                with self._undone(old) as step:
                    with self._timed(Action.FREEZE):
                        step.record(owner=self._flow.owner, epoch=self._flow.epoch, frozen=True)
                        step.fence(up=True, patience=self._left())
                    with self._timed(Action.HAND_OVER):
                        actions.handing(step, self._next)
            finally:
                with self._timed(Action.OPEN_DOOR):
                    old.open_door()
        except LockTimeout as error:
            raise SwitchRefused(f"a lock was not to be had: {error}") from error
        finally:
            old.quieten(on=False)
        return self.timings

    @contextmanager
    def _undone(self, session: Session) -> Iterator[Step]:
        try:
            with session.step(token=self._flow.token, epoch=self._flow.epoch) as step:
                yield step
                raise _TakenBack  # noqa: TRY301 - undoes the transaction
        except _TakenBack:
            return

    @contextmanager
    def _timed(self, action: Action) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            taken = self.timings.steps.get(action, 0.0)
            self.timings.steps[action] = taken + time.monotonic() - began

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise SwitchRefused(f"it took longer than {self._budget:g} s")
        return left

    @staticmethod
    def _may_undo(phase: Phase, error: Exception) -> bool:
        """Is it certain that nothing is decided? Else only a repair may go on: it asks."""
        deciding = step_from(phase).action is Action.DECIDE
        return phase in UNDO and (not deciding or isinstance(error, NotOurs | SwitchRefused))

    def _undo(self, phase: Phase) -> None:
        for action in UNDO[phase]:
            self._actions[action]()

    def _close_door(self) -> None:
        self._flow.source.close_door(patience=self._left())

    def _freeze(self) -> None:
        with self._old_step() as step:
            step.record(owner=self._flow.owner, epoch=self._flow.epoch, frozen=True)
            step.fence(up=True, patience=self._left())

    def _drain(self) -> None:
        # A count of zero over the whole journal: what somebody has claimed is not carried yet.
        while self._flow.source.pending():
            self._left()
            self.timings.drained += len(self._batch())
        refuse_parked(self._flow.source)

    def _batch(self) -> Sequence[Entry]:
        applied = self._flow.batch()
        self._touched |= applied.entities
        return applied.entries

    def _compared(self) -> list[Finding]:
        flow = self._flow
        monolith, service = flow.sessions
        check = Verification(flow.pairing, monolith=monolith, service=service, owner=flow.owner)
        return check.check(self._touched, patience=0.0)

    def _verify(self) -> None:
        if wrong := self._compared():
            first = wrong[0]
            raise SwitchRefused(
                f"{len(wrong)} rows differ that were just carried: {first.kind} {first.table} "
                f"{first.key}"
            )

    def _tell(self) -> None:
        while untold := self._flow.source.untold():
            try:
                self._left()
            except SwitchRefused as error:
                raise SwitchRefused(f"{error}: {waiting(untold)}") from error
            time.sleep(_SOON)

    def _number(self) -> None:
        flow = self._flow
        with flow.target.step(token=flow.token, epoch=flow.epoch) as step:
            for table, column, last in self._numbers():
                step.number_from(table, column, last)

    def _numbers(self) -> list[tuple[str, str, int]]:
        """What numbers the target's columns, and the last number that the source has given."""
        flow = self._flow
        return [
            (table, column, flow.source.last_number(other, theirs))
            for pair in flow.pairing.carried()
            for table, column, other, theirs in pair.numbered(flow.other)
        ]

    def _decide(self) -> None:
        self._left()
        self._control.decide(self._next)

    def _open(self) -> None:
        actions.open_new(self._flow.target, self._flow.token, self._next)

    def _publish(self) -> None:
        try:
            self._control.publish()
        except Exception as error:  # noqa: BLE001 - raised at the end: commands wait for no table
            self._unpublished = error

    def _hand_over(self) -> None:
        actions.hand_over(self._flow.source, self._flow.token, self._next)

    def _open_door(self) -> None:
        self._flow.source.open_door()

    def _thaw(self) -> None:
        now = Decision(self._flow.owner, self._flow.epoch)
        actions.thaw(self._flow.source, self._flow.token, now)

    @property
    def _next(self) -> Decision:
        return Decision(self._flow.other, self._flow.epoch + 1)

    def _old_step(self) -> AbstractContextManager[Step]:
        return self._flow.source.step(token=self._flow.token, epoch=self._flow.epoch)


class _TakenBack(Exception):
    """Ends a transaction that was only to be tried."""
