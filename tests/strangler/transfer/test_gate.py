"""What a gate says to how rows flow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strangler import gates
from strangler.gates import Difference, Outcome, Verdict
from strangler.ladder import Gate
from strangler.transfer.gate import (
    BEATS,
    FRESH,
    LAG,
    RACED,
    SHOWN,
    Flowing,
    Rehearsals,
    Verified,
    in_step,
    rehearsed,
    replicated,
    through_door,
    transferable,
)

PASSED, FAILED, INCONCLUSIVE = Outcome.PASSED, Outcome.FAILED, Outcome.INCONCLUSIVE
WELL = Flowing(age=0.5, lag=0.1, beats=20, backfilled=True)
SAME = Verified(rows=1000)


def outcomes(said: tuple[Verdict, ...]) -> list[Outcome]:
    return [verdict.outcome for verdict in said]


def messages(said: tuple[Verdict, ...]) -> str:
    return "\n".join(verdict.message for verdict in said)


def test_rows_that_can_t_be_carried_can_t_be_forced() -> None:
    said = transferable(["a: it has no primary key", "b: no map"])
    assert outcomes(said) == [FAILED, FAILED]
    assert "a: it has no primary key" in messages(said)
    assert outcomes(transferable([])) == [PASSED]
    assert {Gate.TRANSFERABLE, Gate.REPLICATED, Gate.IN_STEP} == gates.UNFORCEABLE


def test_everything_is_there_and_the_same() -> None:
    for gate in (replicated, in_step):
        said = gate(WELL, SAME)
        assert set(outcomes(said)) == {PASSED}
        assert "1000 rows are the same" in messages(said)
    assert {one.gate for one in replicated(WELL, SAME)} == {Gate.REPLICATED}
    assert {one.gate for one in in_step(WELL, SAME)} == {Gate.IN_STEP}


def test_a_backfill_that_is_under_way_keeps_only_the_first_gate_shut() -> None:
    filling = replace(WELL, backfilled=False, enqueued=10, total=40)
    said = replicated(filling, SAME)
    assert outcomes(said)[0] is INCONCLUSIVE
    assert "10 of about 40 rows" in messages(said)
    assert (said[0].value, said[0].threshold) == (10, 40)
    assert set(outcomes(in_step(filling, SAME))) == {PASSED}


@pytest.mark.parametrize(
    ("age", "outcome"), [(None, FAILED), (FRESH + 0.1, FAILED), (FRESH, PASSED)]
)
def test_a_mover_has_to_have_been_heard_lately(age: float | None, outcome: Outcome) -> None:
    said = in_step(replace(WELL, age=age), SAME)
    assert outcomes(said)[0] is outcome
    assert ("start 'strangler mover'" in messages(said)) is (outcome is FAILED)


def test_old_reports_are_not_believed_in_anything() -> None:
    said = in_step(replace(WELL, age=60.0, parked=3), SAME)
    assert "parked" not in messages(said)
    assert "last heard of: 60 s ago" in messages(said)


@pytest.mark.parametrize(
    ("lag", "beats", "outcome"),
    [
        (None, 0, INCONCLUSIVE),
        (0.1, BEATS - 1, INCONCLUSIVE),
        (0.1, BEATS, PASSED),
        (LAG, BEATS, INCONCLUSIVE),
        (LAG - 0.01, BEATS, PASSED),
    ],
)
def test_the_lag(lag: float | None, beats: int, outcome: Outcome) -> None:
    said = in_step(replace(WELL, lag=lag, beats=beats), SAME)
    assert outcomes(said)[0] is outcome


def test_parked_rows_and_lost_triggers_fail_it() -> None:
    said = in_step(replace(WELL, parked=2, missing=("product: its capture trigger",)), SAME)
    assert outcomes(said)[:2] == [FAILED, FAILED]
    assert "product: its capture trigger" in messages(said)
    assert "2 rows can't be applied: strangler transfer status says which" in messages(said)


def test_what_was_not_verified_is_not_known_and_what_differs_fails() -> None:
    assert outcomes(in_step(WELL, Verified()))[-1] is INCONCLUSIVE
    said = in_step(WELL, Verified(rows=1000, findings=2, first="missing product A-1"))
    assert outcomes(said)[-1] is FAILED
    assert "2 rows differ, the first: missing product A-1" in messages(said)


def test_nobody_wrote_past_the_door() -> None:
    (verdict,) = through_door({}, seconds=600)
    assert (verdict.outcome, verdict.gate) == (PASSED, Gate.THROUGH_DOOR)
    assert "for 600 s" in verdict.message


def test_who_wrote_past_the_door_is_named_the_busiest_first() -> None:
    names = {f"job {number}": number for number in range(1, SHOWN + 3)} | {"": 1000}
    (verdict,) = through_door(names, seconds=600)
    assert verdict.outcome is FAILED
    assert verdict.message.startswith("somebody unnamed (1000 keys), job 7 (7 keys)")
    assert ", and 3 more wrote past the door" in verdict.message
    assert (verdict.value, verdict.samples) == (SHOWN + 3, sum(names.values()))
    assert Gate.THROUGH_DOOR not in gates.UNFORCEABLE


PRICE = Rehearsals(method="PUT", route="/p/", agreed=20, raced=2, unrehearsed=1, total=23)
TITLE = Difference(
    "PUT", "/p/", "$.product.title", "column", (200, 200), 4, "monolith 1, service 2"
)


def test_enough_rehearsals_that_agree() -> None:
    other = Rehearsals(method="POST", route="/p/", agreed=10, total=10)
    (verdict,) = rehearsed([PRICE, other], [], wanted=30, seconds=60)
    assert (verdict.outcome, verdict.gate) == (PASSED, Gate.REHEARSED)
    assert (verdict.value, verdict.threshold, verdict.samples) == (30, 30, 33)
    assert verdict.message == (
        "30 rehearsals agree with their commands (at least 30) (2 raced; 1 could not be rehearsed)"
    )


def test_too_few_rehearsals_say_how_long_it_takes() -> None:
    (verdict,) = rehearsed([PRICE], [], wanted=30, seconds=60)
    assert verdict.outcome is INCONCLUSIVE
    assert verdict.message.endswith("about 30 s more at today's rate")


def test_no_command_at_all_is_inconclusive_and_says_so() -> None:
    (verdict,) = rehearsed([], [], wanted=30, seconds=60)
    assert (verdict.outcome, verdict.samples) == (INCONCLUSIVE, 0)
    assert verdict.message == "0 of 30 rehearsals: no command was seen yet"


def test_where_only_events_command_none_is_waited_for_and_a_difference_still_counts() -> None:
    (verdict,) = rehearsed([], [], wanted=0, seconds=60)
    assert (verdict.outcome, verdict.threshold) == (PASSED, 0)
    assert "only events command it" in verdict.message
    refused = Rehearsals(method="POST", route="/p/", unrehearsed=3, total=3)
    assert outcomes(rehearsed([refused], [], wanted=0, seconds=60)) == [PASSED]
    assert outcomes(rehearsed([PRICE], [TITLE], wanted=0, seconds=60)) == [FAILED, PASSED]


def test_commands_that_never_agree_are_inconclusive() -> None:
    none = Rehearsals(method="PUT", route="/p/", unrehearsed=40, total=40)
    (verdict,) = rehearsed([none], [], wanted=30, seconds=60)
    assert verdict.outcome is INCONCLUSIVE
    assert "0 of 30 rehearsals agree" in verdict.message
    assert "40 could not be rehearsed" in verdict.message


def test_a_route_of_which_nobody_can_say() -> None:
    raced = Rehearsals(method="POST", route="/r/", raced=RACED, total=RACED)
    said = rehearsed([replace(PRICE, agreed=30), raced], [], wanted=30, seconds=60)
    assert outcomes(said) == [PASSED, INCONCLUSIVE]
    assert "POST /r/: somebody else has always written meanwhile, 10 times" in messages(said)
    fewer = replace(raced, raced=RACED - 1)
    assert outcomes(rehearsed([replace(PRICE, agreed=30), fewer], [], wanted=30, seconds=60)) == [
        PASSED
    ]


def test_what_differs_fails_it_the_most_frequent_first() -> None:
    many = [replace(TITLE, path=f"$.product.c{n}", count=n) for n in range(1, SHOWN + 3)]
    said = rehearsed([replace(PRICE, agreed=30)], many, wanted=30, seconds=60)
    assert outcomes(said) == [FAILED] * (SHOWN + 1) + [PASSED]
    assert said[0].message == (
        "PUT /p/: $.product.c7 differs (column, status 200 and 200) in 7 rehearsals (at most 0): "
        "monolith 1, service 2"
    )
    assert said[SHOWN].message.startswith("2 more unexplained differences")
    assert Gate.REHEARSED in gates.GATHERED
    assert Gate.REHEARSED not in gates.UNFORCEABLE
