"""What the control plane's database knows of a capability's present rung, for its gates."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from strangler import gates, latency
from strangler.django import conf
from strangler.django.control_plane.state import State
from strangler.django.models import Observation, ShadowDifference, ShadowTally
from strangler.django.transfer import judging
from strangler.gates import Counts, Difference, Probe, RouteTally, Verdict
from strangler.ladder import Arm, Gate
from strangler.manifest import Capability
from strangler.shadow.compare import Kind
from strangler.shadow.judge import Outcome
from strangler.shadow.report import Finding, Report, Signature, report
from strangler.transfer import gate as rows
from strangler.transfer.gate import Rehearsals

UNANSWERED = (Outcome.CANDIDATE_ERROR, Outcome.TIMEOUT)
"""How a comparison ends to which the service gave no answer."""
_SHOWN = 60


@dataclass(slots=True)
class ArmReport:
    """What one arm answered since the rung began. Latencies are in seconds."""

    requests: int = 0
    failures: int = 0
    fallbacks: int = 0
    histogram: dict[int, int] = field(default_factory=dict)

    @property
    def counts(self) -> Counts:
        """As the gates want it."""
        return Counts(self.requests, self.failures)

    def quantile(self, share: float) -> float | None:
        """The latency that this share of the calls stays below; None without calls."""
        return latency.quantile(self.histogram, share)

    def add(self, bucket: int, requests: int, failures: int, fallbacks: int) -> None:
        """Count the calls of one bucket."""
        self.requests += requests
        self.failures += failures
        self.fallbacks += fallbacks
        self.histogram[bucket] = self.histogram.get(bucket, 0) + requests


def reports(state: State) -> dict[str, dict[Arm, ArmReport]]:
    """What each arm answered on this rung, by kind of call.

    Raises:
        django.db.Error: the database is away.
    """
    rows = Observation.objects.using(conf.settings().database).filter(
        capability=state.capability, since_revision=state.since_revision
    )
    kinds: dict[str, dict[Arm, ArmReport]] = defaultdict(lambda: {arm: ArmReport() for arm in Arm})
    for row in rows:
        kinds[row.kind][Arm(row.arm)].add(row.bucket, row.requests, row.failures, row.fallbacks)
    return dict(kinds)


def arms(state: State) -> dict[Arm, ArmReport]:
    """What each arm answered on this rung, queries and commands together.

    Raises:
        django.db.Error: the database is away.
    """
    return _together(list(reports(state).values()))


def _together(kinds: Sequence[dict[Arm, ArmReport]]) -> dict[Arm, ArmReport]:
    total = {arm: ArmReport() for arm in Arm}
    for kind in kinds:
        for arm, one in kind.items():
            total[arm].requests += one.requests
            total[arm].failures += one.failures
            total[arm].fallbacks += one.fallbacks
            for bucket, count in one.histogram.items():
                total[arm].histogram[bucket] = total[arm].histogram.get(bucket, 0) + count
    return total


def shadow(state: State) -> Report:
    """What the shadow has found on this rung.

    A difference that somebody has explained, on whichever rung, stays explained.

    Raises:
        django.db.Error: the database is away.
    """
    using = conf.settings().database
    here = {"capability": state.capability, "since_revision": state.since_revision}
    tallies = ShadowTally.objects.using(using).filter(**here)
    everywhere = ShadowDifference.objects.using(using).filter(capability=state.capability)
    explained = dict(
        everywhere.exclude(explained="")
        .order_by("since_revision")
        .values_list("signature", "explained")
    )
    return report(
        state.capability,
        tallies=tallies.values_list("method", "route", "outcome", "count"),
        findings=[
            Finding(
                Signature(
                    one.method,
                    one.route,
                    one.monolith_status,
                    one.service_status,
                    one.path,
                    Kind(one.kind),
                ),
                one.count,
                tuple(one.examples),
                explained.get(one.signature, ""),
            )
            for one in everywhere.filter(**here)
        ],
    )


def judge(
    gate: Gate, capability: Capability, state: State, probes: Sequence[Probe]
) -> tuple[Verdict, ...]:
    """What one gate says to the present rung's evidence.

    Raises:
        django.db.Error: the database is away.
    """
    since = state.since
    seconds = (timezone.now() - since).total_seconds() if since else 0.0
    match gate:
        case Gate.TRANSFERABLE | Gate.REPLICATED | Gate.IN_STEP | Gate.THROUGH_DOOR:
            if not state.tables:
                return ()
            return judging.judge(gate, capability, judging.Since(state.since_revision, seconds))
        case Gate.REACHABLE:
            return gates.reachable(probes)
        case Gate.COMPARED | Gate.REHEARSED:
            judged = _compared if gate is Gate.COMPARED else _rehearsed
            return judged(capability, state, seconds)
        case Gate.HEALTHY:
            # Only what both arms answer can be compared: with tables, commands are the owner's.
            kinds = [one for one in reports(state).values() if one[Arm.SERVICE].requests]
            both = _together(kinds)
            return gates.healthy(
                both[Arm.SERVICE].counts,
                both[Arm.MONOLITH].counts,
                rollout=capability.rollout,
                seconds=seconds,
            )
        case Gate.SOAKED:
            answered = arms(state)[Arm.SERVICE].counts
            return gates.soaked(answered, rollout=capability.rollout, seconds=seconds)


def _compared(capability: Capability, state: State, seconds: float) -> tuple[Verdict, ...]:
    found = shadow(state)
    return gates.compared(
        [
            RouteTally(
                one.method,
                one.route,
                compared=one.compared,
                unanswered=sum(one.outcomes.get(outcome, 0) for outcome in UNANSWERED),
            )
            for one in found.routes
        ],
        [_difference(one) for one in found.unexplained if not one.signature.kind.rehearsed],
        shadow=capability.shadow,
        seconds=seconds,
    )


def _rehearsed(capability: Capability, state: State, seconds: float) -> tuple[Verdict, ...]:
    if not state.tables:
        return ()
    found = shadow(state)
    return rows.rehearsed(
        [
            Rehearsals(
                method=one.method,
                route=one.route,
                agreed=one.outcomes.get(Outcome.AGREED, 0),
                raced=one.outcomes.get(Outcome.RACED, 0),
                unrehearsed=one.outcomes.get(Outcome.UNREHEARSED, 0),
                total=sum(one.outcomes.values()),
            )
            for one in found.rehearsals
        ],
        [_difference(one) for one in found.unexplained if one.signature.kind.rehearsed],
        wanted=capability.shadow.min_rehearsals,
        seconds=seconds,
    )


def _difference(one: Finding) -> Difference:
    known = one.signature
    return Difference(
        known.method,
        known.route,
        known.path,
        str(known.kind),
        (known.monolith, known.service),
        one.count,
        example(one),
    )


def example(finding: Finding) -> str:
    """One pair of values that differ, in few words."""
    if not finding.examples:
        return "no example was kept"
    first = finding.examples[0]
    return f"monolith {_short(first.get('monolith'))}, service {_short(first.get('service'))}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
