from __future__ import annotations

import os
import threading

import pytest

from strangler.ports.calling.bulkhead import Bulkhead
from strangler.ports.errors import BulkheadFull


def test_who_finds_no_place_is_told_at_once():
    bulkhead = Bulkhead("catalog (service)", 2)
    full = pytest.raises(BulkheadFull, match=r"catalog \(service\): 2 calls")
    with bulkhead, bulkhead, full, bulkhead:
        pytest.fail("there was a third place")
    with bulkhead, bulkhead:
        pass


def test_a_place_is_given_back_after_an_error():
    bulkhead = Bulkhead("catalog", 1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), bulkhead:
            raise ZeroDivisionError


def test_threads_never_hold_more_places_than_there_are():
    bulkhead = Bulkhead("catalog", 3)
    inside: list[int] = []
    most: list[int] = []
    full: list[int] = []

    def work() -> None:
        for _ in range(500):
            try:
                with bulkhead:
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()
            except BulkheadFull:
                full.append(1)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) <= 3
    assert len(most) + len(full) == 3000
    assert len(bulkhead._free) == 3


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_process_has_all_places():
    bulkhead = Bulkhead("catalog", 1)
    with bulkhead:
        child = os.fork()
        if child == 0:
            with bulkhead:
                os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
