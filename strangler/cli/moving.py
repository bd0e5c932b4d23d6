"""The commands that change where a capability stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from strangler.cli import edges, flows, render, session, shapes
from strangler.cli.session import AcceptLoss, AsJson, IfRevision, Name, Reason
from strangler.ladder import Stage

if TYPE_CHECKING:
    from strangler.django.agents.waiting import Applied
    from strangler.django.control_plane.ledger import Moved

To = Annotated[
    Stage | None,
    typer.Option(
        "--to",
        metavar="STAGE",
        help=f"The rung to go to: {', '.join(Stage)}.",
        show_default=False,
    ),
]
Percent = Annotated[
    int | None,
    typer.Option(
        "--percent",
        metavar="N",
        min=1,
        max=100,
        help="The service's share in a canary.",
        show_default=False,
    ),
]


def advance(
    context: typer.Context,
    capability: Name,
    *,
    to: To = None,
    percent: Percent = None,
    force: Annotated[
        bool, typer.Option("--force", help="Let evidence be missing; needs a reason.")
    ] = False,
    reason: Reason = "",
    if_revision: IfRevision = None,
    as_json: AsJson = False,
) -> None:
    """Move a capability up: to the next step of its canary, or to the next rung.

    The move is refused, with everything that is missing, unless its gates are proved. Exit code 1
    says that something failed, 3 that there is too little evidence yet.

    The rows of a capability with tables begin to flow on the way to replicating, and change owner
    on the way to live: commands wait meanwhile, for less than a second as a rule, and it is said
    for how long. On the way to retired the monolith's tables are set aside, under another name.

    \b
    strangler advance pricing
    strangler advance pricing --to canary --percent 25
    strangler advance pricing --to live --if-revision 12
    strangler advance pricing --force --reason "the tax law changed"
    """
    session.begin(context)
    from strangler.django.control_plane import control

    done = control.advance(
        capability,
        actor=session.actor(context),
        to=to,
        percent=percent,
        force=force,
        reason=reason,
        if_revision=if_revision,
    )
    _show(done, "advance", as_json=as_json)


def rollback(
    context: typer.Context,
    capability: Name,
    *,
    to: To = None,
    percent: Percent = None,
    accept_loss: AcceptLoss = False,
    reason: Reason = "",
    if_revision: IfRevision = None,
    as_json: AsJson = False,
) -> None:
    """Move a capability down. No gate is asked.

    Without --to it goes to the highest rung below where the monolith answers everything.

    From live, the rows of a capability with tables change owner again, and none is lost: what the
    service wrote has flowed back. That needs both databases, not the service. If the service's is
    out of reach, the rollback is refused, and counts the keys at risk; --accept-loss does it all
    the same, needs a reason, and is recorded.

    \b
    strangler rollback pricing
    strangler rollback pricing --to monolith
    strangler rollback pricing --to canary --percent 5
    strangler rollback catalog --accept-loss --reason "the service's disk is gone"
    """
    session.begin(context)
    from strangler.django.control_plane import control

    done = control.rollback(
        capability,
        actor=session.actor(context),
        to=to,
        percent=percent,
        accept_loss=accept_loss,
        reason=reason,
        if_revision=if_revision,
    )
    _show(done, "rollback", as_json=as_json)


def hold(
    context: typer.Context,
    capability: Name,
    *,
    reason: Reason = "",
    if_revision: IfRevision = None,
    as_json: AsJson = False,
) -> None:
    """Let automation leave a capability alone, until it is resumed."""
    session.begin(context)
    from strangler.django.control_plane import control

    done = control.hold(
        capability, actor=session.actor(context), reason=reason, if_revision=if_revision
    )
    _show(done, "hold", as_json=as_json)


def resume(
    context: typer.Context,
    capability: Name,
    *,
    reason: Reason = "",
    if_revision: IfRevision = None,
    as_json: AsJson = False,
) -> None:
    """Lift hold, kill and close. What was killed gathers its evidence anew."""
    session.begin(context)
    from strangler.django.control_plane import control

    done = control.resume(
        capability, actor=session.actor(context), reason=reason, if_revision=if_revision
    )
    _show(done, "resume", as_json=as_json)


def kill(
    context: typer.Context,
    capability: Name,
    *,
    local: Annotated[
        bool,
        typer.Option(
            "--local", help="Only this machine's routing table; works without the database."
        ),
    ] = False,
    reason: Reason = "",
    if_revision: IfRevision = None,
    as_json: AsJson = False,
) -> None:
    """Send a capability's queries to the monolith at once, and its commands to their owner.

    \b
    strangler kill pricing --reason "quotes are wrong"
    strangler kill pricing --local        the database is away; repeat without --local later
    """
    session.begin(context)
    from strangler.django.control_plane import control, local_kill
    from strangler.django.control_plane.errors import ControlPlaneAway

    if local:
        _show(local_kill.kill(capability), "kill", as_json=as_json, everywhere=False)
        return
    try:
        done = control.kill(
            capability, actor=session.actor(context), reason=reason, if_revision=if_revision
        )
    except ControlPlaneAway as away:
        remedy = f"Without the database: strangler kill {capability} --local"
        raise ControlPlaneAway(f"{away}. {remedy}") from away
    _show(done, "kill", as_json=as_json)


def close(
    context: typer.Context,
    capability: Name,
    *,
    reason: Reason = "",
    if_revision: IfRevision = None,
    as_json: AsJson = False,
) -> None:
    """Let clients of a capability wait: edges tell them when to come again, until it is resumed.

    Queries and commands get 503, and neither arm is asked. Calls of its port go on. NGINX looks
    only where the manifest says so: gateway.maintenance.

    \b
    strangler close pricing --reason "the disk is replaced"
    strangler resume pricing
    """
    session.begin(context)
    from strangler.django.control_plane import control

    done = control.close(
        capability, actor=session.actor(context), reason=reason, if_revision=if_revision
    )
    _show(done, "close", as_json=as_json)


def renew(
    context: typer.Context,
    capability: Name,
    *,
    reason: Annotated[
        str,
        typer.Option(
            "--reason", metavar="TEXT", help="Why; kept in the history.", show_default=False
        ),
    ],
    if_revision: IfRevision = None,
    as_json: AsJson = False,
) -> None:
    """Begin the evidence of the present rung anew, say, once the service has been repaired.

    \b
    strangler renew pricing --reason "deployed the right tax rule"
    """
    session.begin(context)
    from strangler.django.control_plane import control

    done = control.renew(
        capability, actor=session.actor(context), reason=reason, if_revision=if_revision
    )
    _show(done, "renew", as_json=as_json)


def publish(context: typer.Context, *, reason: Reason = "", as_json: AsJson = False) -> None:
    """Write the routing table again from the database.

    After its folder was lost, damaged or full; after a local kill that is to end; after the
    manifest has changed.
    """
    session.begin(context)
    from strangler.django import conf
    from strangler.django.control_plane import control

    revision = control.publish(actor=session.actor(context), reason=reason)
    told = _told(revision)
    if as_json:
        agents = told and shapes.agents_told(told)
        render.dump({"revision": revision, "path": str(conf.settings().table), "agents": agents})
        return
    render.say(f"published revision {revision} in {conf.settings().table}")
    for line in edges.told(told):
        render.say(line)


def _show(done: Moved, action: str, *, as_json: bool, everywhere: bool = True) -> None:
    freeze = _freeze(done)
    told = _told(done.revision) if everywhere and done.together else None
    if as_json:
        render.dump(shapes.moved(done, action, freeze=freeze, told=told))
        return
    render.say(render.moved(done, action))
    for line in edges.told(told):
        render.say(line)
    if freeze is not None:
        render.say(flows.frozen(done.capability, freeze))


def _told(revision: int) -> Applied | None:
    """Wait until the agents know; None if the database has gone away since."""
    from strangler.django.agents import waiting
    from strangler.django.control_plane import ledger
    from strangler.django.control_plane.errors import ControlPlaneAway

    try:
        with ledger.reaching():
            return waiting.wait(revision)
    except ControlPlaneAway as away:
        render.complain(f"revision {revision} is recorded; who has applied it is unknown: {away}")
        return None


def _freeze(done: Moved) -> float | None:
    """For how long commands had to wait, where rows have changed owner."""
    if done.before.owner is done.after.owner:
        return None
    from strangler.django.control_plane import ledger
    from strangler.django.transfer import seeing

    with ledger.reaching():
        return seeing.freeze(done.capability)
