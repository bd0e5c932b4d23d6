"""Shadow within Django: samples of what the monolith answered, asked again of the service.

The request only leaves a copy of itself and of its answer in a bounded queue. A thread of this
process asks the service, compares, and writes what it found to the control plane's database about
once a second. Its second question to the monolith is answered in that same thread by Django's own
handler, in a transaction that is always rolled back: a request to ourselves could wait for a worker
that is not there.
"""

from __future__ import annotations

import atexit
import gzip
import io
import logging
import random
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final

from django.core.handlers.base import BaseHandler
from django.core.handlers.wsgi import WSGIRequest, get_script_name
from django.core.signals import setting_changed
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import set_script_prefix

from strangler.django import conf, observations, placing, service_arm
from strangler.django.findings import Findings
from strangler.django.proxy import outgoing
from strangler.django.readonly import read_only
from strangler.django.targets import Target
from strangler.ladder import Stage
from strangler.manifest import Capability
from strangler.ports.context import Context
from strangler.ports.errors import PortError, TimedOut
from strangler.ports.headers import EXECUTED
from strangler.ports.transports.http import Http
from strangler.ports.wire import Request
from strangler.routing.decide import Kind
from strangler.routing.paths import Match
from strangler.routing.table import TableUnusable
from strangler.shadow.compare import Answer, Rules
from strangler.shadow.judge import Judge, NoAnswer
from strangler.shadow.report import Question
from strangler.shadow.tee import Tee

INSIDE: Final = "strangler.inside"
"""The key in a request's META under which a question of our own hands over its context."""
LARGEST: Final = 256 * 1024
"""Bytes of a question's or an answer's body; larger ones are not compared."""
_EXECUTED: Final = EXECUTED.lower()
_LAST = 2.0
"""Seconds that the comparison under way may take when the process ends."""
_UNCOMPARED = {"HEAD", "OPTIONS"}
_log = logging.getLogger("strangler.shadow")
_STAGES = {Stage.SHADOW, Stage.CANARY}
_CONDITIONAL = (
    "HTTP_RANGE", "HTTP_IF_NONE_MATCH", "HTTP_IF_MATCH", "HTTP_IF_MODIFIED_SINCE",
    "HTTP_IF_UNMODIFIED_SINCE", "HTTP_IF_RANGE",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Work:
    """One comparison to be made."""

    question: Question
    began: float
    control: Answer
    context: Context
    host: str
    secure: bool
    meta: Mapping[str, Any]


class Sample:
    """A request that was chosen, on its way to its answer."""

    __slots__ = ("_body", "_context", "_match", "_request", "_where", "began")

    def __init__(self, request: HttpRequest, match: Match, where: Target, context: Context) -> None:
        self._request = request
        self._match = match
        self._where = where
        self._context = context
        # The view may consume it. For most questions there is none.
        self._body = request.body if request.method != "GET" else b""
        self.began = time.monotonic()

    def offer(self, response: HttpResponseBase) -> None:
        """Leave what the client gets to be compared; a stream and a failure are not.

        Never raises: whatever goes wrong here is no client's concern.
        """
        try:
            self._offer(response)
        except Exception:  # noqa: BLE001  # whatever it is, the client has an answer
            _log.exception("shadow: an answer can't be kept, and is not compared")

    def _offer(self, response: HttpResponseBase) -> None:
        if not isinstance(response, HttpResponse) or response.status_code >= 500:
            return
        body = _plain(response)
        if body is None:
            return
        request, match = self._request, self._match
        method = request.method or "GET"
        question = Question(
            match.capability,
            method,
            match.route,
            str(self._where),
            request.META.get("CONTENT_TYPE", ""),
            self._body,
        )
        work = Work(
            question,
            self.began,
            Answer(response.status_code, response.headers.get("Content-Type", ""), body),
            # The user is looked up here: the request and its connections are not the thread's.
            self._context.replace(user=self._context.user, shadow=True),
            request.get_host(),
            request.is_secure(),
            {key: value for key, value in request.META.items() if type(value) is str},
        )
        if not tee().offer(work):
            findings().drop(match.capability, method, match.route, self.began)


def sample(
    request: HttpRequest, match: Match, kind: Kind, where: Target, context: Context
) -> Sample | None:
    """Choose this request for a comparison, or not: some queries of whoever is in the shadow.

    Never raises.
    """
    method = request.method or "GET"
    try:
        if kind is not Kind.QUERY or method in _UNCOMPARED or not _chosen(request, match):
            return None
        if tee().full:
            findings().drop(match.capability, method, match.route, time.monotonic())
            return None
        return Sample(request, match, where, context)
    except Exception:  # noqa: BLE001  # whatever it is, the client wants an answer
        _log.exception("shadow: a request can't be kept, and is not compared")
        return None


def _chosen(request: HttpRequest, match: Match) -> bool:
    capability = conf.manifest().capabilities[match.capability]
    if random.random() >= capability.shadow.sample:  # noqa: S311  # a sample is no secret
        return False
    try:
        if placing.revision().entry(match.capability).stage not in _STAGES:
            return False
    except TableUnusable:
        return False
    meta = request.META
    return _length(meta) <= LARGEST and not any(key in meta for key in _CONDITIONAL)


@cache
def tee() -> Tee[Work]:
    """The queue and the thread of this process."""
    return Tee(compare, idle=_idle)


@cache
def findings() -> Findings:
    """What this process has found and not yet written."""
    return Findings()


def compare(work: Work) -> None:
    """Make one comparison, and take note of how it ended."""
    capability = conf.manifest().capabilities[work.question.capability]
    try:
        verdict = _judge(capability.name).judge(
            work.control,
            route=f"{work.question.method} {work.question.route}",
            service=partial(_ask_service, work, capability),
            monolith=partial(_ask_monolith, work),
        )
    finally:
        close_old_connections()
    findings().note(work.question, work.began, verdict)


@atexit.register
def at_exit() -> None:
    """Write what is left before this process ends."""
    if observations.testing() or not tee.cache_info().currsize:
        return
    for work in tee().stop(_LAST):
        question = work.question
        findings().drop(question.capability, question.method, question.route, work.began)
    _idle()


def flush() -> None:
    """Write what was found so far, in this thread.

    Raises:
        django.db.Error: the database is away; what was found is kept.
    """
    findings().flush()


def _idle() -> None:
    try:
        findings().attempt()
    finally:
        close_old_connections()


@cache
def _judge(name: str) -> Judge:
    return Judge(Rules.of(conf.manifest().capabilities[name].shadow))


@cache
def _http(name: str) -> Http:
    return Http(conf.manifest().capabilities[name].service)


def _ask_service(work: Work, capability: Capability) -> Answer:
    """The service's answer, asked as a client would be carried there, but for the mark.

    Not over the connections of the clients, and by the leanest way there is: this thread takes its
    time from theirs.
    """
    timeout = capability.resilience.timeout
    question = work.question
    asked = service_arm.question(
        capability.name,
        question.method,
        question.target,
        outgoing(work.meta, host=work.host, secure=work.secure),
        context=work.context,
        left=timeout,
    )
    sent = {
        name.title(): value
        for name, value in asked.headers
        if name != "accept-encoding" and value.isascii() and value.isprintable()
    }
    request = Request(
        path=question.target,
        headers=sent,
        body=question.body,
        repeatable=True,
        deadline=time.monotonic() + timeout,
        method=question.method,
    )
    try:
        answer = _http(capability.name).exchange(request)
    except TimedOut as failure:
        raise NoAnswer(str(failure), late=True) from failure
    except PortError as failure:
        raise NoAnswer(str(failure)) from failure
    if answer.status >= 400 and answer.headers.get(_EXECUTED) == "no":
        raise NoAnswer(f"it answered {answer.status}, and has not begun")
    return Answer(answer.status, answer.headers.get("content-type", ""), answer.body)


def _ask_monolith(work: Work) -> Answer:
    """The monolith's second answer.

    Raises:
        NoAnswer: it failed, perhaps because this time it could not write.
    """
    environ: dict[str, Any] = dict(work.meta)
    environ["wsgi.input"] = io.BytesIO(work.question.body)
    environ["CONTENT_LENGTH"] = str(len(work.question.body))
    environ[INSIDE] = work.context
    set_script_prefix(get_script_name(environ))
    with read_only():
        response = _handler().get_response(WSGIRequest(environ))
    try:
        if not isinstance(response, HttpResponse) or response.status_code >= 500:
            raise NoAnswer(f"the monolith answers {response.status_code} to a second question")
        body = _plain(response)
        if body is None:
            raise NoAnswer("the monolith's second answer can't be compared")
        return Answer(response.status_code, response.headers.get("Content-Type", ""), body)
    finally:
        response.close()


@cache
def _handler() -> BaseHandler:
    handler = BaseHandler()
    handler.load_middleware()
    return handler


def _plain(response: HttpResponse) -> bytes | None:
    """The body without its content encoding; None if that can't be undone, or is too large."""
    body = response.content
    encoding = response.headers.get("Content-Encoding", "")
    if encoding == "gzip":
        try:
            with gzip.open(io.BytesIO(body)) as stream:
                body = stream.read(LARGEST + 1)
        except (OSError, EOFError, zlib.error):
            return None
    elif encoding:
        return None
    return body if len(body) <= LARGEST else None


def _length(meta: Mapping[str, Any]) -> int:
    try:
        return int(meta.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def _forget(*, setting: str, **_: object) -> None:
    if setting in {"STRANGLER", "MIDDLEWARE", "ROOT_URLCONF"}:
        for cached in (_judge, _http, _handler):
            cached.cache_clear()


setting_changed.connect(_forget)
