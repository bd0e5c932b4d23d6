"""Commands that are rehearsed: chosen here, asked of the service, held against what was delivered.

The request leaves a copy of itself before it is answered, and a thread of this process asks the
service to rehearse it meanwhile. What the command has written bears the rehearsal's name in the
journal; once all of that has been delivered, the mover's word is held against the service's. A
client waits for none of it, and a queue that is full takes no more.
"""

from __future__ import annotations

import logging
import random
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType
from typing import Any, Self

import msgspec
from django.core.signals import setting_changed
from django.db import close_old_connections
from django.http import HttpRequest

from strangler.django import conf
from strangler.django.doors import known, writers
from strangler.django.edge import identity, service_arm
from strangler.django.edge.client_headers import outgoing
from strangler.django.edge.targets import Target
from strangler.django.shadow import asking
from strangler.django.shadow.shadowing import chosen, compared, findings
from strangler.django.transfer.places import table_maps
from strangler.ladder import Arm
from strangler.manifest import Capability
from strangler.ports import runtime
from strangler.ports.calling import wire
from strangler.ports.calling.wire import Request
from strangler.ports.codec import BadArguments, codec
from strangler.ports.context import Context, current
from strangler.ports.declare import Method
from strangler.ports.errors import DeclaredError, PortError
from strangler.ports.rehearsal import Rehearsed
from strangler.routing.paths import Match
from strangler.shadow import rehearse as comparing
from strangler.shadow.compare import Rules
from strangler.shadow.judge import Outcome
from strangler.shadow.noise import Noise
from strangler.shadow.rehearse import Executed
from strangler.shadow.report import Question
from strangler.shadow.tee import Tee
from strangler.transfer.database import TransferError
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
    failed: bool = False
    """The command has failed, or ended in a way that nothing can be compared with."""
    rehearsed: Rehearsed | None = None
    until: int | None = None
    """The highest number in the journal once both had ended."""


class Sampled:
    """Around a command that was chosen. Never raises, nor waits."""

    __slots__ = ("_stamp", "_work")

    def __init__(self, work: Work) -> None:
        self._work = work
        self._stamp = writers.rehearsed(work.question.capability, work.name)

    def __enter__(self) -> Self:
        self._stamp.__enter__()
        return self

    def answered(self, status: int, said: str = "") -> None:
        """So the command has ended."""
        if status < 500:
            self._work.answered = (status, said)
        else:
            self._work.failed = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stamp.__exit__(kind, error, traceback)
        work = self._work
        if isinstance(error, DeclaredError):
            work.answered = (422, type(error).__name__)
        elif error is not None:
            work.failed = True
        elif work.answered is None and work.question.method == PORT:
            work.answered = (200, "")


def sample(request: HttpRequest, match: Match, where: Target, context: Context) -> Sampled | None:
    """Choose this command of a path, or not. Never raises."""
    name = match.capability
    try:
        if not _rows(name) or not chosen(request, match):
            return None
        if identity.known(request).refused is not None or identity.forged(request) is not None:
            return None
        body = request.body
        method = request.method or "GET"
        question = Question(
            name, method, match.route, str(where), request.META.get("CONTENT_TYPE", ""), body
        )
        # The user is looked up here: the request and its connections are not the thread's.
        marked = _marked(context)
        host, secure = request.get_host(), request.is_secure()
        meta = {key: value for key, value in request.META.items() if type(value) is str}

        def ask(work: Work) -> Request:
            return _by_path(work, marked, outgoing(meta, host=host, secure=secure))

        return _chosen(question, ask)
    except Exception:  # noqa: BLE001  # whatever it is, the client wants an answer
        _log.exception("shadow: a command can't be kept, and is not rehearsed")
        return None


def sampled(method: Method, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Choose this command of a port, or not; what it is done within. Never raises."""
    try:
        return _sampled(method, args, kwargs) or _NOTHING
    except BadArguments:
        return _NOTHING
    except Exception:  # noqa: BLE001  # whatever it is, the caller wants an answer
        _log.exception("shadow: a command can't be kept, and is not rehearsed")
        return _NOTHING


def _sampled(method: Method, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Sampled | None:
    name, context = method.capability, current()
    capability = conf.manifest().capabilities.get(name)
    if capability is None or context.shadow or writers.is_rehearsed(name):
        return None
    if random.random() >= capability.shadow.sample or not _rows(name):  # noqa: S311  # no secret
        return None
    if not compared(name):
        return None
    body = codec(method).encode_arguments(args, kwargs)
    if len(body) > asking.LARGEST:
        return None
    action = f"{name}.{method.name}"
    marked = _marked(context)

    def ask(_: Work) -> Request:
        deadline = time.monotonic() + capability.resilience.timeout
        audience = runtime.wiring.audience(name, Arm.SERVICE)
        sent = marked.replace(hops=marked.hops + 1)
        return wire.request(method, sent, body, audience=audience, deadline=deadline)

    return _chosen(Question(name, PORT, action, action, "application/json", body), ask)


def _chosen(question: Question, ask: Callable[[Work], Request]) -> Sampled | None:
    began = time.monotonic()
    door = known.door(question.capability)
    if door is None:
        return None
    try:
        position = door.position()
        settled = not tee().full and door.applied(position)
    except TransferError:
        return None
    work = Work(question, began, position, ask)
    if not settled or not tee().offer(work):
        findings().ended(question, began, Outcome.SKIPPED)
        return None
    return Sampled(work)


def _marked(context: Context) -> Context:
    return context.replace(user=context.user, shadow=True, rehearsal=True, doors=(), epoch=0)


def _rows(name: str) -> bool:
    """Does the capability have rows that are on their way?"""
    return conf.manifest().capabilities[name].transfer is not None


def _by_path(work: Work, context: Context, client: Any) -> Request:
    """The client's request, in the client's name, with the mark."""
    question = work.question
    timeout = conf.manifest().capabilities[question.capability].resilience.timeout
    asked = service_arm.question(
        question.capability,
        question.method,
        question.target,
        client,
        context=context,
        left=timeout,
        digested=question.body,
    )
    return Request(
        path=question.target,
        headers={name.title(): value for name, value in asked.headers if name != "accept-encoding"},
        body=question.body,
        repeatable=False,
        deadline=time.monotonic() + timeout,
        method=question.method,
    )


@cache
def tee() -> Tee[Work]:
    """The queue and the thread of this process."""
    return Tee(rehearse, idle=_idle, interval=_LOOK, capacity=_CAPACITY, share=_BUSY)


_said: set[tuple[str, ...]] = set()
_waiting: deque[Work] = deque(maxlen=_WAITING)


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
        _waiting.append(work)


def _say(question: Question, why: str) -> None:
    """Say once of each route why it can't be rehearsed."""
    known = (question.capability, question.method, question.route, why)
    if known not in _said and len(_said) < _SAID:
        _said.add(known)
        _log.warning("%s %s: not rehearsed: %s", question.method, question.route, why)


def compare() -> None:
    """Compare what can be compared by now."""
    for _ in range(len(_waiting)):
        work = _waiting.popleft()
        try:
            done = _compared(work)
        except TransferError:
            done = time.monotonic() > work.began + PATIENCE
        if not done:
            _waiting.append(work)


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
        return Executed(status=status, said=error, meanwhile=work.until != work.position)
    return Executed(
        status=status,
        said=error,
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


class _Nothing:
    """Around a command that was not chosen."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


_NOTHING = _Nothing()


def _forget(*, setting: str, **_: object) -> None:
    if setting in {"STRANGLER", "INSTALLED_APPS"}:
        _mapped.cache_clear()
        _noise.cache_clear()


setting_changed.connect(_forget)
