"""The context of a request from outside: everything in it is found out when somebody asks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.http import HttpRequest

from strangler.django.edge import identity
from strangler.django.edge import pins as pinning
from strangler.django.edge.fronted import Told
from strangler.ladder import Arm
from strangler.ports.context import NOTHING_FORCED, Context, Later, Trace, User


class Outside(Context):
    """A request which no kit party has passed yet. Most of them never ask for any of this.

    Attributes:
        told: what the edge in front says, where there is one.
    """

    __slots__ = ("_found", "_pins", "_sticky", "_trace", "request", "told")

    # What nobody outside can say. Every request makes a context: so these stand here, once.
    caller = None
    deadline = None
    hops = 0
    shadow = False
    rehearsal = False
    doors = ()
    epoch = 0

    def __init__(
        self,
        request: HttpRequest,
        sticky: identity.Sticky,
        *,
        forced: Mapping[str, Arm] = NOTHING_FORCED,
        told: Told | None = None,
    ) -> None:
        # Nor does it go by way of Context's own arguments.
        self.request = request
        self._sticky = sticky
        self._found = identity.Found(told.cohort) if told is not None else None
        self.told = told
        self._trace: Trace | None = None
        self._pins: pinning.Pins | None = None
        self.forced = forced

    @property
    def user(self) -> User | None:
        """Whom the monolith knows the client as."""
        return identity.user(self.request)

    @property
    def found(self) -> identity.Found:
        """What the first sticky key says that is there."""
        if self._found is None:
            self._found = self._sticky.look(self.request.META)
        return self._found

    @property
    def cohort(self) -> int:
        """The client's cohort."""
        return self.found.cohort

    @cohort.setter
    def cohort(self, value: int | None) -> None:
        self._found = identity.Found(value) if value is not None else None

    @property
    def trace(self) -> Trace:
        """The client's trace continued, or a new one."""
        if self._trace is None:
            meta = self.request.META
            self._trace = Trace.continued(meta.get("HTTP_TRACEPARENT"), meta.get("HTTP_TRACESTATE"))
        return self._trace

    @trace.setter
    def trace(self, value: Trace | None) -> None:
        self._trace = value

    @property
    def pins(self) -> pinning.Pins:  # type: ignore[override]  # nobody sets it
        """What the client has commanded of late, and whatever is commanded within."""
        if self._pins is None:
            self._pins = pinning.of(self.request)
        return self._pins

    @property
    def asked(self) -> pinning.Pins | None:
        """The pins, if anybody has asked for them or added one."""
        return self._pins

    def replace(self, **changes: Any) -> Context:
        """The same as a plain context, but for these arguments; asks for cohort, trace and pins."""
        known: dict[str, Any] = {
            "user": Later(partial(identity.user, self.request)),
            "cohort": self.cohort,
            "forced": self.forced,
            "trace": self.trace,
            "pins": self.pins,
        }
        return Context(**known | changes)
