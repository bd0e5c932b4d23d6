"""The mover of the transfer bench, a process of its own: carries a whole shop, and what it took.

``python -m tests.bench.transfer_mover MONOLITH SERVICE DESK`` prints seconds and peak memory.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from pathlib import Path

from strangler.ladder import Arm
from strangler.transfer.mover import Mover
from tests.bench.transfer_shop import CAPABILITY, MAPS, Shop
from tests.strangler.transfer.desk import Desk


class _Carried(Desk):
    """A control database that tells the mover to stop once everything has arrived."""

    def __init__(self, path: Path, shop: Shop, stop: threading.Event) -> None:
        super().__init__(path)
        self._shop = shop
        self._stop = stop

    def backfilled(self) -> bool:
        """It begins with nothing, and is started once."""
        return False

    def finish_backfill(self) -> None:
        """Every row was called dirty: it ends when the journal is empty."""
        super().finish_backfill()
        threading.Thread(target=self._end, daemon=True).start()

    def _end(self) -> None:
        session = self._shop.side(Arm.MONOLITH).session()
        while session.pending() > 1:  # a canary row is always on its way
            time.sleep(0.02)
        session.close()
        self._stop.set()


def main() -> None:
    """Carry, and say what it took."""
    shop, stop = Shop(sys.argv[1], sys.argv[2]), threading.Event()
    mover = Mover(
        CAPABILITY,
        MAPS,
        monolith=shop.side(Arm.MONOLITH),
        service=shop.side(Arm.SERVICE),
        control=_Carried(Path(sys.argv[3]), shop, stop),
        installed=lambda: True,
    )
    began = time.perf_counter()
    mover.run(stop)
    took = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": took, "megabytes": peak}))


if __name__ == "__main__":
    main()
