"""What a gate says to numbers."""

from __future__ import annotations

import pytest

from strangler import gates
from strangler.gates import Counts, Difference, Outcome, Probe, RouteTally, Verdict
from strangler.manifest import Rollout, Shadow

PASSED, FAILED, INCONCLUSIVE = Outcome.PASSED, Outcome.FAILED, Outcome.INCONCLUSIVE
ROLLOUT = Rollout(min_requests=500, soak=600.0)
SHADOW = Shadow(min_comparisons=100, min_per_route=30)
TAX = Difference("POST", "/q", "$.tax", "value", (200, 200), 4, "monolith 3.8, service 3.2")


def outcomes(said: tuple[Verdict, ...]) -> set[Outcome]:
    return {verdict.outcome for verdict in said}


def healthy(service: Counts, monolith: Counts, seconds: float = 60.0) -> tuple[Verdict, ...]:
    return gates.healthy(service, monolith, rollout=ROLLOUT, seconds=seconds)


class TestReachable:
    def test_all_replicas_have_to_be_ready(self) -> None:
        up = Probe("http://a", ready=True, detail="is ready", ours="1", theirs="1")
        down = Probe("http://b", ready=False, detail="can't be reached: refused")
        (verdict,) = gates.reachable([up])
        assert (verdict.outcome, verdict.message) == (
            PASSED,
            "1 of 1 replicas are ready: all speak this contract",
        )
        (verdict,) = gates.reachable([up, down])
        assert (verdict.outcome, verdict.value, verdict.threshold) == (FAILED, 1, 2)
        assert verdict.message == "1 of 2 replicas are ready: http://b can't be reached: refused"

    def test_the_contract_has_to_be_the_same(self) -> None:
        skewed = Probe("http://a", ready=True, detail="is ready", ours="1", theirs="2")
        assert outcomes(gates.reachable([skewed])) == {FAILED}

    def test_a_service_has_to_say_its_contract(self) -> None:
        silent = Probe("http://a", ready=True, detail="is ready", ours="1")
        (verdict,) = gates.reachable([silent])
        assert (verdict.outcome, verdict.value) == (FAILED, 0)
        assert verdict.message == (
            "0 of 1 replicas are ready: http://a does not say which contract it speaks"
        )
        assert verdict.gate not in gates.UNFORCEABLE

    def test_a_contract_that_can_t_be_used_here_is_spoken_by_nobody(self) -> None:
        alone = Probe("http://a", ready=True, detail="is ready", theirs="1")
        (verdict,) = gates.reachable([alone])
        assert verdict.outcome is FAILED
        assert verdict.message.endswith("speaks contract 1, we speak none")

    def test_no_replica_at_all(self) -> None:
        assert outcomes(gates.reachable([])) == {FAILED}


class TestCompared:
    def compared(
        self, *routes: RouteTally, differences: tuple[Difference, ...] = ()
    ) -> tuple[Verdict, ...]:
        return gates.compared(routes, differences, shadow=SHADOW, seconds=50.0)

    def test_enough_and_alike(self) -> None:
        assert outcomes(self.compared(RouteTally("GET", "/q", 100))) == {PASSED}

    def test_too_few_says_how_long_it_takes_at_this_rate(self) -> None:
        said = self.compared(RouteTally("GET", "/q", 40))
        assert outcomes(said) == {PASSED, INCONCLUSIVE}
        assert said[-1].message == "40 of 100 comparisons: about 75 s more at today's rate"

    def test_no_traffic_is_inconclusive(self) -> None:
        said = self.compared()
        assert INCONCLUSIVE in outcomes(said)
        assert FAILED not in outcomes(said)
        assert said[-1].message == "0 of 100 comparisons: no traffic yet"

    def test_every_route_needs_its_own(self) -> None:
        said = self.compared(RouteTally("GET", "/q", 100), RouteTally("POST", "/q", 29))
        assert outcomes(said) == {PASSED, INCONCLUSIVE}
        assert said[-1].message.startswith("29 of 30 comparisons of POST /q: about 2 s more")

    def test_one_unexplained_difference_shuts_the_gate(self) -> None:
        said = self.compared(RouteTally("GET", "/q", 3000), differences=(TAX,))
        assert said[0].outcome is FAILED
        assert said[0].message == (
            "POST /q: $.tax differs (value, status 200 and 200) in 4 of 3000 comparisons "
            "(at most 0): monolith 3.8, service 3.2"
        )

    def test_of_many_differences_the_worst_are_shown(self) -> None:
        many = tuple(
            Difference("GET", "/q", f"$.f{number}", "value", (200, 200), number, "…")
            for number in range(1, 9)
        )
        said = self.compared(RouteTally("GET", "/q", 100), differences=many)
        failed = [verdict for verdict in said if verdict.outcome is FAILED]
        assert failed[0].message.startswith("GET /q: $.f8 differs")
        assert failed[-1].message.startswith("3 more unexplained differences")
        assert sum(verdict.value for verdict in failed) == sum(one.count for one in many)

    @pytest.mark.parametrize(("unanswered", "shut"), [(4, False), (5, True)])
    def test_a_service_that_leaves_questions_unanswered(
        self, unanswered: int, *, shut: bool
    ) -> None:
        said = self.compared(RouteTally("GET", "/q", 100, unanswered=unanswered))
        assert (FAILED in outcomes(said)) is shut


class TestHealthy:
    def test_alike(self) -> None:
        said = healthy(Counts(1000, 5), Counts(9000, 45))
        assert outcomes(said) == {PASSED}
        assert said[0].control == pytest.approx(0.005)

    def test_too_little_traffic_is_inconclusive_and_says_how_long(self) -> None:
        said = healthy(Counts(100), Counts(900))
        assert outcomes(said) == {PASSED, INCONCLUSIVE}
        assert (
            said[1].message
            == "of the service: 100 of 500 requests: about 4 min more at today's rate"
        )

    def test_no_traffic_at_all(self) -> None:
        (said,) = healthy(Counts(), Counts())
        assert (said.outcome, said.message) == (
            INCONCLUSIVE,
            "of the service: 0 of 500 requests: no traffic yet",
        )

    def test_enough_says_how_many_are_wanted(self) -> None:
        said = healthy(Counts(547), Counts(900))
        assert said[-1].message == "of the service: 547 requests (at least 500)"

    def test_worse_than_the_monolith_fails(self) -> None:
        said = healthy(Counts(1000, 30), Counts(9000, 45))
        assert said[0].outcome is FAILED
        assert said[0].message == (
            "the service failed 30 of 1000 requests, 3 %, against the monolith's 0.5 % of 9000 "
            "(at most 1.5 times that)"
        )

    def test_it_fails_before_there_is_enough_traffic_to_pass(self) -> None:
        assert healthy(Counts(20, 10), Counts(180, 1))[0].outcome is FAILED

    def test_as_bad_as_the_monolith_is_no_failure(self) -> None:
        assert healthy(Counts(1000, 300), Counts(9000, 2700))[0].outcome is PASSED

    @pytest.mark.parametrize("failures", [1, 4])
    def test_few_failures_never_fail_it(self, failures: int) -> None:
        assert healthy(Counts(500, failures), Counts(100_000))[0].outcome is PASSED

    def test_what_chance_explains_does_not_fail_it(self) -> None:
        said = healthy(Counts(500, 5), Counts(500, 2))
        assert said[0].outcome is PASSED
        assert said[0].message.endswith(": that few may be chance")

    def test_at_all_of_the_traffic_there_is_no_control(self) -> None:
        assert healthy(Counts(10_000, 9), Counts())[0].outcome is PASSED
        bad = healthy(Counts(10_000, 11), Counts())[0]
        assert (bad.outcome, bad.control) == (FAILED, None)

    def test_chance_is_a_probability_at_every_size(self) -> None:
        assert gates.chance(Counts(100, 0), Counts(900, 9)) == pytest.approx(1.0)
        small = gates.chance(Counts(100, 20), Counts(900, 180))
        large = gates.chance(Counts(100_000, 20_000), Counts(900_000, 180_000))
        assert 0.4 < small < 0.6
        assert 0.4 < large < 0.6
        assert gates.chance(Counts(100_000, 2400), Counts(900_000, 18_000)) < 1e-9


class TestSoaked:
    def test_long_enough_and_well(self) -> None:
        said = gates.soaked(Counts(10_000, 2), rollout=ROLLOUT, seconds=601.0)
        assert outcomes(said) == {PASSED}

    def test_too_short(self) -> None:
        said = gates.soaked(Counts(10_000), rollout=ROLLOUT, seconds=60.0)
        assert outcomes(said) == {PASSED, INCONCLUSIVE}
        assert said[1].message == "live for 60 s of 10 min: 9 min to go"

    def test_failures_fail_it_however_long_it_takes(self) -> None:
        said = gates.soaked(Counts(1000, 5), rollout=ROLLOUT, seconds=86_400.0)
        assert said[0].outcome is FAILED


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172_800, "2 d")],
)
def test_durations(seconds: float, said: str) -> None:
    assert gates.duration(seconds) == said
