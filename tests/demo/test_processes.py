"""Ports that are given out once."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from demo.processes import free_port

ROOT = Path(__file__).resolve().parents[2]


def test_a_port_is_given_once_whoever_asks():
    lowest = free_port(highest=31_000)
    highest = lowest + 99
    here = {free_port(lowest, highest) for _ in range(40)}
    ask = f"""from demo.processes import free_port
print(*(free_port({lowest}, {highest}) for _ in range(40)))"""
    other = subprocess.run(
        [sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True
    )
    there = set(map(int, other.stdout.split()))
    assert len(here) == len(there) == 40
    assert here.isdisjoint(there)


@pytest.mark.parametrize("host", ["127.0.0.1", ""])
def test_a_server_may_take_it(host: str):
    port = free_port()
    with socket.create_server((host, port)) as server:
        with socket.create_connection(("127.0.0.1", port)):
            pass
        server.accept()[0].close()
    with socket.create_server((host, port)):  # and again, after a restart
        pass


def test_nobody_answers_there_until_then():
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", free_port()))
