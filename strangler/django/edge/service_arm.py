"""Asking a capability's service on behalf of a client, and what to do when it fails.

A query that the service fails to answer is answered by the monolith. A command is sent once: it may
go to the monolith only if nothing was sent, and only where either arm may take commands.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.http import HttpRequest, HttpResponseBase
from django.http.request import RawPostDataException

from strangler.django import conf
from strangler.django.edge import identity
from strangler.django.edge.answers import RETRY_AFTER, refusal, relayed
from strangler.django.edge.client_headers import Headers, outgoing
from strangler.django.edge.proxy import (
    Answered,
    Asked,
    Broken,
    NotSent,
    Refused,
    TurnedAway,
    Upstream,
)
from strangler.django.edge.spool import LIMIT, Spool, TooLarge, Unreadable
from strangler.django.ports import placing
from strangler.ladder import Arm
from strangler.manifest import Capability
from strangler.ports import runtime
from strangler.ports.calling.breaker import Breaker
from strangler.ports.calling.bulkhead import Bulkhead
from strangler.ports.calling.door import Turned
from strangler.ports.context import Context, Trace, commanded
from strangler.ports.errors import BulkheadFull
from strangler.ports.headers import COMMANDED, CONTEXT, DEADLINE, face
from strangler.ports.trust.tokens import Use, mint
from strangler.routing.decide import Kind

_UNAVAILABLE = {502, 503, 504}

_log = logging.getLogger("strangler.edge")


class Service:
    """One capability's service, as this process reaches it, with what protects both."""

    def __init__(self, capability: Capability) -> None:
        self.name = capability.name
        self.resilience = capability.resilience
        self.upstream = Upstream(capability.service, connections=capability.resilience.concurrency)
        self.breaker = Breaker(capability.resilience.breaker)
        self.bulkhead = Bulkhead(capability.name, capability.resilience.concurrency)


@cache
def service(name: str) -> Service:
    """The service of a capability of the manifest; one for the whole process."""
    return Service(conf.manifest().capabilities[name])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of asking. Without a response it is the monolith's turn; ``spool`` is the body.

    ``failed`` is about the service, whoever answers in the end. Where it has not ``answered``, the
    response is the edge's own.
    """

    response: HttpResponseBase | None
    failed: bool = False
    answered: bool = True
    spool: Spool | None = None

    def close(self) -> None:
        """The body is not needed any more."""
        if self.spool is not None:
            self.spool.close()


class Unfit(Exception):
    """A request that goes to no service; ``response`` is what the edge itself says to it."""

    def __init__(self, response: HttpResponseBase) -> None:
        super().__init__()
        self.response = response


@dataclass(frozen=True, slots=True)
class Ready:
    """What of a client's request goes to a service."""

    spool: Spool
    headers: Headers


def ready(request: HttpRequest) -> Ready:
    """Read a request that is meant for a service. What is wrong with it is the client's doing.

    Raises:
        Unfit: it must not go there.
        SuspiciousOperation: Django would not answer it either.
    """
    if (refused := identity.known(request).refused) is not None:
        raise Unfit(refused)
    try:
        spool = Spool(request)
    except TooLarge as error:
        raise Unfit(refusal(413, "TooLarge", f"A request has {LIMIT} bytes at most.")) from error
    except Unreadable as error:
        raise Unfit(refusal(400, "InvalidRequest", str(error))) from error
    except RawPostDataException as error:
        raise ImproperlyConfigured(f"{request.method} {request.path}: {error}") from error
    try:
        forged = identity.forged(request)
        client = headers(request)
    except BaseException:
        spool.close()
        raise
    if forged is not None:
        spool.close()
        raise Unfit(forged)
    return Ready(spool, client)


def answer(
    request: HttpRequest,
    name: str,
    kind: Kind,
    ready: Ready,
    *,
    target: str,
    context: Context,
    owned: bool = False,
) -> Outcome:
    """What the service says to this request, or whose turn it is if it says nothing.

    ``owned``: only one side owns the rows, so what a door has said is for the caller to know.

    Raises:
        Turned: the service does not own the rows that a command is about, or its door is shut.
    """
    try:
        outcome = _answer(request, service(name), kind, ready, target=target, context=context)
    except TurnedAway as turned:
        ready.spool.rewind()
        if owned:
            raise Turned(turned.error) from turned
        failure = NotSent(str(turned))
        outcome = _failed(request, service(name), kind, ready, failure)
    if outcome.response is not None:
        ready.spool.close()
    else:
        ready.spool.rewind()
    return outcome


def _answer(
    request: HttpRequest,
    known: Service,
    kind: Kind,
    ready: Ready,
    *,
    target: str,
    context: Context,
) -> Outcome:
    try:
        answered = _ask(request, known, kind, ready, target=target, context=context)
        unavailable = answered.status in _UNAVAILABLE and kind is Kind.QUERY
        if unavailable and placing.fallback(known.name, kind):
            answered.discard()
            return Outcome(None, failed=True, spool=ready.spool)
        response = relayed(answered, head=request.method == "HEAD")
    except TurnedAway:
        raise
    except (NotSent, Broken) as failure:
        return _failed(request, known, kind, ready, failure)
    return Outcome(response, failed=answered.status >= 500 and not answered.not_begun)


def _failed(
    request: HttpRequest, known: Service, kind: Kind, ready: Ready, failure: NotSent | Broken
) -> Outcome:
    _log.warning("%s: %s %s: %s", known.name, request.method, request.path, failure)
    if _may_fall_back(known.name, kind, failure):
        return Outcome(None, failed=True, spool=ready.spool)
    return Outcome(_apology(known.name, failure), failed=True, answered=False)


def _ask(
    request: HttpRequest,
    known: Service,
    kind: Kind,
    ready: Ready,
    *,
    target: str,
    context: Context,
) -> Answered:
    """The service's answer. A query that the monolith may not answer is tried again.

    Raises:
        NotSent, Broken: there is none.
    """
    deadline = time.monotonic() + known.resilience.timeout
    once = kind is Kind.COMMAND
    attempts = 1
    if not once and not placing.fallback(known.name, kind):
        attempts = known.resilience.attempts
    spool = ready.spool
    while True:
        attempts -= 1
        asked = question(
            known.name,
            request.method or "GET",
            target,
            ready.headers,
            context=context,
            body=spool,
            size=spool.size,
            digested=spool.content() if once else None,
            left=deadline - time.monotonic(),
        )
        try:
            return _protected(known, asked, deadline, once=once)
        except (NotSent, Broken) as failure:
            late = isinstance(failure, Broken) and failure.late
            if attempts <= 0 or late or not known.breaker.admits():
                raise


def _protected(known: Service, asked: Asked, deadline: float, *, once: bool) -> Answered:
    if not known.breaker.admits():
        raise NotSent("its breaker is open")
    try:
        with known.bulkhead:
            answered = known.upstream.ask(asked, deadline=deadline, once=once)
    except BulkheadFull as full:
        known.breaker.undecided()
        raise NotSent(str(full)) from full
    except Refused:
        known.breaker.succeeded()
        raise
    except (NotSent, Broken):
        known.breaker.failed()
        raise
    for name in (answered.header(COMMANDED) or "").split(","):
        if name:
            commanded(name.strip())
    if answered.status in _UNAVAILABLE:
        known.breaker.failed()
    else:
        known.breaker.succeeded()
    return answered


def headers(request: HttpRequest) -> Headers:
    """What a service may see of a request's headers.

    Raises:
        DisallowedHost: the client has named a host that is not ours.
    """
    return outgoing(request.META, host=request.get_host(), secure=request.is_secure())


def question(
    capability: str,
    method: str,
    target: str,
    client: Headers,
    *,
    context: Context,
    left: float,
    body: Iterable[bytes] = (),
    size: int = 0,
    digested: bytes | None = None,
) -> Asked:
    """A client's request as a kit party puts it: in the client's name, with our own proof.

    Args:
        capability: whose service is asked.
        method: of the request.
        target: path and query string as the client sent them.
        client: the headers that a service may see.
        context: what the request is done for.
        left: seconds in which the answer is of use.
        body: of the request.
        size: of the body, in bytes.
        digested: the body of a command: its token is good for this, at this target, only.
    """
    keyring = runtime.wiring.keyring
    if keyring is None:
        raise ImproperlyConfigured(
            "nothing to sign a request with: strangler.django's app loads the keys of "
            'STRANGLER["KEYS"]; is it among INSTALLED_APPS?'
        )
    token = mint(
        keyring,
        context.replace(hops=context.hops + 1),
        audience=runtime.wiring.audience(capability, Arm.SERVICE),
        use=Use.HTTP,
        action=face(capability, method),
        once=digested is not None,
        body=digested,
        target=target,
    )
    trace = context.trace.child() if context.trace else Trace.begin()
    ours = [(CONTEXT, token), (DEADLINE, f"{max(left, 0.001):.3f}"), ("traceparent", trace.header)]
    if trace.state:
        ours.append(("tracestate", trace.state))
    return Asked(method, target, [*client, *ours], body, size)


def _may_fall_back(name: str, kind: Kind, failure: NotSent | Broken) -> bool:
    sent = isinstance(failure, Broken)
    return not (sent and kind is Kind.COMMAND) and placing.fallback(name, kind)


def _apology(name: str, failure: NotSent | Broken) -> HttpResponseBase:
    """What a client is told when nobody may answer in the service's place."""
    if isinstance(failure, NotSent):
        return refusal(
            503, "Unavailable", f"{name} can't be reached: try again", retry_after=RETRY_AFTER
        )
    status, what = (504, "has not answered in time") if failure.late else (502, "has broken off")
    return refusal(
        status,
        "OutcomeUnknown",
        f"{name} {what}: it may have done what was asked, or not",
        retry_after=RETRY_AFTER,
        executed=True,
    )


def _forget(*, setting: str, **_: object) -> None:
    if setting == "STRANGLER":
        service.cache_clear()


setting_changed.connect(_forget)
