"""Notifications climbs, and comes back, and climbs, while orders are confirmed all the time.

Who listens is whoever owns the rows. They change hands by position: what the one has taken travels
with the rows, and the other goes on with the next event. So both never deliver at a time, whatever
is killed meanwhile, and each customer is told once.
"""

from __future__ import annotations

from strangler.ladder import Stage
from tests.e2e.listening.books import check
from tests.e2e.listening.stand import Stand


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
    stand.back(lambda: stand.again(stand.parts["service"]))
    stand.goes_on("monolith")
    stand.climb(Stage.CANARY)
    stand.advance(Stage.LIVE, lambda: stand.again(stand.consumer))
    stand.goes_on("service")
    consumers = stand.hand.insist("events", "status").answer["consumers"]
    counts = {one["consumer"]: one["parked"] for one in consumers}
    assert counts["notifications"] == 0, "its service was asked, which answers for its own rows"
    check(stand, stand.quiet(), switches=3)
