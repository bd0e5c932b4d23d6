"""For whom a saga is done: whoever goes on with it later does so for the same user."""

from __future__ import annotations

import msgspec

from strangler.ports.context import Context, Trace, User, current
from strangler.routing.cohorts import draw


class _Kept(msgspec.Struct, omit_defaults=True):
    user: User | None = None
    cohort: int | None = None
    trace: str = ""


_decode = msgspec.json.Decoder(_Kept).decode


def kept() -> str:
    """What has to be known later of the call that is being served."""
    context = current()
    cohort = draw() if context.cohort is None else context.cohort
    trace = context.trace.header if context.trace is not None else ""
    return msgspec.json.encode(_Kept(context.user, cohort, trace)).decode()


def again(text: str) -> Context:
    """A context for whoever goes on: the same user, cohort and trace; all else is its own."""
    found = _decode(text)
    trace = Trace.continued(found.trace) if found.trace else None
    mine = current().replace(user=found.user, cohort=found.cohort, pins=set())
    return mine if trace is None else mine.replace(trace=trace)
