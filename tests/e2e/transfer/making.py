"""What makes the shop of these tests, in one process; called by ``Hand``."""

from __future__ import annotations

from django.core.management import call_command

from extracted.inventory import migrating
from strangler.cli import run
from strangler.django.control_plane import state
from strangler.django.transfer import judging
from strangler.gates import Outcome
from strangler.ladder import Gate


def prepare(products: int, customers: int) -> None:
    """Tables, keys, and something to sell."""
    call_command("rotate_keys")
    call_command("migrate", verbosity=0)
    call_command("seed", products=products, customers=customers, orders=0)
    assert run(["keys", "monolith", "pricing", "catalog", "inventory"]) == 0
    assert migrating.main() == 0


def in_step() -> bool:
    """Would the rows be allowed to change owner now?"""
    said = judging.judge(Gate.IN_STEP, state.capability("inventory"), judging.Since(0, 0.0))
    return all(verdict.outcome is Outcome.PASSED for verdict in said)
