"""Movers in processes of their own, on a real database each: one carries, whoever is killed."""

from __future__ import annotations

import json
import signal
from itertools import pairwise
from pathlib import Path

import pytest

from tests.strangler.django.foreign import Foreign

pytestmark = pytest.mark.journey

CONTEND = """
import json, time
from strangler.django.transfer.lease import Leased

lease, held = Leased("billing"), []
until = time.monotonic() + 30
while len(held) < 15 and time.monotonic() < until:
    if lease.acquire():
        began = time.monotonic()
        time.sleep(0.003)
        lease.renew()
        held.append((lease.token, began, time.monotonic()))
        lease.release()
    time.sleep(0.003)
print(json.dumps(held))
"""

HANG = """
import time
from strangler.django.transfer import lease
from strangler.django.transfer.lease import Leased

lease.LEASE = 1.0 if elsewhere else 60.0
if elsewhere:
    lease._machine = lambda: ""
assert Leased("billing").acquire()
print("held", flush=True)
time.sleep(100)
"""

TAKE_OVER = """
import sys, time
from pathlib import Path
from strangler.django.transfer.lease import Leased

lease = Leased("billing")
print("ready", flush=True)
while not Path(sys.argv[1]).exists():
    time.sleep(0.01)
began = time.monotonic()
if elsewhere:
    assert not lease.acquire()
lease.take()
print(lease.token, round(time.monotonic() - began, 1))
"""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Foreign:
    """A project whose control plane is on either kind of database."""
    if request.param == "sqlite":
        made = Foreign(tmp_path)
    else:
        made = Foreign(tmp_path, request.getfixturevalue("postgres_url"))
    made.migrate()
    return made


def test_never_two_at_once(shop: Foreign) -> None:
    processes = [shop.spawn(CONTEND) for _ in range(2)]
    held = []
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        mine = json.loads(out)
        assert len(mine) == 15
        held += mine
    held.sort()
    tokens = [token for token, _, _ in held]
    assert len(set(tokens)) == len(tokens)
    for (_, _, ended), (_, began, _) in pairwise(held):
        assert ended <= began, "in the order of their tokens, one after the other"


@pytest.mark.parametrize("elsewhere", [True, False])
def test_whoever_is_killed_is_succeeded_once_the_lease_has_run_out_or_at_once_if_here(
    shop: Foreign, *, elsewhere: bool
) -> None:
    go = shop.root / "go"
    successor = shop.spawn(f"elsewhere = {elsewhere}\n{TAKE_OVER}", str(go))
    assert successor.stdout is not None
    assert successor.stdout.readline() == "ready\n"
    hanging = shop.spawn(f"elsewhere = {elsewhere}\n{HANG}")
    assert hanging.stdout is not None
    assert hanging.stdout.readline() == "held\n"
    hanging.send_signal(signal.SIGKILL)
    hanging.communicate()
    go.touch()
    out, err = successor.communicate(timeout=60)
    assert successor.returncode == 0, err
    token, waited = out.split()
    assert token == "2"
    assert float(waited) <= 20
