"""``python -m tests.chaos.events``: all who say, carry and hear events are killed, at every step.

Says what came of each run, and ends with 1 if an event was lost, had its effect twice, or out of
order, or if too little has happened to prove anything. ``--events`` and ``--blows`` say how much;
``--kind redis | http`` runs one; ``--mutate`` runs with the kit broken, each time in another way,
and ends with 1 if that is not noticed.
"""

from __future__ import annotations

import argparse
import sys

from tests.chaos.events.campaign import Campaign, Outcome
from tests.chaos.events.mutations import MUTATIONS
from tests.chaos.events.places import place
from tests.chaos.events.world import KINDS
from tests.chaos.servers import Durable

SLOWLY = 0.15
"""The pace where a fault has to be met while there is something to break."""
ENOUGH = 0.8
"""The part of all steps that somebody has to have been killed at."""


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.events")
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--blows", type=int, default=250)
    parser.add_argument("--pace", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--mutate", action="store_true")
    given = parser.parse_args()
    pace = SLOWLY if given.mutate else given.pace
    failed = False
    with Durable() as server:
        for kind in [given.kind] if given.kind else KINDS:
            for mutation in MUTATIONS if given.mutate else [""]:
                outcome = run(
                    kind, server, events=given.events, blows=given.blows, pace=pace,
                    seed=given.seed, mutation=mutation,
                )  # fmt: skip
                say(kind, mutation, outcome)
                failed |= bad(mutation, outcome)
    return int(failed)


def run(
    kind: str, server: Durable | None, *, events: int, blows: int, pace: float, seed: int,
    mutation: str = "", stopping: bool = True,
) -> Outcome:  # fmt: skip
    """One run from nothing."""
    with (
        place(kind, server=server, total=events, pace=pace, mutation=mutation) as there,
        Campaign(there, seed=seed, stopping=stopping) as campaign,
    ):
        return campaign.run(blows)


def bad(mutation: str, outcome: Outcome) -> bool:
    """Is it anything but what it has to be?"""
    if mutation:
        return not getattr(outcome.found, MUTATIONS[mutation][1])
    return not outcome.clean or outcome.struck < ENOUGH * outcome.steps


def say(kind: str, mutation: str, outcome: Outcome) -> None:
    """What came of it."""
    found = outcome.found
    print(f"{kind} {mutation}".rstrip())
    print(f"    said {found.said:,}; done {found.done}; {outcome.seconds:.0f} s")
    print(f"    blows {dict(outcome.blows)}")
    print(f"    steps {outcome.steps}, of which somebody was killed at {outcome.struck}")
    for kind_of in ("lost", "twice", "order", "wrong", "parked", "left"):
        print(f"    {kind_of:7} {len(getattr(found, kind_of))}")
    if outcome.stalled:
        print("    it has stalled")
    for problem in found.problems[:8]:
        print(f"    {problem}")
    for label in [] if mutation else outcome.spared[:12]:
        print(f"    nobody was killed at: {label}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
