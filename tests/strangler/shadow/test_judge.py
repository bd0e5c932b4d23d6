"""How one comparison ends, and who is asked for it."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from strangler.manifest import Shadow
from strangler.shadow.compare import Answer, Rules
from strangler.shadow.judge import REPEATED, Judge, NoAnswer, Outcome, Verdict
from strangler.shadow.noise import Noise

NEVER = 1.0
ALWAYS = 0.0


def said(body: Any, status: int = 200) -> Answer:
    return Answer(status, "application/json", json.dumps(body).encode())


class Arm:
    """Answers one after the other, the last one for ever; an exception is raised."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self) -> Answer:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if isinstance(answer, Exception):
            raise answer
        return answer


def judge(
    control: Answer, service: Arm, monolith: Arm, *, chance: float = NEVER, ignore: str = "$.at"
) -> Verdict:
    rules = Rules.of(Shadow(ignore=(ignore,)))
    return Judge(rules, chance=lambda: chance).judge(
        control, route="GET /x/", service=service, monolith=monolith
    )


def test_a_match_asks_the_service_once_and_the_monolith_never() -> None:
    service, monolith = Arm(said({"a": 1})), Arm()
    assert judge(said({"a": 1}), service, monolith).outcome is Outcome.MATCH
    assert (service.asked, monolith.asked) == (1, 0)


def test_what_is_ignored_is_no_plain_match() -> None:
    verdict = judge(said({"a": 1, "at": 1}), Arm(said({"a": 1, "at": 2})), Arm())
    assert verdict.outcome is Outcome.IGNORED


def test_a_difference_counts_when_it_is_there_again() -> None:
    service, monolith = Arm(said({"a": 2})), Arm(said({"a": 1}))
    verdict = judge(said({"a": 1}), service, monolith)
    assert verdict.outcome is Outcome.DIFFERENCE
    assert [one.path for one in verdict.differences] == ["$.a"]
    assert (service.asked, monolith.asked) == (2, 1)


def test_a_read_that_raced_a_write_is_noise() -> None:
    verdict = judge(said({"stock": 5}), Arm(said({"stock": 4})), Arm(said({"stock": 4})))
    assert verdict.outcome is Outcome.NOISE


def test_what_differs_from_itself_is_noise_and_the_rest_still_counts() -> None:
    service = Arm(said({"token": "s", "tax": 2}), said({"token": "t", "tax": 2}))
    verdict = judge(said({"token": "a", "tax": 1}), service, Arm(said({"token": "b", "tax": 1})))
    assert verdict.outcome is Outcome.DIFFERENCE
    assert [one.path for one in verdict.differences] == ["$.tax"]


def test_a_list_that_changes_its_length_is_noise_in_all_of_its_items() -> None:
    service = Arm(said([{"x": 2}]))
    assert judge(said([{"x": 1}]), service, Arm(said([]))).outcome is Outcome.NOISE


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (NoAnswer("refused"), Outcome.CANDIDATE_ERROR),
        (NoAnswer("slow", late=True), Outcome.TIMEOUT),
    ],
)
def test_a_service_without_an_answer(failure: NoAnswer, outcome: Outcome) -> None:
    monolith = Arm()
    verdict = judge(said({}), Arm(failure), monolith)
    assert verdict == Verdict(outcome, 200)
    assert monolith.asked == 0
    second = judge(said({"a": 1}), Arm(said({"a": 2}), failure), Arm(said({"a": 1})))
    assert second.outcome is outcome


def test_a_service_that_fails_where_the_monolith_did_not() -> None:
    verdict = judge(said({}), Arm(said({}, 500)), Arm())
    assert (verdict.outcome, verdict.service) == (Outcome.CANDIDATE_ERROR, 500)
    assert [one.path for one in verdict.differences] == ["status"]


def test_a_monolith_that_can_t_be_asked_again_leaves_its_first_answer() -> None:
    verdict = judge(said({"a": 1}), Arm(said({"a": 2})), Arm(NoAnswer("busy")))
    assert verdict.outcome is Outcome.DIFFERENCE


def test_a_part_of_the_matches_asks_the_monolith_again() -> None:
    monolith = Arm(said({"a": 1}))
    verdict = judge(said({"a": 1}), Arm(said({"a": 1})), monolith, chance=ALWAYS)
    assert (verdict.outcome, monolith.asked) == (Outcome.MATCH, 1)


def test_a_field_with_few_values_is_found_to_be_noise() -> None:
    """Each arm draws one of two banners: often enough both differ twice, and neither is wrong."""
    chance = random.Random(0)

    def draw() -> Answer:
        return said({"banner": chance.choice("xy")})

    judge = Judge(Rules(), chance=chance.random)
    outcomes = [
        judge.judge(draw(), route="r", service=draw, monolith=draw).outcome for _ in range(2000)
    ]
    assert Outcome.DIFFERENCE in outcomes[:100]
    assert Outcome.DIFFERENCE not in outcomes[100:]


class TestNoise:
    def test_a_field_that_is_always_wrong_counts_though_it_is_sometimes_noise(self) -> None:
        noise = Noise()
        for number in range(100):
            noise.repeated("r", ["$.a"] if number % 5 == 0 else [])
            noise.compared("r", ["$.a"])
        assert not noise.means_nothing("r", "$.a")

    def test_a_field_that_was_never_seen_to_differ_from_itself_counts_at_once(self) -> None:
        noise = Noise()
        noise.repeated("r", [])
        noise.compared("r", ["$.a"])
        assert not noise.means_nothing("r", "$.a")

    def test_routes_and_neighbours_are_kept_apart(self) -> None:
        noise = Noise()
        for _ in range(50):
            noise.repeated("r", ["$.list"])
            noise.compared("r", ["$.list", "$.list[*].x"])
        assert noise.means_nothing("r", "$.list")
        assert noise.means_nothing("r", "$.list[*].x")
        assert not noise.means_nothing("r", "$.lists")
        assert not noise.means_nothing("other", "$.list")


def test_the_share_of_second_questions_is_a_small_one() -> None:
    assert 0 < REPEATED <= 0.1


def test_where_rows_flow_it_waits_until_they_have_arrived():
    service = Arm(said({"stock": 5}), said({"stock": 4}))
    waited: list[int] = []
    verdict = Judge(Rules.of(Shadow()), chance=lambda: NEVER).judge(
        said({"stock": 4}),
        route="GET /x",
        service=service,
        monolith=Arm(said({"stock": 4})),
        settle=lambda: waited.append(1),
    )
    assert verdict.outcome is Outcome.NOISE
    assert waited == [1]


def test_what_changes_while_it_waits_does_not_count():
    verdict = Judge(Rules.of(Shadow()), chance=lambda: NEVER).judge(
        said({"stock": 4, "tax": 1}),
        route="GET /x",
        service=Arm(said({"stock": 5, "tax": 2})),
        monolith=Arm(said({"stock": 4, "tax": 1}), said({"stock": 3, "tax": 1})),
        settle=lambda: None,
    )
    assert [one.path for one in verdict.differences] == ["$.tax"]
