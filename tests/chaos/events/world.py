"""Where events are said and heard, and by which bus: what every process of a run is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

KINDS = ("redis", "http")
"""PostgreSQL with Redis, and SQLite with the http bus."""
GARDEN, DIARY = "garden", "diary"
CONSUMERS = (GARDEN, DIARY)
"""The first one has two processes."""
LEASE = 1.5
"""Seconds until others go on with what a dead or stopped process held."""

MANIFEST = """
[edge]
monolith = "http://127.0.0.1:{diary}"

[capability.garden]
context  = "monolith.garden"
owner    = "team-garden"
contract = "tests.strangler.fastapi.sample:Garden"
service  = ["http://127.0.0.1:{garden0}", "http://127.0.0.1:{garden1}"]
routes   = ["/api/garden/"]
subscribes = ["sky.star.seen"]
transfer = "no.such:tables"

[capability.diary]
context  = "monolith.diary"
owner    = "team-diary"
contract = "tests.strangler.fastapi.sample:Diary"
service  = ["http://127.0.0.1:1"]
routes   = ["/api/diary/"]
subscribes = ["sky.star.seen"]

[capability.sky]
context  = "monolith.sky"
owner    = "team-sky"
contract = "tests.strangler.fastapi.sample:Sky"
service  = ["http://127.0.0.1:1"]
routes   = ["/api/sky/"]
"""


@dataclass(frozen=True)
class World:
    """What there is. Every process gets a copy.

    Attributes:
        kind: see ``KINDS``.
        folder: notes, keys and files.
        speaks: the URL of the database that speaks.
        hears: the URL of each consumer's own database.
        bus: its URL.
        total: events that are said.
        keys: of how many stars.
        pace: seconds between two transactions of one speaker.
        ports: where consumers are brought events, by process.
        mutation: what is broken in the kit, to see that it is noticed.
    """

    kind: str
    folder: Path
    speaks: str
    hears: dict[str, str]
    bus: str
    total: int
    keys: int = 200
    pace: float = 0.01
    ports: dict[str, int] | None = None
    mutation: str = ""

    @property
    def postgres(self) -> bool:
        """Is it PostgreSQL, and not SQLite?"""
        return self.kind == "redis"

    @property
    def ending(self) -> Path:
        """Is there once every process is to end."""
        return self.folder / "ending"

    def log(self, role: str) -> Path:
        """What processes of a role have noted."""
        return self.folder / f"{role}.notes"
