"""Which agents there are, and what a move hears of them."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from strangler.django.agents import registry, waiting
from strangler.django.agents.waiting import Applied
from strangler.django.control_plane import control, state
from strangler.django.control_plane.errors import TableAhead
from strangler.django.models import Agent
from strangler.routing.killing import BEYOND
from strangler.routing.news import LEASE, Report
from tests.strangler.django.plane import Plane

pytestmark = pytest.mark.usefixtures("kit")


def heard(name: str, *, party: str = "edge", **more: Any) -> None:
    registry.heard(party, Report(name=name, **more))


def vanish(agent: str, seconds: float) -> None:
    """It was heard so long ago."""
    then = timezone.now() - timedelta(seconds=seconds)
    until = then + timedelta(seconds=LEASE)
    assert Agent.objects.filter(pk=agent).update(until=until, heard_at=then)


def held() -> int:
    return control.hold("pricing", actor="ann").revision


def names(done: Applied) -> dict[str, list[str]]:
    groups = ("applied", "refused", "late", "away")
    return {one: [agent.id for agent in getattr(done, one)] for one in groups}


class TestWaiting:
    def test_without_agents_it_costs_one_question(self) -> None:
        revision = held()
        with CaptureQueriesContext(connection) as asked:
            done = waiting.wait(revision)
        assert len(asked) == 1
        assert done.everywhere
        assert done.seconds < 1
        assert names(done) == {"applied": [], "refused": [], "late": [], "away": []}

    def test_applied_by_all(self) -> None:
        revision = held()
        for name in ("front", "back"):
            heard(name, table=revision, heard=revision)
        heard("x", party="pricing", table=revision, heard=revision)
        done = waiting.wait(revision)
        assert names(done)["applied"] == ["edge/back", "edge/front", "pricing/x"]
        assert done.everywhere

    def test_one_that_refuses_is_named_with_its_reason(self) -> None:
        revision = held()
        heard("front", table=revision, heard=revision)
        heard("back", table=revision - 1, heard=revision, refused="no space left")
        done = waiting.wait(revision)
        assert names(done)["refused"] == ["edge/back"]
        assert done.refused[0].refused == "no space left"
        assert not done.everywhere

    def test_an_older_refusal_is_not_the_answer_to_this_one(self) -> None:
        revision = held()
        heard("front", heard=revision, refused="no space left")
        later = control.resume("pricing", actor="ann").revision
        done = waiting.wait(later, patience=0.05)
        assert names(done)["late"] == ["edge/front"]

    def test_one_that_is_late_is_named_after_a_while(self) -> None:
        revision = held()
        heard("front", table=revision, heard=revision)
        heard("back", table=revision - 1, heard=revision - 1)
        began = time.monotonic()
        done = waiting.wait(revision, patience=0.1)
        assert 0.1 <= time.monotonic() - began < 3
        assert names(done) == {
            "applied": ["edge/front"], "refused": [], "late": ["edge/back"], "away": []
        }  # fmt: skip

    def test_one_that_comes_meanwhile_ends_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        revision = held()
        heard("front", table=revision - 1)
        looks: list[float] = []

        def sleep(seconds: float) -> None:
            looks.append(seconds)
            if len(looks) == 3:
                heard("front", table=revision, heard=revision)

        monkeypatch.setattr("strangler.django.agents.waiting.time.sleep", sleep)
        assert waiting.wait(revision).everywhere
        assert len(looks) == 3

    def test_nobody_waits_for_one_that_has_vanished(self) -> None:
        heard("front")
        vanish("edge/front", 60)
        began = time.monotonic()
        done = waiting.wait(held())
        assert time.monotonic() - began < 2
        assert names(done)["away"] == ["edge/front"]
        assert 59 < done.away[0].age < 70

    def test_a_table_that_is_ahead_has_not_applied_it(self) -> None:
        """Somebody has killed there, and the control plane has moved on before it heard of that."""
        revision = held()
        heard("front", table=revision + BEYOND)
        done = waiting.wait(revision)
        assert names(done)["refused"] == ["edge/front"]
        assert "somebody killed there" in done.refused[0].refused

    def test_a_later_move_is_no_refusal_of_this_one(self) -> None:
        revision = held()
        control.resume("pricing", actor="ann")
        heard("front", table=revision + 1, heard=revision + 1)
        assert names(waiting.wait(revision))["applied"] == ["edge/front"]


class TestRegistry:
    def test_who_leaves_is_not_named_any_more(self) -> None:
        heard("front")
        heard("back")
        registry.heard("edge", Report(name="front", leaves=True))
        registry.heard("edge", Report(name="nobody", leaves=True))
        assert [one.id for one in registry.seen()] == ["edge/back"]

    def test_nobody_leaves_for_another_party(self) -> None:
        heard("front")
        registry.heard("pricing", Report(name="front", leaves=True))
        assert [one.id for one in registry.seen()] == ["edge/front"]

    def test_one_that_has_vanished_is_named_for_an_hour(self) -> None:
        heard("front")
        vanish("edge/front", 3000)
        assert [(one.id, one.alive) for one in registry.seen()] == [("edge/front", False)]
        vanish("edge/front", 4000)
        assert registry.seen() == []
        heard("back")
        assert Agent.objects.count() == 1, "and its row goes"

    def test_one_that_comes_again_is_the_same(self) -> None:
        heard("front", table=3, refused="x")
        vanish("edge/front", 60)
        heard("front", table=4)
        (known,) = registry.seen()
        assert (known.alive, known.table, known.refused, known.name) == (True, 4, "", "front")
        assert known.age < 5

    def test_who_says_the_same_again_and_again_is_not_written_down_each_time(self) -> None:
        heard("front", table=3)
        with CaptureQueriesContext(connection) as asked:
            for _ in range(5):
                heard("front", table=3)
        assert not [one for one in asked if "UPDATE" in one["sql"]]
        heard("front", table=3, refused="x")
        assert registry.seen()[0].refused == "x"
        vanish("edge/front", 2)
        heard("front", table=3, refused="x")
        assert registry.seen()[0].age < 1


class TestTableAhead:
    def test_the_next_move_is_refused_and_says_where(self, kit: Plane) -> None:
        revision = held()
        heard("front", table=revision)
        control.resume("pricing", actor="ann")
        heard("front", table=revision + BEYOND)
        with pytest.raises(TableAhead) as ahead:
            held()
        assert str(ahead.value).startswith(
            f"the routing table of edge/front is at revision {revision + BEYOND}, "
            f"the database at {revision + 1}: "
        )
        assert kit.table.revision() == state.revision() == revision + 1

    @pytest.mark.parametrize("way", ["kill", "publish"])
    def test_until_it_is_settled(self, kit: Plane, way: str) -> None:
        revision = held()
        heard("front", table=revision + BEYOND)
        if way == "kill":
            after = control.kill("pricing", actor="ann").revision
        else:
            after = control.publish(actor="ann")
        assert after == state.revision() == kit.table.revision() == revision + BEYOND + 1
        assert control.hold("catalog", actor="ann").revision == after + 1

    def test_one_that_has_vanished_blocks_nothing(self) -> None:
        revision = held()
        heard("front", table=revision + BEYOND)
        vanish("edge/front", 60)
        assert control.resume("pricing", actor="ann").revision == revision + 1
