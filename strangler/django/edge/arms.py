"""A request of a capability: which arm answers it, and what its client is told of that."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from functools import partial

from django.http import HttpRequest, HttpResponseBase

from strangler.django.doors import arriving, fencing, known, writers
from strangler.django.edge import commands, fronted, identity, pins, service_arm
from strangler.django.edge.answers import RETRY_AFTER, fenced, refusal
from strangler.django.edge.commands import CARRIED
from strangler.django.edge.contexts import Outside
from strangler.django.edge.fronted import FALLBACK
from strangler.django.edge.targets import Target
from strangler.django.observing import observations
from strangler.django.ports import placing
from strangler.django.shadow import rehearsing, shadowing
from strangler.django.shadow.readonly import read_only
from strangler.ladder import Arm
from strangler.ports.context import Context, use
from strangler.ports.headers import ARM, REASON
from strangler.routing.decide import Call, Kind, Reason
from strangler.routing.paths import Match

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class Arms:
    """Both arms of every capability; ``decides`` says that nobody in front has chosen between."""

    def __init__(self, get_response: GetResponse, *, decides: bool) -> None:
        self._get_response = get_response
        self._decides = decides

    def here(self, request: HttpRequest, context: Context) -> HttpResponseBase:
        """The monolith's own answer; to a shadow's question one that has changed nothing."""
        if context.shadow:
            with read_only():
                return self._get_response(request)
        return self._get_response(request)

    def answer(
        self, request: HttpRequest, match: Match, kind: Kind, *, where: Target, context: Context
    ) -> HttpResponseBase:
        """Answer a request of a capability on the arm that the table says, and say which it was."""
        began = time.monotonic()
        name = match.capability
        told = context.told if isinstance(context, Outside) else None
        decides = isinstance(context, Outside) and (self._decides or name in context.forced)
        if told is not None and (response := fronted.turned_down(request, told, name, kind)):
            return response
        with placing.pinned(), use(context), writers.doing(request):
            arm, reason = Arm.MONOLITH, told.reason if told and told.reason else CARRIED
            if decides:
                arm, reason = self._arm(name, kind, context)
            here = partial(self._by_monolith, request, match, kind, where, context)
            try:
                if kind is Kind.COMMAND and known.door(name) is not None:
                    way = commands.Command(
                        request, name, str(where), context, here, self._carries(context)
                    )
                    done = way.answer(arm)
                else:
                    done = self._arms(
                        request, name, kind, arm, target=str(where), context=context, here=here
                    )
            except service_arm.Unfit as unfit:
                # Neither arm has answered, nor failed.
                return _traced(unfit.response, context)
            except BaseException:
                if decides and told is None:
                    self._record(name, arm, kind, began, failed=True)
                raise
            if decides and told is None:
                tried = arm if done.fallback else done.arm or arm
                failed, fallback = done.failed, done.fallback
                self._record(name, tried, kind, began, failed=failed, fallback=fallback)
            response = done.response
            if fencing.hit() is not None:
                response = fenced(response)
            if told is not None and pins.COOKIE in request.META.get("HTTP_COOKIE", ""):
                _ = context.pins  # an edge can't see when the rows have moved: so that it is told
            self._sign(request, response, context, done.reason or reason, done.arm)
        return response

    def _arm(self, name: str, kind: Kind, context: Context) -> tuple[Arm, str]:
        """The arm that the table says, and why."""
        call = Call(name, kind, context.cohort or 0, context.forced.get(name))
        decision = placing.place(call)
        if decision.arm is Arm.SERVICE and kind is Kind.QUERY:
            pinned = placing.place(call._replace(pinned=True))
            if pinned.arm is not decision.arm and name in context.pins:
                decision = pinned
        return decision.arm, str(decision.reason)

    def _carries(self, context: Context) -> int | None:
        """How often a command may be carried on: as often as it takes, if nobody else does it."""
        if not isinstance(context, Outside):
            return 0
        return None if self._decides else 1

    def _arms(
        self,
        request: HttpRequest,
        name: str,
        kind: Kind,
        arm: Arm,
        *,
        target: str,
        context: Context,
        here: Callable[[], tuple[HttpResponseBase, bool]],
    ) -> commands.Done:
        """Answered by this arm, or by the monolith if it fails and may fail."""
        if arm is Arm.MONOLITH:
            if kind is Kind.QUERY and (refused := self._behind(request, name, context)):
                return commands.Done(refused, None)
            response, failed = here()
            return commands.Done(response, arm, failed=failed)
        ready = service_arm.ready(request)
        outcome = service_arm.answer(request, name, kind, ready, target=target, context=context)
        if outcome.response is not None:
            answering = arm if outcome.answered else None
            return commands.Done(outcome.response, answering, failed=outcome.failed)
        with closing(outcome):
            if refused := self._behind(request, name, context):
                return commands.Done(refused, None, failed=outcome.failed)
            response = self.here(request, context)
        return commands.Done(
            response, Arm.MONOLITH, failed=outcome.failed, reason=FALLBACK, fallback=True
        )

    def _behind(self, request: HttpRequest, name: str, context: Context) -> HttpResponseBase | None:
        """What is said instead of an answer that may lack what the client has commanded."""
        if not pins.behind(request, context, name):
            return None
        if not arriving.arrived(name, context.deadline):
            message = f"{name} can't be reached, and what it has changed of late is not here yet"
            return refusal(503, "Unavailable", message, retry_after=RETRY_AFTER)
        if isinstance(context, Outside):
            context.pins.arrived(name)
        return None

    def _record(
        self,
        name: str,
        arm: Arm,
        kind: Kind,
        began: float,
        *,
        failed: bool,
        fallback: bool = False,
    ) -> None:
        seconds = time.monotonic() - began
        observations.record(name, arm, kind, seconds=seconds, failed=failed, fallback=fallback)

    def _sign(
        self,
        request: HttpRequest,
        response: HttpResponseBase,
        context: Context,
        reason: str,
        answering: Arm | None,
    ) -> None:
        """Say which arm has answered, and let the client keep what it is to bring again."""
        if answering is not None:
            response.headers[ARM] = str(answering)  # a WSGI server wants a str and no subclass
            response.headers[REASON] = str(reason)
        _traced(response, context)
        if not isinstance(context, Outside):
            return
        secure = request.is_secure()
        if context.found.cookie is not None:
            identity.give(response, context.found.cookie, secure=secure)
        if context.asked is not None:
            pins.give(response, context.asked, secure=secure)
            stranger = context.asked.stranger and not context.found.cookie
            if stranger and reason in {Reason.PINNED, FALLBACK}:
                pins.mark(response, secure=secure)

    def _by_monolith(
        self, request: HttpRequest, match: Match, kind: Kind, where: Target, context: Context
    ) -> tuple[HttpResponseBase, bool]:
        """The monolith's answer where it is its turn, compared if it is sampled; has it failed?"""
        outside = isinstance(context, Outside)
        failed = isinstance(context, Outside) and context.told and context.told.reason == FALLBACK
        asks = outside and not failed
        if asks and kind is Kind.COMMAND:
            rehearsed = rehearsing.sample(request, match, where, context)
            if rehearsed is not None:
                with rehearsed:
                    response = self.here(request, context)
                    rehearsed.answered(response)
                return response, response.status_code >= 500
        sample = shadowing.sample(request, match, kind, where, context) if asks else None
        response = self.here(request, context)
        if sample is not None:
            sample.offer(response)
        return response, response.status_code >= 500


def _traced(response: HttpResponseBase, context: Context) -> HttpResponseBase:
    """The same, which names its trace."""
    if context.trace is not None:
        response.headers["traceparent"] = context.trace.header
    return response
