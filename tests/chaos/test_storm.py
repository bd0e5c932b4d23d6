"""The rows change owner again and again while writers, and two rogues, are at work.

``make test`` has half the writers, and on SQLite, where each death has its test in ``test_steps``,
only those whom nothing befalls; on PostgreSQL these are behind PgBouncer.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.chaos.campaign import Campaign
from tests.chaos.conftest import CHAOS
from tests.chaos.faults import Blow, Fault, faults, mixed
from tests.chaos.servers import Bouncer, Durable
from tests.chaos.world import World
from tests.servers import running

THERE_AND_BACK = 10 if CHAOS else 1
SEEDS = range(5 if CHAOS else 1)
WRITERS = 8 if CHAOS else 4
POSTGRES = pytest.param("postgres", marks=pytest.mark.postgres)
KINDS = ["sqlite", *([POSTGRES] if CHAOS else [])]
DYING = [*(["sqlite"] if CHAOS else []), POSTGRES]


def some(seed: int, *blows: Blow) -> list[Fault]:
    """Every place, each with one of the blows; or one place for each blow."""
    found = mixed(seed, *blows)
    return found if CHAOS else [next(one for one in found if one.blow is blow) for blow in blows]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("world", [{}], indirect=True, ids=[""])
def test_nothing_is_lost_on_the_way_there_and_back(world: World):
    with Campaign(world, writers=WRITERS) as campaign:
        campaign.switch_often(2 * THERE_AND_BACK)
        outcome = campaign.finish()
    assert outcome.found.problems == []
    assert outcome.switched == 2 * THERE_AND_BACK, (outcome.refused, outcome.broke)
    assert outcome.found.acknowledged > 50
    assert outcome.found.denied > 0
    assert outcome.found.written > 0


@pytest.mark.parametrize("kind", DYING)
@pytest.mark.parametrize("world", [{"lease": 2.0}], indirect=True, ids=[""])
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_where_movers_and_applications_die(world: World, seed: int):
    blows = (Blow.KILL, Blow.STOP, Blow.APPLICATIONS)
    with Campaign(world, seed=seed, writers=WRITERS) as campaign:
        for number, fault in enumerate(some(seed, *blows)):
            campaign.strike(fault)
            if number % 3 == 0:
                campaign.kill_writer()
            if number % 4 == 1:
                campaign.kill_mover()
        outcome = campaign.finish()
    assert outcome.found.problems == []
    assert outcome.struck, (outcome.refused, outcome.broke)
    assert outcome.found.acknowledged > 50


def test_every_place_gets_every_blow():
    blows = (Blow.OLD_CRASHES, Blow.NEW_CRASHES, Blow.CUT)
    struck = {fault for seed in range(len(blows)) for fault in mixed(seed, *blows)}
    assert struck == set(faults(*blows))


@pytest.mark.postgres
@pytest.mark.parametrize("kind", ["postgres"])
@pytest.mark.parametrize("world", [{"lease": 2.0, "rough": True}], indirect=True, ids=[""])
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_where_servers_die(world: World, seed: int):
    blows = (Blow.OLD_CRASHES, Blow.NEW_CRASHES, Blow.CUT)
    with Campaign(world, seed=seed, writers=WRITERS) as campaign:
        for fault in some(seed, *blows):
            campaign.strike(fault)
            campaign.cut_some()
        outcome = campaign.finish()
    assert outcome.found.problems == []
    assert outcome.struck, (outcome.refused, outcome.broke)
    assert outcome.found.acknowledged > 50


@pytest.mark.postgres
@pytest.mark.parametrize("kind", ["postgres"])
@pytest.mark.parametrize("world", [{}], indirect=True, ids=[""])
def test_nothing_is_lost_where_applications_share_connections(
    world: World, monolith_server: Durable, service_server: Durable
):
    """PgBouncer in transaction mode between the applications and their databases; doors go past."""
    with running(Bouncer(monolith_server)) as one, running(Bouncer(service_server)) as other:
        pooled = one.url(world.monolith), other.url(world.service)
        with Campaign(replace(world, pooled=pooled), writers=WRITERS) as campaign:
            campaign.switch_often(2 * THERE_AND_BACK)
            outcome = campaign.finish()
    assert outcome.found.problems == []
    assert outcome.switched == 2 * THERE_AND_BACK, (outcome.refused, outcome.broke)
    assert outcome.found.acknowledged > 50
    assert outcome.found.denied > 0
    assert outcome.found.written > 0
