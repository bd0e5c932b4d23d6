"""One writer of the freeze bench: commands through the doors, wherever the rows are owned.

``python -m tests.bench.transfer_writer MONOLITH SERVICE RATE SEED`` writes until its input ends,
then prints what each write took, from when it was due to when it was acknowledged.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time

import psycopg

from strangler.ladder import Arm
from strangler.transfer.connect import door
from tests.bench.transfer_shop import CAPABILITY

ITEMS = 10_000
DEADLINE = 10.0
_WRITES = {
    Arm.MONOLITH: "UPDATE shop_item SET price = %s, updated_at = now() WHERE id = %s",
    Arm.SERVICE: "UPDATE item SET price = %s, changed_at = now() WHERE id = %s",
}


class Writer:
    """Knows both sides, and goes to the owner as a carried command would."""

    def __init__(self, urls: dict[Arm, str]) -> None:
        self._doors = {arm: door(url, capability=CAPABILITY, arm=arm) for arm, url in urls.items()}
        self._links = {arm: psycopg.connect(url, autocommit=True) for arm, url in urls.items()}
        self._arm = Arm.MONOLITH

    def write(self, chance: random.Random) -> None:
        """One command; the door says whether it is at the right side."""
        until = time.monotonic() + DEADLINE
        while True:
            with self._doors[self._arm].entered(deadline=until) as owner:
                if owner is None or owner.owner is self._arm:
                    values = [chance.randrange(1_000_000) / 100, chance.randrange(1, ITEMS + 1)]
                    self._links[self._arm].execute(_WRITES[self._arm], values)
                    return
                self._arm = owner.owner


def _until_told(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


def main() -> None:
    """Write at a rate."""
    urls = {Arm.MONOLITH: sys.argv[1], Arm.SERVICE: sys.argv[2]}
    rate, chance, stop = float(sys.argv[3]), random.Random(int(sys.argv[4])), threading.Event()
    threading.Thread(target=_until_told, args=[stop], daemon=True).start()
    writer, took = Writer(urls), []
    print("ready", flush=True)
    due = time.monotonic()
    while not stop.is_set():
        due += chance.expovariate(rate)
        if (pause := due - time.monotonic()) > 0:
            time.sleep(pause)
        writer.write(chance)
        took.append(time.monotonic() - due)
    print(json.dumps(took))


if __name__ == "__main__":
    main()
