from __future__ import annotations

from collections import Counter
from http.client import HTTPConnection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.ladder import COHORTS
from strangler.routing.cohorts import draw, hashed, members, murmur2, shuffle
from tests.servers import running
from tests.strangler.routing.nginx import Nginx

# The digests are those of NGINX's own C function, compiled and run.
VECTORS = [
    ("", 0x00000000, 0),
    ("a", 0x92685F5E, 571),
    ("ab", 0x1AA14063, 104),
    ("abc", 0x13577C9B, 75),
    ("abcd", 0x26873021, 150),
    ("abcde", 0x5F09A8DE, 371),
    ("127.0.0.1", 0xB6131D91, 711),
    ("tenant-42", 0xF1330216, 942),
    ("café", 0x5CE29D2B, 362),
    ("東京", 0x0BB2FF0F, 45),
]

KEYS = [
    *(key for key, _, _ in VECTORS),
    *(f"10.{number % 7}.{number}.{number * 31 % 256}" for number in range(200)),
    *(f"tenant-{number}" for number in range(200)),
    *("x" * size for size in range(1, 40)),
    *("é" * size for size in (1, 2, 3, 100)),
    "long " * 160 + "end",
    "y" * 800,
    "with spaces and \"quotes\" and 'more'; $dollar {brace}",
    "\N{GRINNING FACE} \N{SNOWMAN} \N{LATIN SMALL LETTER SHARP S}",
]


@pytest.mark.parametrize(("key", "digest", "cohort"), VECTORS)
def test_known_digests_and_cohorts(key: str, digest: int, cohort: int):
    assert murmur2(key.encode()) == digest
    assert hashed(key) == cohort


def test_a_real_nginx_gives_every_client_the_same_cohort():
    buckets = " ".join(f"0.1% {cohort};" for cohort in range(COHORTS - 1))
    nginx = Nginx(
        http=f"split_clients $http_x_key $cohort {{ {buckets} * {COHORTS - 1}; }}",
        server='location / { return 200 "$cohort"; }',
    )
    with running(nginx):
        connection = HTTPConnection("127.0.0.1", nginx.port, timeout=5)
        for key in KEYS:
            connection.request("GET", "/", headers={"X-Key": key.encode()})
            assert int(connection.getresponse().read()) == hashed(key), key
        connection.close()


def test_bytes_that_are_no_text_are_hashed_as_bytes():
    assert hashed(b"caf\xe9".decode("utf-8", "surrogateescape")) == hashed_bytes(b"caf\xe9")


def hashed_bytes(data: bytes) -> int:
    """The definition of ``split_clients``, bucket by bucket."""
    digest = murmur2(data)
    for cohort in range(COHORTS - 1):
        if digest < 10 * (cohort + 1) * 0xFFFFFFFF // 10_000:
            return cohort
    return COHORTS - 1


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40))
def test_thresholds_are_those_of_split_clients(key: str):
    assert hashed(key) == hashed_bytes(key.encode())


def test_the_hash_fills_all_cohorts_about_evenly():
    counts = Counter(hashed(f"client-{number}") for number in range(50_000))
    assert set(counts) == set(range(COHORTS))
    assert max(counts.values()) < 100


def test_a_drawn_cohort_is_one_and_not_always_the_same():
    drawn = {draw() for _ in range(200)}
    assert drawn <= set(range(COHORTS))
    assert len(drawn) > 50


def test_a_shuffle_has_everybody_once_and_never_changes():
    assert sorted(shuffle("catalog")) == list(range(COHORTS))
    # Written down: another order in a later version would move clients between the arms.
    assert shuffle("catalog")[:10] == (730, 988, 854, 471, 554, 427, 1, 321, 175, 789)


def test_it_is_not_always_the_same_clients_who_try_what_is_new():
    first = {salt: members(salt, 100) for salt in ("catalog", "pricing", "inventory")}
    for one, other in [("catalog", "pricing"), ("pricing", "inventory"), ("catalog", "inventory")]:
        assert len(first[one] & first[other]) < 30  # 10 by chance


@given(st.text(max_size=10), st.integers(0, COHORTS), st.integers(0, COHORTS))
def test_whoever_is_in_stays_in_when_the_share_grows(salt: str, one: int, other: int):
    small, large = sorted([one, other])
    assert members(salt, small) <= members(salt, large)
    assert len(members(salt, large)) == large


@pytest.mark.parametrize("count", [-1, COHORTS + 1])
def test_a_share_beyond_all_cohorts_is_refused(count: int):
    with pytest.raises(ValueError, match=f"not {count}"):
        members("catalog", count)
