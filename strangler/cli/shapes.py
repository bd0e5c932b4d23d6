"""What ``--json`` prints. These shapes are public: keys are added, and never renamed or removed.

======== ==========================================================================================
status   ``revision``, ``problem``, ``lag``, ``table`` {``path``, ``revision``, ``problem``},
         ``capabilities`` [{``capability``, ``stage``, ``percent``, ``held``, ``killed``,
         ``closed``, ``owner``, ``tables``, ``since``, ``since_revision``, ``revision``, ``share``
         {``queries``, ``commands``}, ``killed_here``, ``arms`` {``monolith``, ``service``:
         {``requests``, ``failures``, ``fallbacks``, ``p50``, ``p95``, ``p99``}}, ``next``
         {``stage``, ``percent``, ``verdicts``} or null}]
moves    ``capability``, ``action``, ``changed``, ``before``, ``after`` {``stage``, ``percent``,
         ``held``, ``killed``, ``closed``}, ``revision``, ``together``, ``forced``, ``verdicts``,
         ``freeze`` or null, ``agents`` {``revision``, ``seconds``, ``applied``, ``refused``
         {agent: reason}, ``late``, ``away``} or null; ``kill --local`` without Django has
         ``before``, ``after`` (each as text) and ``revision``
edges    ``revision``, ``agents`` [{``agent``, ``alive``, ``age``, ``table``, ``heard``,
         ``refused`` or null, ``edge`` or null}]
history  ``changes`` [{``revision``, ``at``, ``capability``, ``action``, ``actor``, ``reason``,
         ``forced``, ``before``, ``after``, ``evidence``}]
explain  ``method``, ``path``, ``arm``, ``because``, ``capability``, ``route``, ``kind``,
         ``cohort``, ``cohort_from``, ``stage``, ``percent``
diffs    ``capability``, ``compared``, ``outcomes``, ``routes`` [{``method``, ``route``,
         ``compared``, ``outcomes``}], ``rehearsals`` [{``method``, ``route``, ``outcomes``}],
         ``findings`` [{``signature``, ``method``, ``route``,
         ``monolith_status``, ``service_status``, ``path``, ``kind``, ``count``, ``explained``,
         ``examples``}]
check    ``ok``, ``findings`` [{``level``, ``about``, ``capability``, ``message``, ``remedy``}]
crossing ``boundaries`` has ``crossings`` [{``capability``, ``model``, ``field``, ``target``,
         ``kind``, ``direction``, ``blocks``, ``cuttable``, ``packaged``, ``remedy``}]
cut      ``boundaries --cut`` has ``cut`` (a crossing), ``migration``, ``edits`` [{``path``,
         ``line``, ``before``, ``after``}], ``notes``, ``uses`` [{``path``, ``line``, ``text``}]
flows    ``transfer status`` has ``capabilities`` [{``capability``, ``stage``, ``owner``, ``epoch``,
         ``flows``, ``backfilled``, ``wrong``, ``holder`` {``name``, ``age``} or null, ``report``
         {``age``, ``pending``, ``oldest``, ``lag``, ``rate``, ``carried``, ``parked``, ``stuck``
         [{``table``, ``key``, ``reason``}], ``missing``, ``backfill`` {``enqueued``, ``total``,
         ``rate``, ``left``} or null} or null, ``verified`` {``at``, ``rows``, ``seconds``,
         ``differing``, ``findings``, ``current``} or null, ``writers`` [{``name``, ``door``,
         ``keys``, ``last``}], ``switches`` [{``epoch``, ``at``, ``freeze``, ``drained``,
         ``steps``}]}]
verify   ``capability``, ``epoch``, ``rows``, ``seconds``, ``resumed`` (rows compared before, by
         one that broke off), ``findings`` [{``table``, ``key``, ``kind``, ``columns``, ``reason``}]
forecast ``transfer switch --dry-run`` has ``capability``, ``freeze``, ``budget``, ``fits``,
         ``steps`` [{``action``, ``seconds`` or null, ``measured``}]
repair   ``capability``, ``done``
publish  ``revision``, ``path``, ``agents`` as for moves
keys     ``folder``, ``parties``, ``made``
clients  ``clients add`` has ``key``, ``client``, ``id``, ``capabilities`` (none: it opens all),
         ``made``; ``clients list`` has ``keys``, ``clients revoke`` has ``revoked`` [as these,
         without ``key``]
sagas    ``saga list`` has ``sagas`` [{``saga``, ``name``, ``key``, ``state``, ``step`` or null,
         ``attempts``, ``cause``, ``reason``, ``trouble``, ``holder`` (null where there is none),
         ``late``, ``deadline``, ``due``, ``started``, ``ended``}]; ``saga retry`` and ``saga
         abandon`` have one; ``saga show`` also ``data``, ``locks`` and ``log`` [{``at``, ``step``,
         ``event``, ``state``, ``attempt``, ``token``, ``detail``}]
events   ``events status`` has ``databases`` [{``database``, ``waiting``, ``oldest_seconds``,
         ``parked``, ``dropped``, ``queued``, ``queued_oldest_seconds`` {consumer: …}, ``unread``
         [{``consumer``, ``type``, ``events``, ``why``}],
         ``relays`` [{``holder``, ``partitions``}], ``wrong``}; of one that is away only
         ``database`` and ``wrong``], ``bus`` {``waiting``, ``wrong``} or null, ``consumers``
         [{``consumer``, ``parked``, ``wrong``}]
aside    ``events parked`` is [{``place``, ``id``, ``type``, ``key``, ``version``, ``reason``,
         ``at``, ``attempts``, ``waits``}]; ``events replay`` has ``replayed``, ``failed``,
         ``put_off``, or with ``--consumer`` that, and ``refused`` {place: reason}; ``events drop``
         has ``dropped`` {place: count} and ``refused``
compile  ``compile nginx`` has ``folder``, ``files``, ``changed`` [a file that was written, or with
         ``--check`` would be]
freeze   ``frozen``, ``new`` [a file that was not there], ``changes`` [{``where``, ``what``,
         ``direction``, ``compatible``, ``order``}]; ``contracts check`` has ``ok``, ``problems``
verdict  ``gate``, ``outcome``, ``message``, ``value``, ``control``, ``threshold``, ``samples``
error    ``error``, ``message``; a refused move also has ``capability``, ``outcome``, ``forceable``
         and ``verdicts``; a bad manifest, or bad settings, ``problems``
======== ==========================================================================================

Times are ISO 8601, latencies are in seconds, shares are cohorts out of a thousand.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC
from typing import TYPE_CHECKING, Any

from strangler.gates import Verdict
from strangler.ladder import Move, Standing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from strangler.django.agents.registry import Known
    from strangler.django.agents.waiting import Applied
    from strangler.django.boundaries import Crossing, Cut
    from strangler.django.control_plane.evidence import ArmReport
    from strangler.django.control_plane.explaining import Explanation
    from strangler.django.control_plane.ledger import Moved
    from strangler.django.control_plane.overview import Overview, Row
    from strangler.django.models import Change
    from strangler.django.transfer.forecasting import Forecast
    from strangler.django.transfer.seeing import Seen
    from strangler.django.transfer.verifying import Result

Json = dict[str, Any]


def standing(one: Standing) -> Json:
    """A rung and its overlays."""
    return {
        "stage": one.stage.value,
        "percent": one.percent,
        "held": one.held,
        "killed": one.killed,
        "closed": one.closed,
    }


def verdicts(said: tuple[Verdict, ...]) -> list[Json]:
    """What the gates said."""
    return [dataclasses.asdict(one) for one in said]


def moved(
    done: Moved, action: str, *, freeze: float | None = None, told: Applied | None = None
) -> Json:
    """What a move has done; ``freeze`` is for how long commands had to wait."""
    return {
        "capability": done.capability,
        "action": action,
        "changed": done.before != done.after or bool(done.together),
        "before": standing(done.before),
        "after": standing(done.after),
        "revision": done.revision,
        "together": list(done.together),
        "forced": done.forced,
        "verdicts": verdicts(done.verdicts),
        "freeze": freeze,
        "agents": told and agents_told(told),
    }


def agents_told(told: Applied) -> Json:
    """Which agents have made of a revision what."""
    return {
        "revision": told.revision,
        "seconds": round(told.seconds, 4),
        "applied": [one.id for one in told.applied],
        "refused": {one.id: one.refused for one in told.refused},
        "late": [one.id for one in told.late],
        "away": [one.id for one in told.away],
    }


def agent(one: Known) -> Json:
    """An agent as the control plane knows it."""
    return {
        "agent": one.id,
        "alive": one.alive,
        "age": round(one.age, 3),
        "table": one.table,
        "heard": one.heard,
        "refused": one.refused or None,
        "edge": one.edge or None,
    }


def overview(seen: Overview) -> Json:
    """Everything at one glance."""
    return {
        "revision": seen.revision,
        "problem": seen.wrong,
        "lag": seen.lag,
        "table": dataclasses.asdict(seen.table),
        "capabilities": [_row(row) for row in seen.rows],
    }


def _row(row: Row) -> Json:
    return {
        "capability": row.capability,
        **standing(row.standing),
        "owner": row.standing.owner.value,
        "tables": row.tables,
        "since": row.since.astimezone(UTC).isoformat() if row.since else None,
        "since_revision": row.since_revision,
        "revision": row.revision,
        "share": dataclasses.asdict(row.share),
        "killed_here": row.killed_here,
        "arms": {arm.value: _arm(report) for arm, report in row.arms.items()},
        "next": _next(row.next, row.verdicts) if row.next else None,
    }


def _arm(report: ArmReport) -> Json:
    return {
        "requests": report.requests,
        "failures": report.failures,
        "fallbacks": report.fallbacks,
        "p50": report.quantile(0.5),
        "p95": report.quantile(0.95),
        "p99": report.quantile(0.99),
    }


def _next(move: Move, said: tuple[Verdict, ...]) -> Json:
    return {
        "stage": move.after.stage.value,
        "percent": move.after.percent,
        "verdicts": verdicts(said),
    }


def change(one: Change) -> Json:
    """One entry of the history."""
    return {
        "revision": one.revision,
        "at": one.at.astimezone(UTC).isoformat(),
        "capability": one.capability,
        "action": one.action,
        "actor": one.actor,
        "reason": one.reason,
        "forced": one.forced,
        "before": one.before,
        "after": one.after,
        "evidence": one.evidence,
    }


def explanation(one: Explanation) -> Json:
    """Where a request would go."""
    return {
        "method": one.method,
        "path": one.path,
        "arm": one.arm.value if one.arm else None,
        "because": one.because,
        "capability": one.capability,
        "route": one.route,
        "kind": one.kind.value if one.kind else None,
        "cohort": one.cohort,
        "cohort_from": one.cohort_from,
        "stage": one.entry.stage.value if one.entry else None,
        "percent": one.entry.percent if one.entry else None,
    }


def boundaries(crossings: Sequence[Crossing]) -> Json:
    """What crosses boundaries."""
    return {"crossings": [_crossing(one) for one in crossings]}


def cut(done: Cut) -> Json:
    """The migration that cuts a relation, and what is left to a person."""
    return {
        "cut": _crossing(done.crossing),
        "migration": done.migration,
        "edits": [dataclasses.asdict(one) for one in done.edits],
        "notes": list(done.notes),
        "uses": [dataclasses.asdict(one) for one in done.uses],
    }


def _crossing(one: Crossing) -> Json:
    return {**dataclasses.asdict(one), "blocks": one.blocks}


def flows(seen: Sequence[Seen]) -> Json:
    """How the rows of each of these flow."""
    return {"capabilities": [_flow(one) for one in seen]}


def _flow(one: Seen) -> Json:
    shape = dataclasses.asdict(one) | {"wrong": list(one.wrong)}
    if one.report is not None:
        names = ("table", "key", "reason")
        stuck = [dict(zip(names, each, strict=True)) for each in one.report.stuck]
        shape["report"] |= {"stuck": stuck}
    if one.verified is not None:
        shape["verified"] |= {"at": _moment(one.verified.at)}
    for writer, wrote in zip(shape["writers"], one.writers, strict=True):
        writer["last"] = _moment(wrote.last)
    for switch, switched in zip(shape["switches"], one.switches, strict=True):
        switch |= {"at": _moment(switched.at), "steps": dict(switched.steps)}
    return shape


def verification(capability: str, found: Result) -> Json:
    """What a whole verification found."""
    return {
        "capability": capability,
        "epoch": found.epoch,
        "rows": found.rows,
        "seconds": found.seconds,
        "resumed": found.resumed,
        "findings": [
            dataclasses.asdict(one) | {"key": [str(part) for part in one.key]}
            for one in found.findings
        ],
    }


def forecast(found: Forecast) -> Json:
    """What a change of owner would take."""
    return {
        "capability": found.capability,
        "freeze": found.freeze,
        "budget": found.budget,
        "fits": found.fits,
        "steps": [dataclasses.asdict(one) for one in found.steps],
    }


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
