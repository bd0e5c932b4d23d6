"""Rehearsals under way: the service is asked, and its word held against what was delivered.

In a thread of this process. A rehearsal waits there until its command has been answered, and
everything that it has written has been applied.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import msgspec
from django.core.signals import setting_changed
from django.db import close_old_connections

from strangler.django import conf
from strangler.django.doors import known
from strangler.django.shadow import asking
from strangler.django.shadow.shadowing import findings
from strangler.django.transfer.places import table_maps
from strangler.manifest import Capability
from strangler.ports import forks
from strangler.ports.calling.wire import Request
from strangler.ports.errors import PortError
from strangler.ports.rehearsal import Rehearsed, Told
from strangler.shadow import rehearse as comparing
from strangler.shadow.compare import Rules
from strangler.shadow.judge import Outcome
from strangler.shadow.noise import Noise
from strangler.shadow.rehearse import Executed
from strangler.shadow.report import Question
from strangler.shadow.tee import Tee
from strangler.transfer.errors import TransferError
from strangler.transfer.rehearsed import Delivery

PORT = "PORT"
"""The method of a question that came by a port."""
PATIENCE = 10.0
"""Seconds that a command's rows may take to be delivered."""
_WAITING = 200
_LOOK = 0.2
_BUSY = 0.5
_CAPACITY = 4
_SAID = 200
"""Reasons that are said in the life of a process."""

_log = logging.getLogger("strangler.shadow")


@dataclass(slots=True)
class Work:
    """One rehearsal, and the command that it is of."""

    question: Question
    began: float
    position: int
    """The highest number in the journal before the command began."""
    ask: Callable[[Work], Request]
    name: str = field(default_factory=lambda: secrets.token_hex(8))
    answered: tuple[int, str] | None = None
    told: Told | None = None
    """What it was answered with; None for what can't be compared."""
    failed: bool = False
    """The command has failed, or ended in a way that nothing can be compared with."""
    rehearsed: Rehearsed | None = None
    until: int | None = None
    """The highest number in the journal once both had ended."""

    def ended(self, status: int, said: str = "", told: Told | None = None) -> None:
        """So the command has ended; the thread that compares looks at ``answered``."""
        self.told = told
        self.answered = (status, said)


@cache
def tee() -> Tee[Work]:
    """The queue and the thread of this process."""
    return Tee(rehearse, idle=_idle, interval=_LOOK, capacity=_CAPACITY, share=_BUSY)


_said: set[tuple[str, ...]] = set()


class _UnderWay:
    """What has been rehearsed, and can't be compared yet. Bounded, and the oldest goes first."""

    def __init__(self) -> None:
        self.after_fork()
        forks.watch(self)

    def after_fork(self) -> None:
        """What the parent has begun, the parent ends."""
        self.works: deque[Work] = deque(maxlen=_WAITING)


_under_way = _UnderWay()


def rehearse(work: Work) -> None:
    """Have the service rehearse the command; it is compared once its rows have been delivered."""
    try:
        answer = asking.http(work.question.capability).exchange(work.ask(work))
        if answer.status == 200:
            work.rehearsed = msgspec.json.decode(answer.body, type=Rehearsed)
            why = next((one.impossible for one in work.rehearsed.runs if one.impossible), "")
        else:
            why = (
                f"the service answers {answer.status}: {answer.body[:200].decode(errors='replace')}"
            )
    except (PortError, msgspec.MsgspecError) as failure:
        why = str(failure)
    if why:
        _say(work.question, why)
        findings().ended(work.question, work.began, Outcome.UNREHEARSED)
    else:
        _under_way.works.append(work)


def _say(question: Question, why: str) -> None:
    """Say once of each route why it can't be rehearsed."""
    known = (question.capability, question.method, question.route, why)
    if known not in _said and len(_said) < _SAID:
        _said.add(known)
        _log.warning("%s %s: not rehearsed: %s", question.method, question.route, why)


def compare() -> None:
    """Compare what can be compared by now."""
    for _ in range(len(_under_way.works)):
        work = _under_way.works.popleft()
        try:
            done = _compared(work)
        except TransferError:
            done = time.monotonic() > work.began + PATIENCE
        if not done:
            _under_way.works.append(work)


def _compared(work: Work) -> bool:
    """Has it been compared, or never will be?"""
    question, door = work.question, known.door(work.question.capability)
    if work.failed or door is None or work.rehearsed is None:
        return True
    late = time.monotonic() > work.began + PATIENCE
    if late:
        findings().ended(question, work.began, Outcome.UNREHEARSED)
        return True
    if work.answered is None:
        return False
    if work.until is None:
        work.until = door.position()
    if not door.applied(work.until):
        return False
    capability = conf.manifest().capabilities[question.capability]
    said = [msgspec.json.decode(one, type=Delivery) for one in door.delivered(work.name)]
    verdict = comparing.judge(
        work.rehearsed,
        _executed(work, said),
        route=f"{question.method} {question.route}",
        mapped=_mapped(capability.name),
        rules=Rules.of(capability.shadow),
        noise=_noise(capability.name),
    )
    findings().note(question, work.began, verdict)
    return True


def _executed(work: Work, said: list[Delivery]) -> Executed:
    status, error = work.answered or (0, "")
    if not said:
        # Nothing of it was delivered: only if nobody has written anything, nobody else has.
        meanwhile = work.until != work.position
        return Executed(status=status, said=error, told=work.told, meanwhile=meanwhile)
    return Executed(
        status=status,
        said=error,
        told=work.told,
        written=comparing.merged([one for delivery in said for one in delivery.written]),
        before=min(one.before for one in said),
        others=max(one.others for one in said),
        meanwhile=max(one.highest for one in said) > work.position,
    )


@cache
def _mapped(name: str) -> comparing.Mapped:
    maps = table_maps(_capability(name))
    return {target.table: tuple(target.columns) for one in maps for target in one.targets}


@cache
def _noise(_name: str) -> Noise:
    return Noise()


def _capability(name: str) -> Capability:
    return conf.manifest().capabilities[name]


def _idle() -> None:
    try:
        compare()
        findings().attempt()
    finally:
        close_old_connections()


def _forget(*, setting: str, **_: object) -> None:
    if setting in {"STRANGLER", "INSTALLED_APPS"}:
        _mapped.cache_clear()
        _noise.cache_clear()


setting_changed.connect(_forget)
