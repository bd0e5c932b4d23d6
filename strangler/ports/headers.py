"""The kit's own HTTP headers: a closed list, which an edge sets or clears on every request.

Between kit parties everything that must be believed is in the one signed token of ``CONTEXT``; the
others only say what could not be forged to any use.
"""

from __future__ import annotations

from typing import Final

CONTEXT: Final = "X-Strangler-Context"
"""The signed token: caller, user, cohort, hops, shadow mark, forced arms, doors, epoch, pins."""
DEADLINE: Final = "X-Strangler-Deadline"
"""Seconds that are left for the answer, as a decimal number: it shrinks at each hop."""
DIGEST: Final = "X-Strangler-Digest"
"""The digest of the contract that the caller speaks."""
FORCE: Final = "X-Strangler-Force"
"""A tester's signed wish for an arm; it counts for queries only."""
EDGE: Final = "X-Strangler-Edge"
"""The secret by which the monolith knows the edge in front of it."""
COHORT: Final = "X-Strangler-Cohort"
"""The client's cohort, as an edge has found it that has proved itself."""
TARGET: Final = "X-Strangler-Target"
"""Path and query string for which an edge wants a token."""

ARM: Final = "X-Strangler-Arm"
"""On answers: the arm that has answered."""
REASON: Final = "X-Strangler-Reason"
"""On answers: why it was that arm. On an edge's requests: why they come to the monolith."""
EXECUTED: Final = "X-Strangler-Executed"
"""On answers: ``no`` where nothing has been executed, so that asking again is safe."""
ERROR: Final = "X-Strangler-Error"
"""On answers of ports: ``declared`` for an error of the contract."""
OWNER: Final = "X-Strangler-Owner"
"""On a 421: the arm that owns the rows, as far as is known."""
EPOCH: Final = "X-Strangler-Epoch"
"""On a 421: since which epoch."""
COMMANDED: Final = "X-Strangler-Commanded"
"""On answers of a kit party: the capabilities that have been commanded on the way."""

INTERNAL: Final = (
    CONTEXT, DEADLINE, DIGEST, FORCE, ARM, REASON, EXECUTED, ERROR, OWNER, EPOCH, COMMANDED, EDGE,
    COHORT, TARGET,
)  # fmt: skip
"""The closed list: from outside, none of these reaches an application."""


def face(capability: str, method: str) -> str:
    """What a token on the HTTP face is good for: one method of one capability's paths."""
    return f"{capability} {method}"
