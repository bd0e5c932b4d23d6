"""Putting a client's question again: to the service, and to this monolith itself."""

from __future__ import annotations

import gzip
import io
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from django.core.handlers.base import BaseHandler
from django.core.handlers.wsgi import WSGIRequest, get_script_name
from django.http import HttpResponse
from django.urls import set_script_prefix

from strangler.django import conf
from strangler.django.edge import service_arm
from strangler.django.edge.client_headers import outgoing
from strangler.django.shadow.readonly import read_only
from strangler.manifest import Capability
from strangler.ports.calling.wire import Request
from strangler.ports.context import Context
from strangler.ports.errors import PortError, TimedOut
from strangler.ports.headers import EXECUTED
from strangler.ports.transports.http import Http
from strangler.shadow.compare import Answer
from strangler.shadow.judge import NoAnswer
from strangler.shadow.report import Question

INSIDE: Final = "strangler.inside"
"""The key in a request's META under which a question of our own hands over its context."""
LARGEST: Final = 256 * 1024
"""Bytes of a question's or an answer's body; larger ones are not compared."""
_EXECUTED: Final = EXECUTED.lower()


@dataclass(frozen=True, slots=True)
class Work:
    """One comparison to be made; ``meta`` is what the request's META says in strings."""

    question: Question
    began: float
    control: Answer
    context: Context
    host: str
    secure: bool
    meta: Mapping[str, Any]


@cache
def http(name: str) -> Http:
    """Connections to a capability's service, for this purpose only."""
    return Http(conf.manifest().capabilities[name].service)


def faithful(meta: Mapping[str, Any]) -> bool:
    """Can a request be put to a service with every header as the monolith has had it?

    A question with a header left out is another question, which may well get another answer.
    """
    return all(
        value.isascii() and value.isprintable()
        for _, value in outgoing(meta, host="", secure=False)
        if type(value) is str
    )


def service(work: Work, capability: Capability) -> Answer:
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
    sent = {name.title(): value for name, value in asked.headers if name != "accept-encoding"}
    request = Request(
        path=question.target,
        headers=sent,
        body=question.body,
        repeatable=True,
        deadline=time.monotonic() + timeout,
        method=question.method,
    )
    try:
        answer = http(capability.name).exchange(request)
    except TimedOut as failure:
        raise NoAnswer(str(failure), late=True) from failure
    except PortError as failure:
        raise NoAnswer(str(failure)) from failure
    if answer.status >= 400 and answer.headers.get(_EXECUTED) == "no":
        raise NoAnswer(f"it answered {answer.status}, and has not begun")
    return Answer(answer.status, answer.headers.get("content-type", ""), answer.body)


def monolith(work: Work) -> Answer:
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
        response = handler().get_response(WSGIRequest(environ))
    try:
        if not isinstance(response, HttpResponse) or response.status_code >= 500:
            raise NoAnswer(f"the monolith answers {response.status_code} to a second question")
        body = plain(response)
        if body is None:
            raise NoAnswer("the monolith's second answer can't be compared")
        return Answer(response.status_code, response.headers.get("Content-Type", ""), body)
    finally:
        response.close()


@cache
def handler() -> BaseHandler:
    """Django's own handler, with every middleware of the project."""
    made = BaseHandler()
    made.load_middleware()
    return made


def plain(response: HttpResponse) -> bytes | None:
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
