"""A command's way to the side that owns the rows: by this side's door, or carried to the other.

Nothing is executed before a side has said that it owns. Whoever does not says so, and the request
goes to the other, its body as it came; while a switch is under way that may take a round or two. A
freeze costs latency, never an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponseBase

from strangler.django.doors import known
from strangler.django.edge import service_arm
from strangler.django.edge.answers import refusal, turned_away
from strangler.django.ports import placing
from strangler.ladder import Arm
from strangler.ports.calling.door import Rounds, Turned, entered
from strangler.ports.context import Context, commanded
from strangler.ports.errors import DoorShut, NotOwner
from strangler.routing.decide import Kind

PATIENCE = 8.0
"""Seconds within which a side has to take a command: more than a freeze may last."""
CARRIED = "carried"
"""Why an arm answers that the routing table has not named: it owns, or a kit party asks it."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a request ended. Where neither side has answered, ``arm`` is None.

    ``reason`` is why it was that arm, where that is not what the routing table says.
    """

    response: HttpResponseBase
    arm: Arm | None
    failed: bool = False
    reason: str | None = None
    fallback: bool = False


@dataclass(slots=True)
class Command:
    """One command of a capability that has tables.

    Attributes:
        request: as it came.
        name: the capability.
        target: path and query string.
        context: what it is done for.
        here: answers on this side, inside its door; the response, and whether that has failed.
        carries: how often it may be carried to the service: not at all if somebody has carried it
            here, once if an edge before us sends again what comes back.
    """

    request: HttpRequest
    name: str
    target: str
    context: Context
    here: Callable[[], tuple[HttpResponseBase, bool]]
    carries: int | None = None

    def answer(self, arm: Arm) -> Done:
        """Have it done by this arm, or by whichever owns the rows.

        Raises:
            service_arm.Unfit: it must not go to a service.
        """
        rounds = Rounds(self.name, time.monotonic() + PATIENCE)
        epoch, first = placing.epoch(self.name), arm
        with ExitStack() as spooled:
            ready: service_arm.Ready | None = None
            while True:
                try:
                    if arm is Arm.MONOLITH:
                        return self._here(rounds.deadline, reason=None if arm is first else CARRIED)
                    if ready is None:
                        ready = service_arm.ready(self.request)
                        spooled.callback(ready.spool.close)
                    return self._there(ready, epoch, reason=None if arm is first else CARRIED)
                except Turned as turned:
                    error = turned.error
                if not self._may_go_on(arm, error):
                    return Done(turned_away(error), None)
                try:
                    rounds.again(error)
                except DoorShut as shut:
                    return Done(turned_away(shut), None)
                told = rounds.told
                if told is not None and told.owner is not None:
                    arm, epoch = told.owner, max(told.epoch, placing.epoch(self.name))

    def _may_go_on(self, arm: Arm, error: NotOwner | DoorShut) -> bool:
        if self.carries is None:
            return True
        if arm is Arm.SERVICE or not self.carries or isinstance(error, DoorShut):
            return False
        self.carries -= 1
        return True

    def _here(self, deadline: float, *, reason: str | None) -> Done:
        with ExitStack() as stack:
            try:
                stack.enter_context(entered(self.name, deadline, known.enter_in_line))
            except NotOwner as error:
                raise Turned(error) from error
            except DoorShut as shut:
                return Done(turned_away(shut), None)
            commanded(self.name)
            response, failed = self.here()
            return Done(response, Arm.MONOLITH, failed=failed, reason=reason)

    def _there(self, ready: service_arm.Ready, epoch: int, *, reason: str | None) -> Done:
        outcome = service_arm.answer(
            self.request,
            self.name,
            Kind.COMMAND,
            ready,
            target=self.target,
            context=self.context.replace(epoch=epoch),
            owned=True,
        )
        commanded(self.name)
        response = outcome.response
        if response is None:  # it may not fall back: only one side has the rows
            response = refusal(503, "Unavailable", f"{self.name} can't be reached", retry_after=1)
        arm = Arm.SERVICE if outcome.answered else None
        return Done(response, arm, failed=outcome.failed, reason=reason)
