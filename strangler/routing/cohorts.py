"""Cohorts: a number from 0 to 999 that a client keeps, and who of the thousand sees what is new.

``hashed`` agrees with NGINX's ``split_clients`` of 999 buckets of 0.1 % and a last one of ``*``.
"""

from __future__ import annotations

import hashlib
import secrets
import struct
from bisect import bisect_right
from functools import lru_cache

from strangler.ladder import COHORTS

_MASK = 0xFFFFFFFF
_MULTIPLIER = 0x5BD1E995

# NGINX counts in hundredths of a percent and rounds each running sum down.
_THRESHOLDS = tuple(10 * bucket * _MASK // 10_000 for bucket in range(1, COHORTS))


def murmur2(data: bytes, seed: int = 0) -> int:
    """MurmurHash2 with 32 bits, read as little-endian, as NGINX has it."""
    size = len(data)
    words = size >> 2
    digest = (seed ^ size) & _MASK
    for word in struct.unpack_from(f"<{words}I", data):
        mixed = word * _MULTIPLIER & _MASK
        mixed = (mixed ^ mixed >> 24) * _MULTIPLIER & _MASK
        digest = digest * _MULTIPLIER & _MASK ^ mixed
    if tail := data[words << 2 :]:
        digest = (digest ^ int.from_bytes(tail, "little")) * _MULTIPLIER & _MASK
    digest = (digest ^ digest >> 13) * _MULTIPLIER & _MASK
    return digest ^ digest >> 15


def hashed(key: str) -> int:
    """The cohort of a client who is known by a header's value or an address.

    Costs some microseconds, more for a long key: derive it once per request.
    """
    # Bytes that are no UTF-8 reach Python as surrogates; NGINX hashes the bytes.
    return bisect_right(_THRESHOLDS, murmur2(key.encode("utf-8", "surrogateescape")))


def draw() -> int:
    """A random cohort, for a client on its first visit and for a job."""
    return secrets.randbelow(COHORTS)


@lru_cache(maxsize=1024)
def shuffle(salt: str) -> tuple[int, ...]:
    """All cohorts in this capability's (or group's) own order, the same on every machine."""

    def place(cohort: int) -> bytes:
        return hashlib.sha256(f"{salt}:{cohort}".encode()).digest()

    return tuple(sorted(range(COHORTS), key=place))


def members(salt: str, count: int) -> frozenset[int]:
    """The first ``count`` cohorts of the shuffle: whoever is in stays in when ``count`` grows.

    Raises:
        ValueError: ``count`` is not from 0 to 1000.
    """
    if not 0 <= count <= COHORTS:
        raise ValueError(f"a share is 0 to {COHORTS} cohorts, not {count}")
    return frozenset(shuffle(salt)[:count])
