"""The rows change owner again and again while eight writers, and two rogues, are at work."""

from __future__ import annotations

import pytest

from tests.chaos.campaign import Campaign
from tests.chaos.conftest import CHAOS
from tests.chaos.faults import Blow, mixed
from tests.chaos.world import World

THERE_AND_BACK = 10 if CHAOS else 2
SEEDS = range(5 if CHAOS else 1)
BLOWS = None if CHAOS else 5


@pytest.mark.parametrize("world", [{}], indirect=True, ids=[""])
def test_nothing_is_lost_on_the_way_there_and_back(world: World):
    with Campaign(world) as campaign:
        for _ in range(THERE_AND_BACK):
            campaign.switch()
            campaign.switch()
        outcome = campaign.finish()
    assert outcome.found.problems == []
    assert (outcome.refused, outcome.broke) == ([], [])
    assert outcome.switched == 2 * THERE_AND_BACK
    assert outcome.found.acknowledged > 50
    assert outcome.found.denied > 0
    assert outcome.found.written > 0


@pytest.mark.parametrize("world", [{"lease": 0.5}], indirect=True, ids=[""])
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_where_movers_die(world: World, seed: int):
    with Campaign(world, seed=seed) as campaign:
        for number, fault in enumerate(mixed(seed, Blow.KILL, Blow.STOP)[:BLOWS]):
            campaign.switch(fault)
            if number % 3 == 0:
                campaign.kill_writer()
            if number % 4 == 1:
                campaign.kill_mover()
        outcome = campaign.finish()
    assert outcome.found.problems == []
    assert outcome.found.acknowledged > 50


@pytest.mark.postgres
@pytest.mark.parametrize("kind", ["postgres"])
@pytest.mark.parametrize("world", [{"lease": 0.5, "rough": True}], indirect=True, ids=[""])
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_where_servers_die(world: World, seed: int):
    blows = (Blow.OLD_CRASHES, Blow.NEW_CRASHES, Blow.CUT)
    with Campaign(world, seed=seed) as campaign:
        for fault in mixed(seed, *blows)[: BLOWS and 3]:
            campaign.switch(fault)
            campaign.cut_some()
        outcome = campaign.finish()
    assert outcome.found.problems == []
    assert outcome.found.acknowledged > 50
