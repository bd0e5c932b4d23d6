"""What a database says of a write that its fence has refused."""

from __future__ import annotations

import re
from dataclasses import dataclass

from strangler.ladder import Arm

SQLSTATE = "SFNCE"
"""Of PostgreSQL's refusal."""
PREFIX = "strangler fence: "
"""How SQLite's begins."""
_POSTGRES = re.compile(r"the fence of (\S+) refuses this \S+ on .*?: its rows (are|belong)")
_SQLITE = re.compile(r".* is (\S+)'s, and (.*)", re.DOTALL)
_OWNER = re.compile(r"(?:to|is) the (monolith|service)")
_EPOCH = re.compile(r" since epoch (\d+)")


@dataclass(frozen=True, slots=True)
class Said:
    """What the fence knows.

    Attributes:
        capability: whose rows were to be written; "" if nobody says.
        owner: who owns them; None while they are changing owner.
        epoch: since when; 0 if nobody says.
    """

    capability: str
    owner: Arm | None
    epoch: int


def read(error: BaseException | None, said: str) -> Said | None:
    """What the fence has said; None if it was not the fence.

    Args:
        error: the driver's.
        said: what it says.
    """
    if getattr(error, "sqlstate", None) == SQLSTATE:
        found = _POSTGRES.search(said)
    elif said.startswith(PREFIX):
        found = _SQLITE.match(said[len(PREFIX) :])
    else:
        return None
    owner, epoch = _OWNER.search(said), _EPOCH.search(said)
    return Said(
        found[1] if found is not None else "",
        Arm(owner[1]) if owner is not None else None,
        int(epoch[1]) if epoch is not None else 0,
    )
