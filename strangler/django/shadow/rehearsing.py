"""Commands that are rehearsed: chosen here, asked of the service, held against what was delivered.

The request leaves a copy of itself before it is answered, and a thread of this process asks the
service to rehearse it meanwhile. What the command has written bears the rehearsal's name in the
journal; once all of that has been delivered, the mover's word is held against the service's. A
client waits for none of it, and a queue that is full takes no more.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from django.http import HttpRequest

from strangler.django import conf
from strangler.django.doors import known, writers
from strangler.django.edge import identity, service_arm
from strangler.django.edge.client_headers import outgoing
from strangler.django.edge.targets import Target
from strangler.django.shadow import agreeing, asking
from strangler.django.shadow.agreeing import PORT, Work
from strangler.django.shadow.shadowing import chosen, compared, findings
from strangler.ladder import Arm
from strangler.ports import runtime
from strangler.ports.calling import wire
from strangler.ports.calling.wire import Request
from strangler.ports.codec import BadArguments, codec
from strangler.ports.context import Context, current
from strangler.ports.declare import Method
from strangler.ports.errors import DeclaredError
from strangler.routing.paths import Match
from strangler.shadow.judge import Outcome
from strangler.shadow.report import Question
from strangler.transfer.database import TransferError

_log = logging.getLogger("strangler.shadow")


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
        settled = not agreeing.tee().full and door.applied(position)
    except TransferError:
        return None
    work = Work(question, began, position, ask)
    if not settled or not agreeing.tee().offer(work):
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


class _Nothing:
    """Around a command that was not chosen."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


_NOTHING = _Nothing()
