"""Shadow within Django: samples of what the monolith answered, asked again of the service.

The request only leaves a copy of itself and of its answer in a bounded queue. A thread of this
process asks the service, compares, and writes what it found to the control plane's database about
once a second. Its second question to the monolith is answered in that same thread by Django's own
handler, in a transaction that is always rolled back: a request to ourselves could wait for a worker
that is not there.
"""

from __future__ import annotations

import atexit
import logging
import random
import time
from collections.abc import Mapping
from functools import cache, partial
from typing import Any

from django.core.signals import setting_changed
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from strangler.django import conf, tables
from strangler.django.edge import identity
from strangler.django.edge.targets import Target
from strangler.django.observing import observations
from strangler.django.ports import placing
from strangler.django.shadow import asking, settling
from strangler.django.shadow.findings import Findings
from strangler.ladder import Stage
from strangler.ports.context import Context
from strangler.routing.decide import Kind
from strangler.routing.paths import Match
from strangler.routing.table import TableUnusable
from strangler.shadow.compare import Answer, Rules
from strangler.shadow.judge import Judge
from strangler.shadow.report import Question
from strangler.shadow.tee import Tee

_LAST = 2.0
"""Seconds that the comparison under way may take when the process ends."""
_UNCOMPARED = {"HEAD", "OPTIONS"}
_log = logging.getLogger("strangler.shadow")
_STAGES = {Stage.SHADOW, Stage.CANARY}
_CONDITIONAL = (
    "HTTP_RANGE", "HTTP_IF_NONE_MATCH", "HTTP_IF_MATCH", "HTTP_IF_MODIFIED_SINCE",
    "HTTP_IF_UNMODIFIED_SINCE", "HTTP_IF_RANGE",
)  # fmt: skip


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
        body = asking.plain(response)
        if body is None:
            return
        request, match = self._request, self._match
        if identity.known(request).refused is not None:
            return  # the edge says so itself, and never asks the service
        method = request.method or "GET"
        question = Question(
            match.capability,
            method,
            match.route,
            str(self._where),
            request.META.get("CONTENT_TYPE", ""),
            self._body,
        )
        work = asking.Work(
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
        if kind is not Kind.QUERY or method in _UNCOMPARED or not chosen(request, match):
            return None
        if tee().full:
            findings().drop(match.capability, method, match.route, time.monotonic())
            return None
        return Sample(request, match, where, context)
    except Exception:  # noqa: BLE001  # whatever it is, the client wants an answer
        _log.exception("shadow: a request can't be kept, and is not compared")
        return None


def chosen(request: HttpRequest, match: Match) -> bool:
    """Is this request one of the sample, and can it be put to the service as it is?"""
    capability = conf.manifest().capabilities[match.capability]
    if random.random() >= capability.shadow.sample:  # noqa: S311  # a sample is no secret
        return False
    if not compared(capability.name):
        return False
    meta = request.META
    if _length(meta) > asking.LARGEST or any(key in meta for key in _CONDITIONAL):
        return False
    return asking.faithful(meta)


def compared(capability: str) -> bool:
    """Does the capability stand where both sides are compared?"""
    try:
        return placing.revision().entry(capability).stage in _STAGES
    except TableUnusable:
        return False


@cache
def tee() -> Tee[asking.Work]:
    """The queue and the thread of this process."""
    return Tee(compare, idle=_idle)


@cache
def findings() -> Findings:
    """What this process has found and not yet written."""
    return Findings()


def compare(work: asking.Work) -> None:
    """Make one comparison, and take note of how it ended."""
    capability = conf.manifest().capabilities[work.question.capability]
    try:
        verdict = _judge(capability.name).judge(
            work.control,
            route=f"{work.question.method} {work.question.route}",
            service=partial(asking.service, work, capability),
            monolith=partial(asking.monolith, work),
            settle=partial(settling.settle, capability.name)
            if tables.has_tables(capability)
            else None,
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


def _length(meta: Mapping[str, Any]) -> int:
    try:
        return int(meta.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def _forget(*, setting: str, **_: object) -> None:
    if setting in {"STRANGLER", "MIDDLEWARE", "ROOT_URLCONF"}:
        for cached in (_judge, asking.http, asking.handler):
            cached.cache_clear()


setting_changed.connect(_forget)
