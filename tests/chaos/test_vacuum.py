"""A real autovacuum is at work on a table when its rows are to change owner."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import pytest

from strangler.ladder import Arm
from tests.chaos.side import Side
from tests.chaos.test_trouble import held, same, until
from tests.chaos.world import World

BUDGET = 5.0
SLOW = """
ALTER TABLE shop_entry SET (
    autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_cost_delay = 20, autovacuum_vacuum_cost_limit = 60,
    autovacuum_vacuum_insert_threshold = -1, autovacuum_enabled = false)
"""
AT_WORK = """
SELECT p.pid FROM pg_stat_progress_vacuum p JOIN pg_stat_activity a USING (pid)
 WHERE p.relid = 'shop_entry'::regclass AND a.backend_type = 'autovacuum worker'
"""


class Application(threading.Thread):
    """Writes by the door, and knows how long each write took; until the other side owns."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self.took: list[float] = []

    def run(self) -> None:
        door = self._world.door(Arm.MONOLITH)
        with closing(self._world.side(Arm.MONOLITH)) as side:
            while True:
                began = time.monotonic()
                with door.entered(deadline=began + 2 * BUDGET) as owner:
                    if owner is None or owner.owner is not Arm.MONOLITH:
                        break
                    side.add_entry("application", len(self.took), "x")
                self.took.append(time.monotonic() - began)
                time.sleep(0.005)
            self.took.append(time.monotonic() - began)
        door.close()


@pytest.mark.postgres
@pytest.mark.parametrize("kind", ["postgres"])
@pytest.mark.parametrize("world", [{}], indirect=True, ids=[""])
def test_an_autovacuum_is_let_end_and_no_writer_waits_for_it(world: World):
    with closing(world.side(Arm.MONOLITH)) as monolith, held(world) as ours:
        monolith.run(SLOW)
        monolith.run(
            "INSERT INTO shop_entry (writer, seq, said) SELECT 'v', n, repeat('x', 500)"
            " FROM generate_series(1, 6000) n"
        )
        monolith.run("UPDATE shop_entry SET said = 'y' WHERE seq > 4000")
        ours.drain()
        monolith.run("ALTER TABLE shop_entry RESET (autovacuum_enabled)")
        until(lambda: monolith.run(AT_WORK), 60)
        ((vacuum,),) = monolith.run(AT_WORK)
        application = Application(world)
        application.start()
        began = time.monotonic()
        ours.switch(patience=30)
        waited = time.monotonic() - began
        application.join()
        assert (vacuum,) not in monolith.run(AT_WORK)
        assert _ended(monolith) == 1, "it was cancelled, or another one has come"
    assert waited > 0.3, "it had come to its end before anybody waited"
    assert max(application.took) < BUDGET
    assert len(application.took) > 10
    same(world)


def _ended(monolith: Side) -> int:
    """How many autovacuums have come to their end, once that is known."""
    count = "SELECT autovacuum_count FROM pg_stat_all_tables WHERE relname = 'shop_entry'"
    until(lambda: monolith.run(count)[0][0])
    return int(monolith.run(count)[0][0])
