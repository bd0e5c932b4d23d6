"""A shadow that compared nothing has no cost that could be told."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.bench.middleware import told

NOBODY: Counter[str] = Counter()


def test_it_says_what_was_compared_and_what_was_not():
    sampled = Counter(match=1000, noise=20, dropped=3, timeout=2)
    assert told(sampled, unsampled=NOBODY) == "compared 1,020, dropped 3, timeout 2"
    assert told(Counter(ignored=1), unsampled=NOBODY) == "compared 1, dropped 0"


@pytest.mark.parametrize("sampled", [NOBODY, Counter(dropped=900, candidate_error=5, timeout=5)])
def test_no_comparison_is_no_measurement(sampled: Counter[str]):
    with pytest.raises(RuntimeError, match="compared no answers"):
        told(sampled, unsampled=NOBODY)


def test_the_peer_must_not_compare():
    with pytest.raises(RuntimeError, match="compared all the same"):
        told(Counter(match=9), unsampled=Counter(match=1))
