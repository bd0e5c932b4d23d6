"""What must be proved of the rows before a move up, and whether it is. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from strangler.gates import Difference, Outcome, Verdict, duration
from strangler.ladder import Gate

LAG = 1.0
"""Seconds that 99 of 100 canary rows may take at most."""
BEATS = 5
"""Canary rows without which nobody can say."""
FRESH = 15.0
"""Seconds for which a mover's report is believed."""
SHOWN = 5
RACED = 10
"""Times that nobody can say of a route, without one of which anybody can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flowing:
    """How the rows flow, as the control database has it. Times in seconds."""

    age: float | None = None
    """Of the mover's last report; None where there never was one."""
    lag: float | None = None
    beats: int = 0
    pending: int = 0
    parked: int = 0
    missing: Sequence[str] = ()
    backfilled: bool = False
    enqueued: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """The last whole verification since the present owner owns; None for what there was not."""

    rows: int | None = None
    findings: int = 0
    first: str = ""


def transferable(problems: Sequence[str]) -> tuple[Verdict, ...]:
    """Can the rows be carried?"""
    if not problems:
        return (_verdict(Gate.TRANSFERABLE, Outcome.PASSED, "every row can be carried", 0, 0),)
    return tuple(
        _verdict(Gate.TRANSFERABLE, Outcome.FAILED, problem, len(problems), 0)
        for problem in problems
    )


def replicated(flowing: Flowing, verified: Verified) -> tuple[Verdict, ...]:
    """Are the service's rows the monolith's?"""
    gate = Gate.REPLICATED
    if not flowing.backfilled:
        said = f"the backfill is under way: {flowing.enqueued} of about {flowing.total} rows"
        filled = _verdict(gate, Outcome.INCONCLUSIVE, said, flowing.enqueued, flowing.total)
    else:
        filled = _verdict(gate, Outcome.PASSED, "every row has been carried once", 1, 1)
    return (filled, *_flowing(gate, flowing), _verified(gate, verified))


def in_step(flowing: Flowing, verified: Verified) -> tuple[Verdict, ...]:
    """Do rows still flow, and are both sides the same?"""
    return (*_flowing(Gate.IN_STEP, flowing), _verified(Gate.IN_STEP, verified))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsals:
    """How the rehearsals of one method and route ended."""

    method: str
    route: str
    agreed: int = 0
    raced: int = 0
    unrehearsed: int = 0
    total: int = 0


def rehearsed(
    routes: Sequence[Rehearsals],
    differences: Sequence[Difference],
    *,
    wanted: int,
    seconds: float,
) -> tuple[Verdict, ...]:
    """Do the service's rehearsals of commands agree with what the commands have done?"""
    agreed = sum(route.agreed for route in routes)
    found = [_differs(one, agreed) for one in sorted(differences, key=lambda one: -one.count)]
    if rest := found[SHOWN:]:
        said = f"{len(rest)} more unexplained differences between commands and their rehearsals"
        found[SHOWN:] = [_verdict(Gate.REHEARSED, Outcome.FAILED, said, len(rest), 0, agreed)]
    found.append(_agreed(routes, agreed, wanted, seconds))
    for route in routes:
        if not route.agreed and route.raced >= RACED:
            said = (
                f"{route.method} {route.route}: somebody else has always written meanwhile, "
                f"{route.raced} times, so nobody can say whether it agrees"
            )
            found.append(_verdict(Gate.REHEARSED, Outcome.INCONCLUSIVE, said, 0, 1, route.raced))
    return tuple(found)


def _differs(one: Difference, agreed: int) -> Verdict:
    said = (
        f"{one.method} {one.route}: {one.path} differs ({one.kind}, status {one.statuses[0]} and "
        f"{one.statuses[1]}) in {one.count} rehearsals (at most 0): {one.example}"
    )
    return _verdict(Gate.REHEARSED, Outcome.FAILED, said, one.count, 0, agreed + one.count)


def _agreed(routes: Sequence[Rehearsals], agreed: int, wanted: int, seconds: float) -> Verdict:
    total = sum(route.total for route in routes)
    counted = {
        "raced": sum(route.raced for route in routes),
        "could not be rehearsed": sum(route.unrehearsed for route in routes),
    }
    besides = "; ".join(f"{count} {what}" for what, count in counted.items() if count)
    besides = f" ({besides})" if besides else ""
    if not wanted:
        said = f"no rehearsal is wanted: only events command it; {agreed} agree{besides}"
        return _verdict(Gate.REHEARSED, Outcome.PASSED, said, agreed, 0, total)
    if agreed >= wanted:
        said = f"{agreed} rehearsals agree with their commands (at least {wanted}){besides}"
        return _verdict(Gate.REHEARSED, Outcome.PASSED, said, agreed, wanted, total)
    if not total:
        said = f"0 of {wanted} rehearsals: no command was seen yet"
    elif not agreed or seconds <= 0:
        said = f"{agreed} of {wanted} rehearsals agree with their commands{besides}"
    else:
        left = duration(ceil((wanted - agreed) * seconds / agreed))
        said = (
            f"{agreed} of {wanted} rehearsals agree with their commands{besides}: about {left} "
            "more at today's rate"
        )
    return _verdict(Gate.REHEARSED, Outcome.INCONCLUSIVE, said, agreed, wanted, total)


def through_door(strangers: Mapping[str, int], *, seconds: float) -> tuple[Verdict, ...]:
    """Does everybody who writes come through the door? ``strangers`` are keys by writer."""
    gate = Gate.THROUGH_DOOR
    if not strangers:
        said = f"nobody has written past the door for {seconds:.0f} s"
        return (_verdict(gate, Outcome.PASSED, said, 0, 0),)
    shown = sorted(strangers.items(), key=lambda one: -one[1])[:SHOWN]
    more = f", and {len(strangers) - SHOWN} more" if len(strangers) > SHOWN else ""
    names = ", ".join(f"{name or 'somebody unnamed'} ({keys} keys)" for name, keys in shown)
    said = (
        f"{names}{more} wrote past the door, and would be denied once the service owns: let them "
        "call the port, or hold the door; then 'strangler renew'"
    )
    return (_verdict(gate, Outcome.FAILED, said, len(strangers), 0, sum(strangers.values())),)


def _flowing(gate: Gate, flowing: Flowing) -> tuple[Verdict, ...]:
    if flowing.age is None or flowing.age > FRESH:
        since = "never" if flowing.age is None else f"{flowing.age:.0f} s ago"
        said = f"no mover carries its rows (last heard of: {since}): start 'strangler mover'"
        return (_verdict(gate, Outcome.FAILED, said, flowing.age or 0, FRESH),)
    found = []
    if flowing.missing:
        said = f"not in place: {'; '.join(flowing.missing)}"
        found.append(_verdict(gate, Outcome.FAILED, said, len(flowing.missing), 0))
    if flowing.parked:
        said = f"{flowing.parked} rows can't be applied: strangler transfer status says which"
        found.append(_verdict(gate, Outcome.FAILED, said, flowing.parked, 0))
    if flowing.lag is None or flowing.beats < BEATS:
        said = f"too few canary rows have arrived to tell the lag: {flowing.beats} of {BEATS}"
        found.append(_verdict(gate, Outcome.INCONCLUSIVE, said, flowing.beats, BEATS))
    else:
        # Not a failure: who waits may see the mover catch up.
        outcome = Outcome.PASSED if flowing.lag < LAG else Outcome.INCONCLUSIVE
        said = f"99 of 100 rows arrive within {flowing.lag:.2f} s ({LAG:g} s at most)"
        found.append(_verdict(gate, outcome, said, flowing.lag, LAG, flowing.beats))
    return tuple(found)


def _verified(gate: Gate, verified: Verified) -> Verdict:
    if verified.rows is None:
        said = "not verified yet: strangler transfer verify, or wait for the mover to do it"
        return _verdict(gate, Outcome.INCONCLUSIVE, said, 0, 0)
    if verified.findings:
        said = f"{verified.findings} rows differ, the first: {verified.first}"
        return _verdict(gate, Outcome.FAILED, said, verified.findings, 0, verified.rows)
    said = f"verified: {verified.rows} rows are the same on both sides"
    return _verdict(gate, Outcome.PASSED, said, 0, 0, verified.rows)


def _verdict(  # noqa: PLR0917 - in the order of a verdict's own fields
    gate: Gate, outcome: Outcome, message: str, value: float, threshold: float, samples: int = 0
) -> Verdict:
    return Verdict(
        gate=gate,
        outcome=outcome,
        message=message,
        value=value,
        threshold=threshold,
        samples=samples,
    )
