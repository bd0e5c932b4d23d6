"""The one decision: monolith or service, for one call.

The middleware, ``bind`` and the compiled NGINX files all give this same answer. Pure, and free of
dependencies: every contract loads this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from strangler.ladder import Arm


class Kind(StrEnum):
    """A query changes nothing and may be asked anywhere; a command is the owner's alone."""

    QUERY = "query"
    COMMAND = "command"


class Reason(StrEnum):
    """Why a call goes where it goes."""

    FORCED = "forced"
    """A tester forced the arm of this query."""
    INSIDE = "inside"
    """The cohort is in the service's share of the routing table."""
    OUTSIDE = "outside"
    """The cohort is not in the service's share of the routing table."""
    PINNED = "pinned"
    """Whoever asks has commanded the capability, and what came of it has not yet moved over."""
    OWNER = "owner"
    """The routing table can't be asked: the owner answers."""


class Call(NamedTuple):
    """One call, as far as routing cares. A tuple, because one is made for every request."""

    capability: str
    kind: Kind
    cohort: int
    forced: Arm | None = None
    pinned: bool = False
    """A query of somebody who is to see what the owner knows."""


class Lookup(Protocol):
    """What answers whether the service has a share in a call: a table on disk, or one in memory."""

    def holds(self, capability: str, kind: Kind, cohort: int) -> bool:
        """Does the service answer this kind of call of this cohort?

        Raises:
            TableUnusable: nobody knows; the call goes to the owner.
        """


@dataclass(frozen=True, slots=True)
class Decision:
    """Where one call goes, and why."""

    arm: Arm
    reason: Reason


_FORCED = {arm: Decision(arm, Reason.FORCED) for arm in Arm}
_INSIDE = Decision(Arm.SERVICE, Reason.INSIDE)
_OUTSIDE = Decision(Arm.MONOLITH, Reason.OUTSIDE)
_PINNED = Decision(Arm.MONOLITH, Reason.PINNED)


def decide(call: Call, table: Lookup) -> Decision:
    """Which arm answers this call.

    A forced arm counts for queries only: a command goes to the owner, whatever a tester wants (the
    edges refuse such a request before it comes here). A pinned query goes where commands go.

    Raises:
        TableUnusable: the table can't be asked; the call goes to the owner.
    """
    capability, kind, cohort, forced, pinned = call
    if forced is not None and kind is Kind.QUERY:
        return _FORCED[forced]
    if not table.holds(capability, kind, cohort):
        return _OUTSIDE
    if pinned and kind is Kind.QUERY and not table.holds(capability, Kind.COMMAND, cohort):
        return _PINNED
    return _INSIDE
