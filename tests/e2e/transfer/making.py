"""What makes the shop of these tests, in one process; called by ``Hand``."""

from __future__ import annotations

import os
import signal

from django.core.management import call_command

from extracted.inventory import migrating
from strangler.cli import run
from strangler.django.control_plane import state
from strangler.django.transfer import judging, switching
from strangler.gates import Outcome
from strangler.ladder import Gate


def prepare(products: int, customers: int, parties: list[str]) -> None:
    """Tables, keys, and something to sell."""
    call_command("rotate_keys")
    call_command("migrate", verbosity=0)
    call_command("seed", products=products, customers=customers, orders=0)
    for party in ("monolith", "pricing", "catalog", "inventory", *parties):
        assert run(["keys", party]) == 0
    assert run(["publish"]) == 0
    assert migrating.main() == 0


def in_step() -> bool:
    """Would the rows be allowed to change owner now?"""
    said = judging.judge(Gate.IN_STEP, state.capability("inventory"), judging.Since(0, 0.0))
    return all(verdict.outcome is Outcome.PASSED for verdict in said)


def advance_and_die_before_it_is_published() -> None:
    """A switch whose process is killed between its decision and the routing table."""

    def dies(change: switching._Change) -> None:
        if change._moved is not None:
            os.kill(os.getpid(), signal.SIGKILL)

    switching._Change._publish = dies  # type: ignore[method-assign]  # this process ends by it
    run(["advance", "inventory", "--to", "live", "--force", "--reason", "a test", "--json"])
