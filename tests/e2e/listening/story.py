"""Notifications climbs, and comes back, and climbs, while orders are confirmed all the time.

Who listens is whoever owns the rows. They change hands by position: what the one has taken travels
with the rows, and the other goes on with the next event. So both never deliver at a time, whatever
is killed meanwhile, and each customer is told once.
"""

from __future__ import annotations

import time

from strangler.ladder import Stage
from tests.e2e.listening.books import check
from tests.e2e.listening.stand import Stand
from tests.e2e.listening.witness import POISON


def there_and_back_again(stand: Stand) -> None:
    """Each switch loses somebody in its midst: the relay, and whoever listens on either side."""
    stand.climb(Stage.SHADOW)
    said = stand.hand.strangler("advance", "notifications", "--to", "canary", "--percent", "50")
    gates = {one["gate"]: one["outcome"] for one in said.answer["verdicts"]}
    assert gates["rehearsed"] == "passed", "what only events command is not waited for"
    stand.advance(Stage.CANARY)
    stand.goes_on("monolith")
    assert [one for one in stand.seen()["writers"] if not one["door"]] == []
    stand.hand.insist("events", "status")

    stand.advance(Stage.LIVE, lambda: stand.again(stand.parts["relay"]))
    stand.goes_on("service")
    set_aside(stand)
    replayed(stand)  # by the service, which is asked
    set_aside(stand)
    stand.back(lambda: stand.again(stand.parts["service"]))
    stand.goes_on("monolith")
    replayed(stand)  # here: it has come back with the rows
    stand.climb(Stage.CANARY)
    stand.advance(Stage.LIVE, lambda: stand.again(stand.consumer))
    stand.goes_on("service")
    check(stand, stand.quiet(), switches=3)


def set_aside(stand: Stand) -> None:
    """Whoever owns the rows can't handle some events, and stays so."""
    poison = stand.folder / POISON
    poison.touch()
    stand.until(lambda: parked(stand))
    poison.unlink()


def replayed(stand: Stand) -> None:
    """They are handled by command, whoever owns the rows."""
    assert parked(stand) > 0
    done = 0
    until = time.monotonic() + 60
    while parked(stand):
        assert time.monotonic() < until
        done += stand.hand.strangler("events", "replay", "--all").answer["replayed"]
    assert done > 0


def parked(stand: Stand) -> int:
    """How many events its owner has set aside."""
    consumers = stand.hand.strangler("events", "status").answer["consumers"]
    (found,) = (one for one in consumers if one["consumer"] == "notifications")
    return int(found["parked"] or 0)
