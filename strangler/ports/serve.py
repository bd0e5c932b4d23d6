"""The answering half of ports: who answers here, and the server's side of the wire.

A call is ``POST {base}/_strangler/ports/{capability}/{method}`` with these headers:

====================  ==============================================================================
X-Strangler-Context   the signed token: caller, user, cohort, hops, shadow mark (see ``tokens``)
X-Strangler-Deadline  seconds that are left to the caller, a decimal number: clocks differ
X-Strangler-Digest    the digest of the contract as the caller knows it
traceparent           W3C trace context, and ``tracestate``
====================  ==============================================================================

and it is answered with

===========  =======================================================================================
200          the answer, in JSON
422          and ``X-Strangler-Error: declared``: an error of the contract
400          bad arguments or deadline
401 403      the token proves nothing; this caller, or a shadow call, may not do this
404 413      there is no such port or method here; the body is too large
408 503      too late to begin; unable to begin, or the other arm could not
421          not the owner of the rows: ``X-Strangler-Owner`` and ``-Epoch`` say what is known here
508          the call has passed through too many parties
500 502 504  something went wrong on the way: nobody knows what has been executed
===========  =======================================================================================

Every refusal (400 to 503 but 500 and 502, and 508) bears ``X-Strangler-Executed: no``: nothing has
changed. The rims (``strangler.django``, ``strangler.fastapi``) bring requests here and carry
answers away, and know nothing of all this.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, Final

from strangler.ladder import Arm
from strangler.ports import headers as names
from strangler.ports import runtime
from strangler.ports.answer import (
    Answer,
    Refusal,
    failed,
    passed_on,
    rehearsed,
    run,
    said_by,
    turned_away,
)
from strangler.ports.calling.door import Rounds, Turned, entered
from strangler.ports.calling.placed import NOTHING, Placed, Watched, heard
from strangler.ports.calling.remote import NotReachable
from strangler.ports.calling.remote import due as waited
from strangler.ports.calling.wire import PATH
from strangler.ports.codec import BadArguments, codec
from strangler.ports.context import Context, Trace, current, use
from strangler.ports.declare import Kind, Method, Port, methods
from strangler.ports.errors import DeclaredError, DoorShut, NotOwner, PortError
from strangler.ports.freezing.freeze import digest
from strangler.ports.rehearsal import (
    TIMES,
    Make,
    Run,
    telling,
    within,
)
from strangler.ports.trust.tokens import TokenRefused, Use, verify

__all__ = ["HOPS", "LIMIT", "PATH", "Answer", "Refusal", "dispatch", "due", "serve"]

LIMIT: Final = 1024 * 1024
"""Bytes that the body of a call may have."""
Around = Callable[[Context], AbstractContextManager[object]]
HOPS: Final = 3
"""Kit parties that a call may have passed through."""

_log = logging.getLogger("strangler.ports")


def serve(port: type[Port], implementation: Port) -> None:
    """This object answers for the port in this process, to callers here and elsewhere.

    Raises:
        TypeError: the object does not implement the port, or not all of it.
    """
    runtime.register(port, implementation)


def dispatch(
    capability: str,
    method: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    callers: Collection[str],
    port: type[Port] | None = None,
    ladder: bool = False,
    around: Around | None = None,
    arrived: float | None = None,
    limit: int = LIMIT,
) -> Answer:
    """Answer one call that came over HTTP. Never raises.

    Args:
        capability: as the URL has it.
        method: as the URL has it.
        body: the whole body; of one that is too long, a little more than the limit will do.
        headers: of the request; a mapping that ignores case, or with names in lower case.
        callers: the capabilities whose services may call; the monolith always may.
        port: the port, where nobody in this process implements it.
        ladder: place the call, as this process places its own: the monolith does that for services
            which have no routing table. Otherwise it is answered here.
        around: what to do the work within, once it is known for whom and what it is: a read-only
            transaction for a shadow call, a span, a log's fields.
        arrived: when the request came, on the clock of ``time.monotonic``, where it has had to wait
            since then: the caller's deadline counts from there.
        limit: bytes that the body may have.
    """
    call = _Call(capability, method, body, headers, port=port, arrived=arrived)
    try:
        return call.answer(callers, ladder=ladder, around=around, limit=limit)
    except Refusal as refusal:
        return refusal.answer()
    except Exception as error:  # noqa: BLE001 - a caller must be answered, and told nothing
        with use(call.context):
            return failed(call.action, error, began=call.began)


def due(said: str | None, arrived: float) -> float | None:
    """When a caller stops waiting, on the clock of ``time.monotonic``; None for no deadline.

    Args:
        said: the header, seconds that are left.
        arrived: when the request came, on the same clock.

    Raises:
        Refusal: the header is no number, or nobody waits any more.
    """
    if said is None:
        return None
    if not _SECONDS.fullmatch(said):
        raise Refusal(400, "BadDeadline", f"{names.DEADLINE} is seconds, such as 1.5")
    deadline = arrived + float(said)
    if deadline <= time.monotonic():
        raise Refusal(408, "TooLate", "the deadline had passed before the call could begin")
    return deadline


class _Call:
    """One call on its way: proved, allowed, read, and only then executed."""

    __slots__ = (
        "action", "arrived", "began", "body", "context", "headers", "implementation", "method",
    )  # fmt: skip

    def __init__(
        self,
        capability: str,
        method: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        port: type[Port] | None,
        arrived: float | None,
    ) -> None:
        self.action = f"{capability}.{method}"
        self.arrived = time.monotonic() if arrived is None else arrived
        self.began = False
        self.body = body
        self.context = current()
        self.headers = headers
        self.implementation = runtime.implementation(capability)
        known = type(self.implementation) if self.implementation is not None else port
        self.method = methods(known).get(method) if known is not None else None

    def answer(
        self, callers: Collection[str], *, ladder: bool, around: Around | None, limit: int
    ) -> Answer:
        if len(self.body) > limit:
            raise Refusal(413, "TooLarge", f"a call has {limit} bytes at most")
        context = self.proved()
        if context.caller != runtime.MONOLITH and context.caller not in callers:
            raise Refusal(
                403,
                "CallerRefused",
                f"{context.caller} may not call {self.action}: name it in the capability's callers",
            )
        method = self.method
        if method is None:
            raise Refusal(404, "UnknownMethod", f"nothing here answers {self.action}")
        if context.hops > HOPS:
            said = f"{self.action} has passed through {context.hops} parties, of {HOPS} at most"
            raise Refusal(508, "TooManyHops", said)
        rehearsal = runtime.wiring.rehearsal if context.rehearsal else None
        if context.shadow and method.kind is Kind.COMMAND and rehearsal is None:
            raise Refusal(403, "ShadowRefused", f"{method} is a command; a shadow changes nothing")
        self.compare_digests(method, context)
        pins = context.pins
        context = context.replace(
            deadline=self.deadline(method),
            trace=Trace.continued(self.headers.get("traceparent"), self.headers.get("tracestate")),
            pins=set(context.pins),
            rehearsal=False,
        )
        self.context = context
        try:
            arguments = codec(method).decode_arguments(self.body)
        except BadArguments as error:
            raise Refusal(400, "BadArguments", str(error), path=error.path) from None
        with around(context) if around is not None else nullcontext():
            if rehearsal is not None and method.kind is Kind.COMMAND:
                return self.rehearsed(method, context, arguments, rehearsal)
            if ladder and runtime.wiring.place is not None:
                answer = self.placed(method, context, arguments)
            else:
                with use(context):
                    answer = self.here(method, arguments)
        commanded = {method.capability} if method.kind is Kind.COMMAND else set()
        return _telling(answer, (context.pins | commanded) - pins)

    def proved(self) -> Context:
        """The context that the token proves."""
        wiring = runtime.wiring
        token = self.headers.get(_CONTEXT)
        if not token:
            raise Refusal(401, "TokenRefused", f"a port is called with {names.CONTEXT}")
        if wiring.keyring is None:
            raise RuntimeError("no keyring: runtime.configure(keyring=…) before ports are served")
        once = self.method is not None and self.method.kind is Kind.COMMAND
        try:
            return verify(
                wiring.keyring,
                token,
                use=Use.PORT,
                action=self.action,
                once=once,
                body=self.body if once else None,
                replays=wiring.replays,
            )
        except TokenRefused as refused:
            raise Refusal(401, "TokenRefused", refused.reason) from None

    def deadline(self, method: Method) -> float:
        """On our own clock; the method's timeout where the caller has said nothing."""
        found = due(self.headers.get(_DEADLINE), self.arrived)
        return self.arrived + method.timeout if found is None else found

    def compare_digests(self, method: Method, context: Context) -> None:
        """Say once of each digest that a caller knows another contract than we do."""
        theirs = self.headers.get(_DIGEST)
        ours = digest(method.port)
        if theirs is None or theirs == ours:
            return
        seen = (method.capability, context.caller, theirs)
        if seen not in _skewed and len(_skewed) < _SKEWS:
            _skewed.add(seen)
            _log.warning(
                "%s knows another contract of %s (%.32s) than is answered here (%s): see that both "
                "sides are deployed",
                context.caller, method.capability, theirs, ours,
            )  # fmt: skip

    def here(self, method: Method, arguments: Mapping[str, Any]) -> Answer:
        """The answer of this process.

        From here on nobody can say that nothing was executed, not even by a ``NotExecuted``: that
        speaks of some other call, which the implementation made.
        """
        if self.implementation is None:
            raise Refusal(404, "UnknownMethod", f"nothing here answers {self.action}")
        way = getattr(self.implementation, method.name)
        if method.kind is Kind.QUERY or runtime.wiring.door is None:
            self.began = True
            return run(method, way, arguments, runtime.wiring.arm)
        context = current()
        with ExitStack() as stack:
            try:
                stack.enter_context(entered(method.capability, waited(method, context)))
            except (NotOwner, DoorShut) as error:
                raise turned_away(error) from error
            self.began = True
            return run(method, way, arguments, runtime.wiring.arm)

    def rehearsed(
        self, method: Method, context: Context, arguments: Mapping[str, Any], make: Make
    ) -> Answer:
        """What the command would do here. It comes in by no door: nothing of it lasts."""
        if self.implementation is None:
            raise Refusal(404, "UnknownMethod", f"nothing here answers {self.action}")
        way = getattr(self.implementation, method.name)
        context = context.replace(doors=(), epoch=0)
        rehearsal = make()
        runs: list[Run] = []
        try:
            rehearsal.begin()
            for _ in range(TIMES):
                with use(context), within(rehearsal):
                    try:
                        answer = run(method, way, arguments, runtime.wiring.arm)
                    except Refusal as refusal:
                        answer = refusal.answer()
                    except Exception as error:  # noqa: BLE001 - it is what would be answered
                        answer = failed(self.action, error, began=True)
                ran = rehearsal.end(answer.status, said_by(answer))
                runs.append(telling(ran, answer.headers["Content-Type"], answer.body))
            return rehearsed(runs, rehearsal.shapes())
        finally:
            rehearsal.close()

    def placed(self, method: Method, context: Context, arguments: Mapping[str, Any]) -> Answer:
        """The answer of the arm that the ladder names, or of this one if that fails and it may."""
        placed = Placed(method, runtime.wiring)
        rounds = Rounds(method.capability, waited(method, context))
        while True:
            arm, known = placed.decide(context, rounds.told)
            try:
                return self.turn(placed, arm, known, arguments, rounds.deadline)
            except Turned as turned:
                self.began = False
                try:
                    rounds.again(turned.error)
                except DoorShut as shut:
                    raise turned_away(shut) from shut

    def turn(
        self,
        placed: Placed,
        arm: Arm,
        context: Context,
        arguments: Mapping[str, Any],
        deadline: float,
    ) -> Answer:
        """The answer of one arm.

        Raises:
            Turned: it does not own the rows.
        """
        method = placed.method
        home = placed.at_home(arm)
        commands = home and method.kind is Kind.COMMAND
        if home:
            way = getattr(self.implementation, method.name)
        else:
            try:
                way = placed.arm(arm)
            except NotReachable as error:
                raise Refusal(503, "NotReachable", str(error)) from error

        def watched(**arguments: Any) -> Any:
            around = placed.sampled((), arguments) if commands else NOTHING
            with Watched(placed, arm, context):
                return heard(around, way, **arguments)
            raise _FellBack

        with ExitStack() as stack:
            stack.enter_context(use(context))
            if commands:
                try:
                    stack.enter_context(placed.inside(deadline))
                except DoorShut as shut:
                    raise turned_away(shut) from shut
            self.began = True
            try:
                return run(method, watched, arguments, arm)
            except _FellBack:
                return self.here(method, arguments)
            except PortError as error:
                if home or isinstance(error, DeclaredError):
                    raise
                if isinstance(error, NotOwner | DoorShut):
                    raise Turned(error) from error
                return passed_on(error)


def _telling(answer: Answer, commanded: AbstractSet[str]) -> Answer:
    """Let the caller know what has been commanded on the way."""
    if not commanded or names.EXECUTED in answer.headers:
        return answer
    return answer._replace(headers={**answer.headers, names.COMMANDED: ",".join(sorted(commanded))})


class _FellBack(Exception):
    """The service has failed, and the monolith may answer instead."""


_CONTEXT: Final = names.CONTEXT.lower()
_DEADLINE: Final = names.DEADLINE.lower()
_DIGEST: Final = names.DIGEST.lower()
READ: Final = (_CONTEXT, _DEADLINE, _DIGEST, "traceparent", "tracestate")
"""The headers that ``dispatch`` reads: a rim need not bring any other."""
_SECONDS: Final = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?")
_SKEWS: Final = 1000
"""Skews that are said in the life of a process: a hostile caller can make up any number of them."""

_skewed: set[tuple[str, str | None, str]] = set()
