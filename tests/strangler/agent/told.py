"""A control plane that says what a test wants, in any way it wants, to agents in threads."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strangler.agent.control import Control
from strangler.agent.following import Follower, Place
from strangler.ladder import Share, Stage
from strangler.ports.trust import keys
from strangler.ports.trust.keys import Keyring
from strangler.routing import news
from strangler.routing.news import Counts, News, Report
from strangler.routing.table import Entry, Table, TableUnusable
from tests.strangler.django.faults import Behave, Faults, Seen, faults, reply

NOTHING = reply(204, b"")


def said(
    revision: int, queries: int = 0, *, stage: Stage = Stage.CANARY, since: int | None = None
) -> News:
    """The news that weather stands there."""
    share = Share(queries, queries)
    entry = Entry(stage, 1, held=False, killed=False, share=share, fallback=True)
    return News(
        revision=revision,
        entries={"weather": entry.to_json()},
        groups={},
        since={"weather": revision if since is None else since},
    )


@dataclass
class Plane:
    """What it says next, and what it has heard."""

    faults: Faults
    root: Path
    news: News | None = None
    says: Behave | None = None
    """Whatever else it does instead."""
    count: Behave = NOTHING
    reports: list[Report] = field(default_factory=list)
    counts: list[Counts] = field(default_factory=list)
    controls: list[Control] = field(default_factory=list)

    @property
    def table(self) -> Table:
        return Table(self.root / "table", verify_every=0.0)

    def table_is(self, revision: int) -> bool:
        try:
            return self.table.revision() == revision
        except TableUnusable:
            return False

    def behave(self, peer: socket.socket, seen: Seen) -> None:
        if seen.target == news.COUNT:
            self.counts.append(news.counts(seen.body))
            self.count(peer, seen)
            return
        self.reports.append(news.report(seen.body))
        if self.says is not None:
            self.says(peer, seen)
        elif self.news is None or self.news.digest == self.reports[-1].digest:
            NOTHING(peer, seen)
        else:
            reply(200, news.encode(self.news))(peer, seen)

    def control(self, party: str = "edge") -> Control:
        ring = Keyring.load(self.root / "keys", party)
        self.controls.append(Control([self.faults.url], ring, audience="monolith"))
        return self.controls[-1]

    def follower(self, **place: Any) -> Follower:
        return Follower(self.control(), Place(self.root / "table", **place), name="front")

    @contextlib.contextmanager
    def following(self) -> Iterator[Follower]:
        """An agent that follows as long as this block lasts."""
        follower, ending = self.follower(), threading.Event()
        thread = threading.Thread(target=follower.run, args=(ending,))
        thread.start()
        try:
            yield follower
        finally:
            ending.set()
            thread.join(20)
            assert not thread.is_alive()


@contextlib.contextmanager
def plane(root: Path) -> Iterator[Plane]:
    """One of them, and keys for an edge."""
    keys.generate(root / "keys", "edge")
    with faults() as there:
        made = Plane(there, root)
        there.behave = made.behave
        yield made
        for one in made.controls:
            one.close()


def wait(until: Callable[[], object], seconds: float = 10.0) -> None:
    """Until this is so."""
    limit = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < limit, "it never came to that"
        time.sleep(0.005)


def line(moment: float, **more: Any) -> Mapping[str, Any]:
    """A line of the log, of a request that ended then."""
    return {
        "at": moment,
        "capability": "weather",
        "kind": "queries",
        "arm": "service",
        "reason": "inside",
        "status": 200,
        "seconds": 0.01,
    } | more
