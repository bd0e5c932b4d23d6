"""``python -m tests.bench.load``: ask one server as fast as it answers, and say how often it did.

Each request opens a connection of its own, since a synchronous worker of gunicorn closes it anyway.
It is asked, on standard input, for rounds (``{"port": 1, "seconds": 2}``), and answers each on
standard output (``{"answered": 9, "failed": 0}``).
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import threading
import time
from pathlib import Path

TIMEOUT = 10.0


def request(path: str, body: bytes) -> bytes:
    """A GET, or a POST of this JSON."""
    lines = [f"{'POST' if body else 'GET'} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


def ask(port: int, data: bytes) -> bytes:
    """One whole answer. Raises OSError if there is none."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as peer:
        peer.sendall(data)
        parts = []
        while part := peer.recv(65536):
            parts.append(part)
    return b"".join(parts)


def load(port: int, data: bytes, *, seconds: float, clients: int) -> dict[str, int]:
    """How many answers so many clients get, and how many of them were no 200."""
    counts = [0] * clients
    failures = [0] * clients
    began = time.perf_counter()

    def client(number: int) -> None:
        while time.perf_counter() - began < seconds:
            try:
                good = ask(port, data).startswith(b"HTTP/1.1 200 ")
            except OSError:
                good = False
            counts[number] += good
            failures[number] += not good

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"answered": sum(counts), "failed": sum(failures)}


def main() -> None:
    """Serve rounds until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.load", description=__doc__)
    parser.add_argument("--path", required=True)
    parser.add_argument("--body", type=Path)
    parser.add_argument("--clients", type=int, default=4)
    wanted = parser.parse_args()
    data = request(wanted.path, wanted.body.read_bytes() if wanted.body else b"")
    for line in sys.stdin:
        asked = json.loads(line)
        found = load(asked["port"], data, seconds=asked["seconds"], clients=wanted.clients)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
