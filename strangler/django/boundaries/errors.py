"""Why a relation was not cut."""

from __future__ import annotations

from collections.abc import Sequence


class NotCut(Exception):
    """No migration can be written for this relation; the message says what to do instead."""


class UnknownRelation(LookupError):
    """No relation of this name crosses the boundary of the capability; it says which do."""

    def __init__(self, capability: str, name: str, known: Sequence[str]) -> None:
        super().__init__(capability, name, known)
        self.capability = capability
        self.name = name
        self.known = known

    def __str__(self) -> str:
        if not self.known:
            return f"no relation crosses the boundary of {self.capability}: nothing is to be cut"
        return (
            f"no relation {self.name!r} crosses the boundary of {self.capability}: "
            f"there are {', '.join(self.known)}"
        )
