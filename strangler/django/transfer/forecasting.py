"""What a change of owner would take now: measured where it can be, remembered where it can't."""

from __future__ import annotations

import time
from dataclasses import dataclass

from strangler.django import conf
from strangler.django.control_plane import control, ledger
from strangler.django.control_plane.state import State
from strangler.django.models import Transfer
from strangler.django.transfer import moving
from strangler.django.transfer.budget import budget
from strangler.manifest import Capability
from strangler.transfer.protocol import STEPS, Action


@dataclass(frozen=True, slots=True)
class Expected:
    """One step: its seconds, None where nobody knows; ``measured`` just now, or at the last."""

    action: Action
    seconds: float | None
    measured: bool


@dataclass(frozen=True, slots=True)
class Forecast:
    """The freeze, step by step."""

    capability: str
    steps: tuple[Expected, ...]
    budget: float

    @property
    def freeze(self) -> float:
        """For how long commands would have to wait, as far as is known."""
        return sum(one.seconds or 0.0 for one in self.steps)

    @property
    def fits(self) -> bool:
        """Is that within the budget?"""
        return self.freeze <= self.budget


def forecast(capability: Capability) -> Forecast:
    """Measure on the live system what a change of owner would take.

    Raises:
        RowsStay: it could not be begun; says why.
        ControlPlaneAway, PublishFailed: nothing can be decided now.
    """
    measured = {**moving.dry_run(capability).steps, Action.DECIDE: _deciding(capability)}
    row = Transfer.objects.using(conf.settings().database).get(pk=capability.name)
    last = row.switches[-1]["steps"] if row.switches else {}
    return Forecast(
        capability.name,
        tuple(
            Expected(step.action, measured[step.action], measured=True)
            if step.action in measured
            else Expected(step.action, last.get(str(step.action)), measured=False)
            for step in STEPS
        ),
        budget(capability),
    )


def _deciding(capability: Capability) -> float:
    """Seconds that it takes to judge the gates, and to write down and prepare what is decided."""

    def judge(known: State) -> None:
        if (move := control.next_move(capability, known)) is not None:
            control.judge(capability, known, move, ())

    began = time.monotonic()
    ledger.rehearsed(capability.name, judge)
    return time.monotonic() - began
