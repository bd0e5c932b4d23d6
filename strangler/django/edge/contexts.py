"""The context of a request from outside: everything in it is found out when somebody asks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.http import HttpRequest

from strangler.django.edge import identity
from strangler.ladder import Arm
from strangler.ports.context import NOTHING_FORCED, Context, Later, Trace


class Outside(Context):
    """A request which no kit party has passed yet. Most of them never ask for any of this."""

    __slots__ = ("_found", "_meta", "_sticky", "_trace")

    def __init__(
        self,
        request: HttpRequest,
        sticky: identity.Sticky,
        *,
        forced: Mapping[str, Arm] = NOTHING_FORCED,
    ) -> None:
        # Every request makes one, so it is set up here, and not by way of Context's own arguments.
        self._meta: Mapping[str, Any] = request.META
        self._sticky = sticky
        self._found: identity.Found | None = None
        self._trace: Trace | None = None
        self._user = Later(partial(identity.user, request))
        self.caller = None
        self.deadline = None
        self.hops = 0
        self.shadow = False
        self.forced = forced

    @property
    def found(self) -> identity.Found:
        """What the first sticky key says that is there."""
        if self._found is None:
            self._found = self._sticky.look(self._meta)
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
            meta = self._meta
            self._trace = Trace.continued(meta.get("HTTP_TRACEPARENT"), meta.get("HTTP_TRACESTATE"))
        return self._trace

    @trace.setter
    def trace(self, value: Trace | None) -> None:
        self._trace = value

    def replace(self, **changes: Any) -> Context:
        """The same as a plain context, but for these arguments; asks for cohort and trace."""
        known: dict[str, Any] = {
            "user": self._user,
            "cohort": self.cohort,
            "forced": self.forced,
            "trace": self.trace,
        }
        return Context(**known | changes)
