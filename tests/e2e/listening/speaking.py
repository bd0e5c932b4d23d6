"""Orders are confirmed, and cancelled, all the time; and what a worker of the monolith does.

``python -m tests.e2e.listening.speaking FOLDER RATE CUSTOMER…`` confirms so many orders each second
until there is a file ``quiet`` in the folder; then there is ``said.json``, with all of them. It
delivers what the monolith has to deliver until it is told to stop.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections import deque
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import django

django.setup()

from django.db import OperationalError, connection, transaction  # noqa: E402 - once Django is there

from contracts.ordering import OrderCancelled, OrderConfirmed, SoldLine  # noqa: E402 - ditto
from monolith.notifications.tasks import deliver_notifications  # noqa: E402 - ditto
from monolith.ordering.checkout import events  # noqa: E402 - ditto
from strangler.ports.errors import DoorShut  # noqa: E402 - ditto

AFTER = 0.4
"""Seconds after which an order is cancelled."""


def publish(event: object) -> None:
    while True:
        try:
            with transaction.atomic():
                events.publish(event)
        except OperationalError:  # others write all the time, too
            continue
        return


def speak(folder: Path, rate: float, customers: list[str]) -> None:
    said: dict[str, str] = {}
    open_: deque[tuple[float, UUID]] = deque()
    while open_ or not (folder / "quiet").exists():
        if not (folder / "quiet").exists():
            order, customer = uuid4(), customers[len(said) % len(customers)]
            line = SoldLine("LAMP", 2, Decimal("20.00"))
            moment = datetime.now(UTC)
            publish(OrderConfirmed(order, customer, "DE", [line], "EUR", Decimal("40.00"), moment))
            said[str(order)] = customer
            open_.append((time.monotonic() + AFTER, order))
        while open_ and open_[0][0] <= time.monotonic():
            order = open_.popleft()[1]
            publish(OrderCancelled(order, said[str(order)], datetime.now(UTC)))
        time.sleep(1 / rate)
    (folder / "said.tmp").write_text(json.dumps(said))
    (folder / "said.tmp").rename(folder / "said.json")
    connection.close()


def main() -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    folder, rate, *customers = sys.argv[1:]
    threading.Thread(target=speak, args=(Path(folder), float(rate), customers), daemon=True).start()
    while not stop.wait(0.5):
        try:
            deliver_notifications()
        except (DoorShut, OperationalError) as error:  # a worker tries again
            sys.stderr.write(f"later: {error}\n")


if __name__ == "__main__":
    main()
