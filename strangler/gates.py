"""What must be proved before a move up, and whether it is.

Pure: the evidence comes as numbers, and every answer shows them. An answer is *inconclusive* while
there is too little to judge by: that neither fails nor passes, and says how long it will take.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, comb, erfc, sqrt

from strangler.ladder import Gate
from strangler.manifest import Rollout, Shadow

MIN_FAILURES = 5
"""Fewer failures than this never fail a gate by themselves."""
MAX_RATIO = 1.5
"""The service fails when its error rate is this many times the monolith's, and not by chance."""
MAX_CHANCE = 0.001
"""How probable so many failures may be by chance alone before they count."""
MAX_ERROR_RATE = 0.001
"""What the service may fail at most where the monolith answers nothing to compare it with."""
MAX_UNANSWERED = 0.01
"""How large a share of the shadow's questions the service may leave unanswered."""
SHOWN_DIFFERENCES = 5
_EXACT = 500

UNFORCEABLE = frozenset({Gate.TRANSFERABLE, Gate.REPLICATED, Gate.IN_STEP})
"""Gates that ``--force`` does not open: what they miss is no evidence, but the thing itself."""
GATHERED = frozenset({Gate.COMPARED, Gate.REHEARSED, Gate.HEALTHY, Gate.SOAKED})
"""Gates whose evidence is gathered on a rung, and can be begun anew once a fault is repaired."""


class Outcome(StrEnum):
    """How a gate was answered."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One answer of one gate, with everything it was judged by.

    ``value`` is what was found, ``control`` what the monolith did meanwhile, ``threshold`` what
    ``value`` is held against, ``samples`` how many calls, comparisons or probes it was found in.
    """

    gate: Gate
    outcome: Outcome
    message: str
    value: float
    threshold: float
    samples: int
    control: float | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """What one replica of the service said when it was asked whether it is ready.

    ``ours`` and ``theirs`` are the digests of the contract on both sides; ``ours`` is None if the
    contract can't be used, ``theirs`` if the service did not say.
    """

    url: str
    ready: bool
    detail: str
    ours: str | None = None
    theirs: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """What one arm answered since the rung began."""

    requests: int = 0
    failures: int = 0

    @property
    def rate(self) -> float:
        """The share of requests that failed."""
        return self.failures / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True)
class RouteTally:
    """How the comparisons of one method and route ended."""

    method: str
    route: str
    compared: int
    unanswered: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which the answers differ, and nobody has explained why."""

    method: str
    route: str
    path: str
    kind: str
    statuses: tuple[int, int]
    count: int
    example: str


def reachable(probes: Sequence[Probe]) -> tuple[Verdict, ...]:
    """Is every replica ready, and does it speak this contract?"""
    ready = [probe for probe in probes if probe.ready]
    wrong = [f"{probe.url} {probe.detail}" for probe in probes if not probe.ready]
    wrong += [
        f"{probe.url} speaks contract {probe.theirs}, we speak {probe.ours or 'none'}"
        if probe.theirs
        else f"{probe.url} does not say which contract it speaks"
        for probe in ready
        if not probe.theirs or probe.theirs != probe.ours
    ]
    good = len(probes) - len(wrong)
    said = "; ".join(wrong) if wrong else "all speak this contract"
    return (
        Verdict(
            gate=Gate.REACHABLE,
            outcome=Outcome.FAILED if wrong or not probes else Outcome.PASSED,
            message=f"{good} of {len(probes)} replicas are ready: {said}"
            if probes
            else "the manifest names no replica of the service",
            value=good,
            threshold=len(probes),
            samples=len(probes),
        ),
    )


def compared(
    routes: Sequence[RouteTally],
    differences: Sequence[Difference],
    *,
    shadow: Shadow,
    seconds: float,
) -> tuple[Verdict, ...]:
    """Were there enough comparisons in these ``seconds``, and no unexplained difference?"""
    total = sum(route.compared for route in routes)
    return (
        *_differences(differences, total),
        *_unanswered(routes, total),
        _enough(total, shadow.min_comparisons, seconds, "comparisons"),
        *(
            _enough(
                route.compared,
                shadow.min_per_route,
                seconds,
                f"comparisons of {route.method} {route.route}",
            )
            for route in routes
            if route.compared < shadow.min_per_route
        ),
    )


def _differences(differences: Sequence[Difference], total: int) -> Iterable[Verdict]:
    if not differences and total:
        yield Verdict(
            gate=Gate.COMPARED,
            outcome=Outcome.PASSED,
            message=f"no unexplained difference in {total} comparisons (at most 0)",
            value=0,
            threshold=0,
            samples=total,
        )
    worst = sorted(differences, key=lambda one: -one.count)
    for one in worst[:SHOWN_DIFFERENCES]:
        yield Verdict(
            gate=Gate.COMPARED,
            outcome=Outcome.FAILED,
            message=f"{one.method} {one.route}: {one.path} differs ({one.kind}, status "
            f"{one.statuses[0]} and {one.statuses[1]}) in {one.count} of {total} comparisons "
            f"(at most 0): {one.example}",
            value=one.count,
            threshold=0,
            samples=total,
        )
    rest = worst[SHOWN_DIFFERENCES:]
    if rest:
        yield Verdict(
            gate=Gate.COMPARED,
            outcome=Outcome.FAILED,
            message=f"{len(rest)} more unexplained differences in {total} comparisons (at most 0)",
            value=sum(one.count for one in rest),
            threshold=0,
            samples=total,
        )


def _unanswered(routes: Sequence[RouteTally], total: int) -> Iterable[Verdict]:
    unanswered = sum(route.unanswered for route in routes)
    asked = total + unanswered
    if unanswered < MIN_FAILURES or unanswered / asked <= MAX_UNANSWERED:
        return
    yield Verdict(
        gate=Gate.COMPARED,
        outcome=Outcome.FAILED,
        message=f"the service left {unanswered} of {asked} shadow questions unanswered: "
        f"{_percent(unanswered / asked)} (at most {_percent(MAX_UNANSWERED)})",
        value=unanswered / asked,
        threshold=MAX_UNANSWERED,
        samples=asked,
    )


def healthy(
    service: Counts, monolith: Counts, *, rollout: Rollout, seconds: float
) -> tuple[Verdict, ...]:
    """Did the service do no worse than the monolith did in the same ``seconds``?

    It fails with five failures or more, 1.5 times the monolith's error rate, and a probability
    under one in a thousand that this is chance. Where the monolith answers nothing, at 100 %, the
    service may fail one in a thousand.
    """
    return (
        *_errors(Gate.HEALTHY, service, monolith),
        _enough(service.requests, rollout.min_requests, seconds, "requests", Gate.HEALTHY),
    )


def soaked(service: Counts, *, rollout: Rollout, seconds: float) -> tuple[Verdict, ...]:
    """Has the service answered everything for long enough, and well?"""
    waiting = max(0.0, rollout.soak - seconds)
    return (
        *_errors(Gate.SOAKED, service, Counts()),
        Verdict(
            gate=Gate.SOAKED,
            outcome=Outcome.INCONCLUSIVE if waiting else Outcome.PASSED,
            message=f"live for {duration(seconds)} of {duration(rollout.soak)}"
            + (f": {duration(waiting)} to go" if waiting else ""),
            value=seconds,
            threshold=rollout.soak,
            samples=service.requests,
        ),
        _enough(service.requests, rollout.min_requests, seconds, "requests", Gate.SOAKED),
    )


def _errors(gate: Gate, service: Counts, monolith: Counts) -> Iterable[Verdict]:
    """Nothing, as long as the service has answered nothing."""
    if not service.requests:
        return
    threshold = MAX_RATIO * monolith.rate if monolith.requests else MAX_ERROR_RATE
    bad = service.failures >= MIN_FAILURES and service.rate > threshold
    if bad and monolith.requests:
        bad = chance(service, monolith) < MAX_CHANCE
    control = (
        f"against the monolith's {_percent(monolith.rate)} of {monolith.requests} "
        f"(at most {MAX_RATIO:g} times that)"
        if monolith.requests
        else f"with no monolith beside it (at most {_percent(MAX_ERROR_RATE)})"
    )
    yield Verdict(
        gate=gate,
        outcome=Outcome.FAILED if bad else Outcome.PASSED,
        message=f"the service failed {service.failures} of {service.requests} requests, "
        f"{_percent(service.rate)}, {control}"
        + (": that few may be chance" if service.rate > threshold and not bad else ""),
        value=service.rate,
        control=monolith.rate if monolith.requests else None,
        threshold=threshold,
        samples=service.requests,
    )


def chance(service: Counts, monolith: Counts) -> float:
    """How probable it is that the service has so many of all failures, if both arms are alike."""
    total = service.failures + monolith.failures
    share = service.requests / (service.requests + monolith.requests)
    if total > _EXACT:
        spread = sqrt(total * share * (1 - share))
        return erfc((service.failures - 0.5 - total * share) / spread / sqrt(2)) / 2
    return sum(
        comb(total, failures) * share**failures * (1 - share) ** (total - failures)
        for failures in range(service.failures, total + 1)
    )


def _enough(
    count: int, wanted: int, seconds: float, what: str, gate: Gate = Gate.COMPARED
) -> Verdict:
    of = "" if gate is Gate.COMPARED else "of the service: "
    message = f"{of}{count} {what} (at least {wanted})"
    if count < wanted:
        message = f"{of}{count} of {wanted} {what}"
        if count and seconds > 0:
            message += f": about {duration(ceil((wanted - count) * seconds / count))} more"
            message += " at today's rate"
        else:
            message += ": no traffic yet"
    return Verdict(
        gate=gate,
        outcome=Outcome.PASSED if count >= wanted else Outcome.INCONCLUSIVE,
        message=message,
        value=count,
        threshold=wanted,
        samples=count,
    )


def duration(seconds: float) -> str:
    """Seconds as a person says them: ``40 s``, ``12 min``, ``3 h``, ``2 d``."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _percent(rate: float) -> str:
    return f"{rate * 100:.3g} %"
