from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from strangler.ports.bounded import Bounded


def test_what_was_put_there_first_goes_first():
    kept: Bounded[int, str] = Bounded(3)
    for number in range(10):
        kept.put(number, str(number), until=100.0)
    assert [kept.get(number, 0.0) for number in range(10)] == [None] * 7 + ["7", "8", "9"]


def test_what_is_put_there_again_is_the_youngest():
    kept: Bounded[int, str] = Bounded(2)
    for number in (1, 2, 1, 3):
        kept.put(number, str(number), until=100.0)
    assert (kept.get(1, 0.0), kept.get(2, 0.0)) == ("1", None)


def test_a_value_expires():
    kept: Bounded[int, str] = Bounded(2)
    kept.put(1, "1", until=100.0)
    assert (kept.get(1, 99.9), kept.get(1, 100.0)) == ("1", None)


def test_threads_may_read_while_others_write():
    kept: Bounded[int, int] = Bounded(8)

    def work(start: int) -> bool:
        for number in range(start, start + 2000):
            kept.put(number, number, until=1.0)
            if kept.get(number, 0.0) not in {number, None}:
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(0, 4000, 1000)))
    assert len(kept._entries) == 8
