"""A service's name is another machine's while NGINX runs."""

from __future__ import annotations

import time
from pathlib import Path

from strangler.ladder import COHORTS
from tests.strangler.django.faults import faults
from tests.strangler.routing.edge.front import MANIFEST, service, system
from tests.strangler.routing.edge.names import names

NAMED = MANIFEST.replace("service  = {services}", 'service  = ["http://sky.test:{port}"]')


def test_a_name_is_looked_for_again(tmp_path: Path, nginx: str) -> None:
    with (
        names(sky="127.0.0.1") as known,
        system(
            tmp_path, text=NAMED, program=nginx, resolver=f"127.0.0.1:{known.port}"
        ) as edge,
        faults(edge.service.port, "127.0.0.2") as moved,
    ):  # fmt: skip
        moved.behave = service
        edge.stand(COHORTS)
        until = time.monotonic() + 30
        for here, hits in ((edge.service, "127.0.0.1"), (moved, "127.0.0.2")):
            known.known["sky.test"] = hits
            for method in ("GET", "POST"):
                here.seen.clear()
                while not here.seen:
                    assert time.monotonic() < until, (hits, method, known.asked)
                    edge.ask(method, "/weather/rome", {"Cookie": "strangler_cohort=7"})
                    time.sleep(0.02)
        edge.service.seen.clear()
        for method in ("GET", "PUT"):
            answer = edge.ask(method, "/weather/rome", {"Cookie": "strangler_cohort=7"})
            assert (answer.status, answer.arm) == (200, "service")
        assert edge.service.seen == []
