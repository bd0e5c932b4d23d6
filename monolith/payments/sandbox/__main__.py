"""``python -m monolith.payments.sandbox --port 8200 --books var/payments/sandbox.sqlite3``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from monolith.payments.sandbox.books import Books
from monolith.payments.sandbox.delivering import Deliverer
from monolith.payments.sandbox.faults import Faults, Plan, read
from monolith.payments.sandbox.server import SandboxServer


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m monolith.payments.sandbox")
    parser.add_argument("--host", default="127.0.0.1", help="where it listens")
    parser.add_argument("--port", type=int, default=8200, help="0 for any that is free")
    parser.add_argument("--books", type=Path, required=True, help="the file of its books; made")
    parser.add_argument("--webhook", default="", metavar="URL", help="whom it tells of changes")
    parser.add_argument(
        "--secret",
        default=os.environ.get("PAYMENTS_WEBHOOK_SECRETS", "").partition(",")[0],
        help="what it signs webhooks with; by default the first of PAYMENTS_WEBHOOK_SECRETS",
    )
    parser.add_argument(
        "--fault", action="append", default=[], metavar="NAME=RATE", help="such as late=0.1"
    )
    parser.add_argument("--seconds", type=float, default=Plan().seconds, help="how late is late")
    parser.add_argument("--seed", type=int, default=None, help="of chance")
    told = parser.parse_args()
    if told.webhook and not told.secret:
        parser.error("webhooks are signed: give a --secret")
    rates = dict(fault.partition("=")[::2] for fault in told.fault)
    try:
        plan = read({"rates": rates, "seconds": told.seconds})
    except ValueError as error:
        parser.error(str(error))
    _serve(told, Faults(plan, seed=told.seed))


def _serve(told: argparse.Namespace, faults: Faults) -> None:
    books = Books(told.books, telling=bool(told.webhook))
    server = SandboxServer((told.host, told.port), books, faults)
    for number in (signal.SIGTERM, signal.SIGINT):
        # From a thread of its own: whoever serves can't wait for itself.
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    deliverer = Deliverer(books, faults, url=told.webhook, secret=told.secret)
    if told.webhook:
        deliverer.start()
    sys.stdout.write(f"the sandbox provider listens on {server.url}\n")
    sys.stdout.flush()
    with server:
        server.serve_forever(poll_interval=0.05)
    if told.webhook:
        deliverer.stop()


if __name__ == "__main__":
    main()
