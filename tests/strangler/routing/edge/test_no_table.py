"""The table's folder goes away and comes back while clients ask."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from pathlib import Path

import pytest

from tests.strangler.routing.edge.front import Client, System, system

TIMES = 30
CLIENTS = 4


def ask_on(edge: System, ending: threading.Event, seen: Counter[tuple[object, ...]]) -> None:
    """One client, which never pauses."""
    client = Client(edge.front.port)
    while not ending.is_set():
        for method in ("GET", "POST"):
            answer = client.ask(method, "/weather/rome", {"Cookie": "strangler_cohort=7"})
            seen[method, answer.status, answer.whole, answer.arm, answer.reason] += 1
    client.close()


@pytest.mark.journey
def test_a_table_that_is_removed_fails_nobody(tmp_path: Path) -> None:
    """Without one the monolith answers, which carries commands to their owner."""
    seen: list[Counter[tuple[object, ...]]] = [Counter() for _ in range(CLIENTS)]
    ending = threading.Event()
    with system(tmp_path) as edge:
        edge.stand(1000)
        threads = [threading.Thread(target=ask_on, args=(edge, ending, one)) for one in seen]
        for thread in threads:
            thread.start()
        try:
            for _ in range(TIMES):
                shutil.rmtree(edge.table)
                gone = edge.ask("GET", "/weather/rome", {"Cookie": "strangler_cohort=7"})
                assert (gone.status, gone.arm) == (200, "monolith")
                assert edge.ask("GET", "/_strangler/readyz").status == 503
                edge.stand(1000)
                back = edge.ask("GET", "/weather/rome", {"Cookie": "strangler_cohort=7"})
                assert (back.status, back.arm) == (200, "service")
                assert edge.ask("GET", "/_strangler/readyz").status == 200
        finally:
            ending.set()
            for thread in threads:
                thread.join()
    together = sum(seen, Counter[tuple[object, ...]]())
    assert {key[1:3] for key in together} == {(200, True)}
    assert {key[3:] for key in together} <= {
        ("service", "inside"), ("monolith", "owner"), ("monolith", "outside"),
    }  # fmt: skip
    for method in ("GET", "POST"):
        assert {key[3] for key in together if key[0] == method} == {"service", "monolith"}
