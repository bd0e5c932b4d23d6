"""What is said when a command did not do what it was asked, and with which exit code."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group
from rich.text import Text

from strangler.agent.configuring import NotConfigured
from strangler.cli import render, shapes
from strangler.cli.project import ProjectNotFound
from strangler.django.boundaries.errors import NotCut, UnknownRelation
from strangler.django.conf import BadSettings
from strangler.django.control_plane.errors import (
    ControlError,
    MoveRefused,
    ReasonMissing,
    UnknownCapability,
    UnknownDifference,
)
from strangler.events.buses import BadBus
from strangler.events.freezing import UnreadablePast
from strangler.events.stores import StoreError
from strangler.events.subscribe import BadHandler, NoConsumer
from strangler.ladder import Gate, IllegalMove
from strangler.manifest import ManifestErrors
from strangler.ports.freezing.freeze import NoSuchRevision
from strangler.ports.trust.clients import ClientsUnusable
from strangler.ports.trust.keys import KeysUnusable
from strangler.routing.nginx import CannotCompile
from strangler.routing.publish import PublishFailed
from strangler.routing.table import TableUnusable
from strangler.saga import errors as sagas
from strangler.transfer.control import ControlAway
from strangler.transfer.errors import TransferError

FAILED = 1
USAGE = 2
INCONCLUSIVE = 3

_USAGE = (
    NoSuchRevision,
    ProjectNotFound,
    ReasonMissing,
    UnknownCapability,
    UnknownDifference,
    UnknownRelation,
    sagas.ReasonMissing,
    sagas.UnknownSaga,
)


def kinds() -> tuple[type[Exception], ...]:
    """The errors that are answers, and no faults of this program."""
    return (
        BadBus,
        BadHandler,
        BadSettings,
        CannotCompile,
        ClientsUnusable,
        ControlAway,
        ControlError,
        IllegalMove,
        ManifestErrors,
        NoSuchRevision,
        KeysUnusable,
        NoConsumer,
        NotConfigured,
        NotCut,
        ProjectNotFound,
        PublishFailed,
        sagas.SagaError,
        StoreError,
        TableUnusable,
        TransferError,
        UnknownRelation,
        UnreadablePast,
    )


def tell(error: Exception, *, as_json: bool) -> int:
    """Say what is wrong; returns the exit code."""
    if as_json:
        render.dump(_shape(error))
    elif isinstance(error, MoveRefused):
        render.complain(_refused(error))
    else:
        lines = error.problems if isinstance(error, BadSettings) else str(error).splitlines()
        render.complain(Text("\n").join(Text(line) for line in lines))
    if isinstance(error, _USAGE):
        return USAGE
    if isinstance(error, MoveRefused) and error.inconclusive:
        return INCONCLUSIVE
    return FAILED


def _refused(error: MoveRefused) -> Group:
    after = error.move.after
    headline = Text(f"{error.capability} stays on {error.move.before}: ", style="bold")
    if error.inconclusive:
        headline.append(f"too little is known yet for {after}", style="yellow")
        advice = "Wait, and ask again."
    else:
        headline.append(f"the gate to {after} is shut", style="bold red")
        advice = "Mend what failed, and ask again."
    ways = render.bare(2)
    for way in _ways(error):
        ways.add_row(*way, style="dim")
    return Group(headline, render.verdicts(error.verdicts), Text(advice, style="dim"), ways)


def _ways(error: MoveRefused) -> Iterator[tuple[str, str]]:
    """When to go on how."""
    if any(one.gate in {Gate.COMPARED, Gate.REHEARSED} for one in error.failed):
        yield "  to see what was asked", f"strangler diffs {error.capability}"
    if error.renewable:
        yield "  after a repair", f'strangler renew {error.capability} --reason "…"'
    if error.forceable:
        yield "  without the evidence", '--force --reason "…"'
    else:
        yield "  without the evidence", "not even with --force"


def _shape(error: Exception) -> shapes.Json:
    shape: shapes.Json = {"error": type(error).__name__, "message": str(error)}
    if isinstance(error, MoveRefused):
        shape |= {
            "capability": error.capability,
            "outcome": "inconclusive" if error.inconclusive else "failed",
            "forceable": error.forceable,
            "verdicts": shapes.verdicts(error.verdicts),
        }
    if isinstance(error, ManifestErrors):
        shape["problems"] = [
            {"file": one.file, "key": one.key, "found": one.found, "remedy": one.remedy}
            for one in error.problems
        ]
    if isinstance(error, BadSettings):
        shape["problems"] = list(error.problems)
    return shape
