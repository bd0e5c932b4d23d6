"""The control plane: every move of a capability goes through here, one at a time.

A move is one transaction that first locks the control plane's row. In it, the ladder is asked
whether there is such a move, the gates whether it is proved; the new state, the history and the
routing table's next revision are written. Once it is committed, the table is pointed at the new
revision. Whatever breaks before the commit has changed nothing that anybody sees; what breaks after
it leaves a table that lags behind, which ``publish`` or the next move puts right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from strangler import ladder
from strangler.django import conf, contracts
from strangler.django.control_plane import evidence, ledger, probes, state
from strangler.django.control_plane.errors import MoveRefused, ReasonMissing, UnknownDifference
from strangler.django.control_plane.ledger import Flip, Moved
from strangler.django.control_plane.state import State
from strangler.django.models import Change, ShadowDifference
from strangler.django.transfer import moving
from strangler.gates import UNFORCEABLE, Outcome, Probe, Verdict
from strangler.ladder import Gate, IllegalMove, Move, Stage, Standing
from strangler.manifest import Capability

_Plan = Callable[[Capability, State], Move]


def advance(
    name: str,
    *,
    actor: str,
    to: Stage | None = None,
    percent: int | None = None,
    force: bool = False,
    reason: str = "",
    if_revision: int | None = None,
) -> Moved:
    """Move a capability, and those that flip together with it, up by one rung or step.

    ``force`` lets evidence be missing, which is recorded; what is impossible stays so.

    Raises:
        UnknownCapability: the manifest has none of this name.
        IllegalMove: the ladder has no such move.
        ReasonMissing: a forced move says why.
        MoveRefused: a gate is not proved; it has every verdict.
        RowsStay: the rows could not change owner, or not begin to flow; nothing has changed.
        RowsTorn: that broke off half done, and has to be repaired.
        RevisionConflict: somebody else was faster.
        TableAhead: the routing table knows more than the database.
        ControlPlaneAway: the database can't be used; nothing was changed unless it says so.
        PublishFailed: the routing table can't be written; nothing was changed.
        TableLags: moved, but the table still points to an older revision.
    """
    if force and not reason.strip():
        raise ReasonMissing("a forced move says why: --force --reason '…'")

    def plan(capability: Capability, known: State) -> Move:
        steps = capability.rollout.steps
        move = ladder.advance(
            known.standing, tables=known.tables, steps=steps, to=to, percent=percent
        )
        if to is None and move.after.stage is Stage.RETIRED:
            raise IllegalMove("the next rung is the last, with no way back: say --to retired")
        return move

    return _move(name, "advance", plan, actor=actor, force=force, reason=reason, at=if_revision)


def rollback(
    name: str,
    *,
    actor: str,
    to: Stage | None = None,
    percent: int | None = None,
    accept_loss: bool = False,
    reason: str = "",
    if_revision: int | None = None,
) -> Moved:
    """Move a capability, and those that flip together with it, down: no gate is asked.

    ``accept_loss`` lets rows come back without the service's database, if that is out of reach.
    What only that has is lost, which is recorded.

    Raises:
        ReasonMissing: losing rows is recorded with a reason.
        UnknownCapability, IllegalMove, RowsStay, RowsTorn, RevisionConflict, TableAhead,
            ControlPlaneAway, PublishFailed, TableLags: as for ``advance``.
    """
    if accept_loss and not reason.strip():
        raise ReasonMissing("rows are lost for a reason: --accept-loss --reason '…'")

    def plan(_: Capability, known: State) -> Move:
        return ladder.rollback(known.standing, tables=known.tables, to=to, percent=percent)

    return _move(
        name,
        "rollback",
        plan,
        actor=actor,
        reason=reason,
        at=if_revision,
        accept_loss=accept_loss,
    )


def hold(name: str, *, actor: str, reason: str = "", if_revision: int | None = None) -> Moved:
    """Let automation leave the capability alone. Raises as ``rollback`` does."""
    return _overlay(name, "hold", ladder.hold, actor=actor, reason=reason, at=if_revision)


def resume(name: str, *, actor: str, reason: str = "", if_revision: int | None = None) -> Moved:
    """Lift all overlays; what was killed gathers evidence anew. Raises as ``rollback`` does."""
    return _overlay(name, "resume", ladder.resume, actor=actor, reason=reason, at=if_revision)


def kill(name: str, *, actor: str, reason: str = "", if_revision: int | None = None) -> Moved:
    """Send queries to the monolith at once, and commands to the owner. Raises as ``rollback`` does.

    It takes the capability as it finds it, and a table that is ahead for what it is.
    """
    return _overlay(
        name, "kill", ladder.kill, actor=actor, reason=reason, at=if_revision, urgent=True
    )


def close(name: str, *, actor: str, reason: str = "", if_revision: int | None = None) -> Moved:
    """Let no edge's clients through. Raises as ``rollback`` does.

    Raises:
        IllegalMove: the manifest does not say that edges are to look whether it is closed.
    """
    for one in _members(name):
        if one.gateway.maintenance is None:
            raise IllegalMove(
                f'no edge looks whether {one.name} is closed: write maintenance = "1m" in '
                f"[capability.{one.name}.gateway], and deploy that"
            )
    return _overlay(name, "close", ladder.close, actor=actor, reason=reason, at=if_revision)


def renew(name: str, *, actor: str, reason: str, if_revision: int | None = None) -> Moved:
    """Begin the evidence of the present rung anew: say, after a faulty service was repaired.

    Raises:
        ReasonMissing: it says why.
        UnknownCapability, RevisionConflict, TableAhead, ControlPlaneAway, PublishFailed,
            TableLags: as for ``advance``.
    """
    if not reason.strip():
        raise ReasonMissing("evidence is begun anew for a reason: --reason '…'")
    members = _members(name)
    with ledger.opened(if_revision) as book:
        for one in members:
            known = book.states[one.name]
            book.write(known, known.standing, "renew", anew=True, actor=actor, reason=reason)
    return book.moved(name)


def explain(
    name: str, signature: str, *, actor: str, reason: str, if_revision: int | None = None
) -> Moved:
    """Say why a difference is as it should be; it no longer keeps the gate shut, on any rung.

    ``signature`` may be shortened as long as it names one difference only.

    Raises:
        ReasonMissing: an explanation is needed.
        UnknownDifference: there is none, or more than one.
        UnknownCapability, RevisionConflict, TableAhead, ControlPlaneAway, PublishFailed,
            TableLags: as for ``advance``.
    """
    if not reason.strip():
        raise ReasonMissing("a difference is explained by words: --reason '…'")
    state.capability(name)
    with ledger.opened(if_revision) as book:
        known = book.states[name]
        rows = ShadowDifference.objects.using(conf.settings().database).filter(
            capability=name,
            since_revision=known.since_revision,
            signature__startswith=signature,
        )
        found = sorted(rows.values_list("signature", flat=True))
        if len(found) != 1:
            what = f"{len(found)} differences begin" if found else "no difference begins"
            raise UnknownDifference(f"{what} with {signature!r} here: see strangler diffs {name}")
        rows.update(explained=reason)
        book.write(
            known, known.standing, "explain", actor=actor, reason=f"{found[0][:12]}: {reason}"
        )
    return book.moved(name)


def publish(*, actor: str, reason: str = "") -> int:
    """Write the routing table again from the database; returns its revision.

    A table that is ahead (somebody killed locally, or the database was put back) gets a revision
    beyond its own, and so does the database.

    Raises:
        ControlPlaneAway, PublishFailed, TableLags: as for ``advance``.
    """
    with ledger.opened(None, urgent=True, republish=True) as book:
        if book.ahead or not book.before:
            book.note("publish", actor=actor, reason=reason)
    return book.revision


def history(name: str | None = None, *, limit: int = 20) -> list[Change]:
    """The latest changes, newest first, of one capability or of all.

    Raises:
        UnknownCapability: neither the manifest nor the history has it.
        ControlPlaneAway: the database can't be used.
    """
    with ledger.reaching():
        changes = Change.objects.using(conf.settings().database).order_by("-revision", "capability")
        if name is not None:
            changes = changes.filter(capability=name)
            if not changes.exists():
                state.capability(name)
        return list(changes[:limit])


def next_move(capability: Capability, known: State) -> Move | None:
    """The next move up from here; None at the end of the ladder, and while it is killed."""
    try:
        return ladder.advance(known.standing, tables=known.tables, steps=capability.rollout.steps)
    except IllegalMove:
        return None


def judge(
    capability: Capability, known: State, move: Move, probed: Sequence[Probe]
) -> tuple[Verdict, ...]:
    """What the gates of a move say now.

    Raises:
        django.db.Error: the database is away.
    """
    return tuple(
        verdict
        for gate in move.gates
        for verdict in evidence.judge(gate, capability, known, probed)
    )


def _move(
    name: str,
    action: str,
    plan: _Plan,
    *,
    actor: str,
    reason: str,
    at: int | None,
    force: bool = False,
    accept_loss: bool = False,
) -> Moved:
    members = _members(name)
    seen = _seen()
    moves = _moves(members, seen, plan)
    probed = {one.name: _probe(one, moves[one.name]) for one in members}

    def judged(states: Mapping[str, State]) -> dict[str, tuple[Verdict, ...]]:
        said = {
            one.name: judge(one, states[one.name], moves[one.name], probed[one.name])
            for one in members
        }
        _require(name, moves[name], [one for each in said.values() for one in each], force=force)
        return said

    def record(
        flip: Flip | None = None,
        within: Callable[[], None] | None = None,
        lost: Verdict | None = None,
    ) -> Moved:
        with ledger.opened(at, flip=flip) as book:
            book.unchanged(seen, [one.name for one in members])
            said = judged(book.states)
            for one in members:
                verdicts = said[one.name] if lost is None else (*said[one.name], lost)
                unproved = _outcome(verdicts) is not Outcome.PASSED
                book.write(
                    book.states[one.name],
                    moves[one.name].after,
                    action,
                    anew=True,
                    actor=actor,
                    reason=reason,
                    forced=unproved and (force or lost is not None),
                    verdicts=verdicts,
                )
            if within is not None:
                within()
        return book.moved(name)

    carried = [one for one in members if seen[one.name].tables]
    if not carried:
        return record()
    # Nobody is made to wait for a move that would be refused anyway.
    with ledger.reaching():
        judged(seen)
    return moving.perform(carried, moves[carried[0].name], record, accept_loss=accept_loss)


def _overlay(
    name: str,
    action: str,
    change: Callable[[Standing], Standing],
    *,
    actor: str,
    reason: str,
    at: int | None,
    urgent: bool = False,
) -> Moved:
    members = _members(name)
    with ledger.opened(at, urgent=urgent) as book:
        for one in members:
            known = book.states[one.name]
            after = change(known.standing)
            if after != known.standing:
                revived = known.standing.killed and not after.killed
                book.write(known, after, action, anew=revived, actor=actor, reason=reason)
    return book.moved(name)


def _seen() -> dict[str, State]:
    with ledger.reaching():
        return state.read_all()


def _members(name: str) -> list[Capability]:
    """The capability and those that flip together with it."""
    state.capability(name)
    manifest = conf.manifest()
    return [manifest.capabilities[one] for one in manifest.together(name)]


def _moves(members: Sequence[Capability], seen: dict[str, State], plan: _Plan) -> dict[str, Move]:
    standings = {seen[one.name].standing for one in members}
    if len({replace(standing, held=False) for standing in standings}) > 1:
        where = ", ".join(f"{one.name} on {seen[one.name].standing}" for one in members)
        raise IllegalMove(
            f"{where}: they flip together only from the same rung. Take the group out of the "
            "manifest, bring them to one rung, and put it back"
        )
    return {one.name: plan(one, seen[one.name]) for one in members}


def _probe(capability: Capability, move: Move) -> tuple[Probe, ...]:
    if Gate.REACHABLE not in move.gates:
        return ()
    return probes.probe(capability, contracts.digest(capability))


def _outcome(said: Sequence[Verdict]) -> Outcome:
    outcomes = {verdict.outcome for verdict in said}
    for outcome in (Outcome.FAILED, Outcome.INCONCLUSIVE):
        if outcome in outcomes:
            return outcome
    return Outcome.PASSED


def _require(name: str, move: Move, said: Sequence[Verdict], *, force: bool) -> None:
    # Whoever forces is told of what force does not open, and whether waiting helps there.
    asked = tuple(one for one in said if not force or one.gate in UNFORCEABLE)
    if any(one.outcome is not Outcome.PASSED for one in asked):
        raise MoveRefused(name, move, asked)
