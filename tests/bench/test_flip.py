"""Which flips count, and how late they were."""

from __future__ import annotations

import pytest

from tests.bench.flip import ENOUGH, WATCHED, WORKERS, Answer, Flip, lateness

FLIPS = [Flip(float(at), "service") for at in range(ENOUGH)]


def answers(*, workers: int = WORKERS, after: float = 0.001) -> list[Answer]:
    """After each flip, each worker begins on one request, and answers it the new way."""
    return [Answer("service", one, flip.at + after) for flip in FLIPS for one in range(workers)]


def test_it_is_the_last_request_that_was_answered_the_old_way():
    old = [Answer("monolith", 0, 3.002), Answer("monolith", 1, 3.004), Answer("monolith", 1, 2.9)]
    late = lateness([*answers(), *old], FLIPS)
    assert late.pop(3) == pytest.approx(4.0)
    assert late == [0.0] * (ENOUGH - 1)


def test_a_flip_after_which_a_worker_was_not_asked_does_not_count():
    assert len(lateness(answers(), [*FLIPS, Flip(ENOUGH + 1.0, "service")])) == ENOUGH


@pytest.mark.parametrize(
    "found", [[], answers(workers=WORKERS - 1), answers(after=WATCHED), answers(after=-0.001)]
)
def test_too_few_flips_that_count_are_no_measurement(found: list[Answer]):
    with pytest.raises(RuntimeError, match=rf"of {ENOUGH} flips, [01] were followed"):
        lateness(found, FLIPS)
