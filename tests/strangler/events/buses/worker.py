"""A process of a consumer: handles what it is told by writing it down, until it is told to stop."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from strangler.events.buses import BusAway
from strangler.events.buses.connect import connect
from tests.strangler.events.buses.brokers import Broker

ROOT = Path(__file__).parents[4]


@contextmanager
def worker(
    broker: Broker, consumer: str, topic: str, log: Path, *, limit: int = 50, pause: float = 0.0
) -> Iterator[subprocess.Popen[bytes]]:
    """One such process."""
    given = [broker.url, broker.database or "", consumer, topic, str(log), str(limit), str(pause)]
    process = subprocess.Popen([sys.executable, "-m", __name__, *given], cwd=ROOT)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        finally:
            process.kill()


def megabytes() -> float:
    """The most memory that this process has ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    url, database, consumer, topic, log, limit, pause = sys.argv[1:]
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopped.append(number))
    bus = connect(url, database=database or None)
    subscription = bus.subscribe(consumer, [topic])
    with open(log, "ab", buffering=0) as file:  # noqa: PTH123 - a raw file, appended to at once
        while not stopped:
            try:
                deliveries = subscription.receive(int(limit), 0.2)
                lines = (f"{os.getpid()} {d.event.subject} {d.event.version}\n" for d in deliveries)
                file.write("".join(lines).encode())
                time.sleep(float(pause))
                subscription.acknowledge(deliveries)
            except BusAway:
                time.sleep(0.05)
    subscription.close()
    bus.close()


if __name__ == "__main__":
    main()
