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
from contextlib import AbstractContextManager, nullcontext, suppress
from types import TracebackType
from typing import Any, Final, Self

from django.http import HttpRequest, HttpResponse, HttpResponseBase

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
from strangler.ports.codec import BadArguments, BadResult, Codec, codec
from strangler.ports.context import Context, current
from strangler.ports.declare import Method
from strangler.ports.errors import DeclaredError
from strangler.ports.rehearsal import LARGEST, Told
from strangler.ports.runtime import Returned
from strangler.routing.paths import Match
from strangler.shadow.judge import Outcome
from strangler.shadow.report import Question
from strangler.transfer.errors import TransferError

_log = logging.getLogger("strangler.shadow")


class Sampled:
    """Around a command of a path that was chosen. Never raises, nor waits."""

    __slots__ = ("_stamp", "_work")

    def __init__(self, work: Work) -> None:
        self._work = work
        self._stamp = writers.rehearsed(work.question.capability, work.name)

    def __enter__(self) -> Self:
        self._stamp.__enter__()
        return self

    def answered(self, response: HttpResponseBase) -> None:
        """So the command has ended. The body of a stream is not compared."""
        if response.status_code >= 500:
            self._work.failed = True
            return
        told = None
        if isinstance(response, HttpResponse):
            try:
                body = asking.plain(response)
            except Exception:  # noqa: BLE001  # whatever it is, the client has an answer
                _log.exception("shadow: an answer can't be kept, and is not compared")
            else:
                content_type = response.headers.get("Content-Type", "")
                told = None if body is None else Told(content_type, body)
        self._work.ended(response.status_code, told=told)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stamp.__exit__(kind, error, traceback)
        self._work.failed |= error is not None


class Called:
    """Around a command of a port that was chosen. Never raises, nor waits."""

    __slots__ = ("_method", "_stamp", "_work")

    def __init__(self, work: Work, method: Method) -> None:
        self._work = work
        self._method = method
        self._stamp = writers.rehearsed(work.question.capability, work.name)

    def __enter__(self) -> Returned:
        self._stamp.__enter__()
        return self._returned

    def _returned(self, result: Any, /) -> None:
        self._ended(200, "", lambda coder: coder.encode_result(result))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stamp.__exit__(kind, error, traceback)
        if isinstance(error, DeclaredError):
            self._ended(422, type(error).__name__, lambda coder: coder.encode_error(error))
        elif error is not None:
            self._work.failed = True

    def _ended(self, status: int, said: str, body: Callable[[Codec], bytes]) -> None:
        told = None
        with suppress(BadResult):  # the service would fail with it, which is found by the status
            encoded = body(codec(self._method))
            told = Told(_JSON, encoded) if len(encoded) <= LARGEST else None
        self._work.ended(status, said, told)


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

        work = _chosen(question, ask)
        return None if work is None else Sampled(work)
    except Exception:  # noqa: BLE001  # whatever it is, the client wants an answer
        _log.exception("shadow: a command can't be kept, and is not rehearsed")
        return None


def sampled(
    method: Method, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> AbstractContextManager[Returned | None, None]:
    """Choose this command of a port, or not; what it is done within. Never raises."""
    try:
        work = _sampled(method, args, kwargs)
        return _NOTHING if work is None else Called(work, method)
    except BadArguments:
        return _NOTHING
    except Exception:  # noqa: BLE001  # whatever it is, the caller wants an answer
        _log.exception("shadow: a command can't be kept, and is not rehearsed")
        return _NOTHING


def _sampled(method: Method, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Work | None:
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

    return _chosen(Question(name, PORT, action, action, _JSON, body), ask)


def _chosen(question: Question, ask: Callable[[Work], Request]) -> Work | None:
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
    return work


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


_JSON: Final = "application/json"
_NOTHING: Final[AbstractContextManager[None, None]] = nullcontext()
