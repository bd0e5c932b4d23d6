"""Notifications climbs, and comes back, and climbs, while orders are confirmed all the time.

Who listens is whoever owns the rows. They change hands by position: what the one has taken travels
with the rows, and the other goes on with the next event. So both never deliver at a time, whatever
is killed meanwhile, and each customer is told once.
"""

from __future__ import annotations

import random
import time

import pytest

from strangler.ladder import Stage
from tests.chaos.conftest import CHAOS
from tests.e2e.listening.books import check
from tests.e2e.listening.conftest import Open
from tests.e2e.listening.stand import Stand

ROUNDS = 12
"""Of the long form: there and back again."""


def test_by_http_from_file_to_file(on_sqlite: Open) -> None:
    with on_sqlite(rate=5) as stand:
        there_and_back_again(stand)


@pytest.mark.skipif(not CHAOS, reason="`make chaos` plays it: as long again")
@pytest.mark.postgres
def test_by_redis_from_server_to_server(on_postgres: Open) -> None:
    with on_postgres(rate=5) as stand:
        there_and_back_again(stand)


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
    check(stand, stand.quiet(), switches=3)


@pytest.mark.skipif(not CHAOS, reason="`make chaos` plays it: minutes long")
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_for_minutes_with_everybody_killed_at_any_moment(
    kind: str, request: pytest.FixtureRequest
) -> None:
    chance = random.Random(kind)
    open_: Open = request.getfixturevalue(f"on_{kind}")
    with open_(rate=15) as stand:
        victims = [stand.parts["relay"], stand.parts["service"], stand.consumer]

        def killing() -> None:
            for victim in chance.sample(victims, k=chance.randint(1, len(victims))):
                time.sleep(chance.random())
                stand.again(victim)

        stand.climb(Stage.CANARY)
        for _ in range(ROUNDS):
            stand.advance(Stage.LIVE, killing)
            stand.goes_on("service")
            stand.back(killing)
            stand.goes_on("monolith")
            stand.climb(Stage.CANARY)
        stand.advance(Stage.LIVE, killing)
        stand.goes_on("service")
        check(stand, stand.quiet(), switches=2 * ROUNDS + 1)
