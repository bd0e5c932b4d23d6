"""What a crossing is: one relation between a model of a capability and one that is not its own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How two models hang together."""

    FOREIGN_KEY = "foreign key"
    ONE_TO_ONE = "one-to-one"
    MANY_TO_MANY = "many-to-many"
    INHERITANCE = "inheritance"
    UNCONSTRAINED = "relation without a constraint"
    THROUGH = "many-to-many through a model"
    GENERIC = "generic relation"
    PROXY = "proxy"


HOLDING = frozenset({Kind.FOREIGN_KEY, Kind.ONE_TO_ONE, Kind.MANY_TO_MANY, Kind.INHERITANCE})
"""The database itself holds these two tables together."""


class Side(StrEnum):
    """Which way a relation points."""

    OUT = "out"
    """From a model of the capability to one that stays."""
    IN = "in"
    """From a model that stays to one of the capability."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """One relation that crosses the boundary of ``capability``.

    ``model`` declares it, and ``field`` is its name there; a proxy has none. ``cuttable``: ``cut``
    can write the migration. ``packaged``: one of the two models is no code of this project.
    """

    capability: str
    model: str
    field: str | None
    target: str
    kind: Kind
    direction: Side
    remedy: str
    cuttable: bool = False
    packaged: bool = False

    @property
    def name(self) -> str:
        """``app.Model.field``, or ``app.Model``."""
        return f"{self.model}.{self.field}" if self.field else self.model

    @property
    def blocks(self) -> bool:
        """Do the tables hold together, so that the capability's can't go?

        What does not block is a matter of code: it works for as long as both are in one database.
        """
        return self.kind in HOLDING

    def __str__(self) -> str:
        return f"{self.name} → {self.target} ({self.kind})"
