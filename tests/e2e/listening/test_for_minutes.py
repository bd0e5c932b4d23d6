"""What takes long, by `make chaos`: the story on servers, and everybody killed at any moment."""

from __future__ import annotations

import random
import time

import pytest

from strangler.ladder import Stage
from tests.e2e.listening.books import check
from tests.e2e.listening.conftest import Open
from tests.e2e.listening.story import there_and_back_again

ROUNDS = 12
"""There and back again."""


@pytest.mark.postgres
def test_by_redis_from_server_to_server(on_postgres: Open) -> None:
    with on_postgres(rate=5) as stand:
        there_and_back_again(stand)


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_for_minutes_with_everybody_killed_at_any_moment(
    kind: str, request: pytest.FixtureRequest
) -> None:
    chance = random.Random(kind)
    open_: Open = request.getfixturevalue(f"on_{kind}")
    with open_(rate=8) as stand:
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
