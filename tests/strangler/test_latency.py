"""The histogram of latencies."""

from __future__ import annotations

import pytest

from strangler import latency


@pytest.mark.parametrize(
    "seconds", [0.0, 1e-6, 16e-6, 17e-6, 0.001, 0.0123, 0.5, 3.0, 47.0, 86_400.0]
)
def test_a_latency_lies_in_its_bucket(seconds: float) -> None:
    number = latency.bucket(seconds)
    assert 0 <= number < latency.BUCKETS
    if number < latency.BUCKETS - 1:
        assert seconds <= latency.upper(number) * 1.0001
    if number:
        assert seconds >= latency.upper(number - 1) * 0.9999


def test_quantiles() -> None:
    assert latency.quantile({}, 0.5) is None
    histogram: dict[int, int] = {}
    for milliseconds in range(1, 1001):
        number = latency.bucket(milliseconds / 1000)
        histogram[number] = histogram.get(number, 0) + 1
    for share in (0.5, 0.95, 0.99):
        assert latency.quantile(histogram, share) == pytest.approx(share, rel=0.1)
