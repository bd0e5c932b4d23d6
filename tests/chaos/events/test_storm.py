"""Whoever says, carries or hears events is killed: nothing is lost, twice, or out of order.

``make test`` runs a bounded form, and sees that a broken kit is noticed; ``make chaos`` runs
``python -m tests.chaos.events`` too, with 100,000 events and every step.
"""

from __future__ import annotations

import pytest

from tests.chaos.conftest import CHAOS
from tests.chaos.events.__main__ import bad, run
from tests.chaos.events.mutations import MUTATIONS
from tests.chaos.events.world import KINDS
from tests.chaos.servers import Durable

pytestmark = pytest.mark.journey

EVENTS, BLOWS = (5000, 40) if CHAOS else (300, 5)


@pytest.fixture
def durable(kind: str, request: pytest.FixtureRequest) -> Durable | None:
    """The server of what is on PostgreSQL."""
    found: Durable | None = None
    if kind == "redis":
        found = request.getfixturevalue("monolith_server")
    return found


@pytest.mark.parametrize("kind", [pytest.param("redis", marks=pytest.mark.postgres), "http"])
def test_nothing_is_lost_twice_or_out_of_order(kind: str, durable: Durable | None) -> None:
    outcome = run(
        kind, durable, events=EVENTS, blows=BLOWS, pace=0.1, seed=7, stopping=CHAOS
    )  # fmt: skip
    assert outcome.clean, (outcome.found.problems[:10], outcome.blows)
    assert outcome.found.said >= EVENTS
    assert outcome.blows["died"] >= BLOWS // 2, outcome.blows


@pytest.mark.long
@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_kit_is_noticed(kind: str, mutation: str, durable: Durable | None) -> None:
    outcome = run(
        kind, durable, events=1500, blows=25, pace=0.15, seed=2, mutation=mutation
    )  # fmt: skip
    assert not bad(mutation, outcome), (mutation, outcome.found.problems[:5])
