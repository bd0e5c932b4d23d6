"""A latency histogram in fixed buckets, each 19 % wider than the one before."""

from __future__ import annotations

from collections.abc import Mapping
from math import log2

BUCKETS = 88
_PER_DOUBLING = 4
_SMALLEST = 16e-6


def bucket(seconds: float) -> int:
    """The number of the bucket that this latency falls in: 0 is up to 16 µs, 87 from 47 s."""
    if seconds <= _SMALLEST:
        return 0
    return min(int(log2(seconds / _SMALLEST) * _PER_DOUBLING) + 1, BUCKETS - 1)


def upper(number: int) -> float:
    """The longest latency of a bucket, in seconds."""
    return float(_SMALLEST * 2 ** (number / _PER_DOUBLING))


def quantile(histogram: Mapping[int, int], share: float) -> float | None:
    """The latency in seconds that ``share`` of the calls stay below; None without calls.

    Within a bucket calls are taken to lie evenly.
    """
    total = sum(histogram.values())
    if not total:
        return None
    rank = share * total
    below = 0
    for number in sorted(histogram):
        count = histogram[number]
        if count and below + count >= rank:
            lower = upper(number - 1) if number else 0.0
            return lower + (upper(number) - lower) * (rank - below) / count
        below += count
    return upper(max(histogram))
