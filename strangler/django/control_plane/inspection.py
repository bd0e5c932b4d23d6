"""Everything that would make a climb fail, all at once: what ``strangler check`` says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from django.core.checks import ERROR
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from strangler import gates
from strangler.django import boundaries, checks, conf, contracts, tables
from strangler.django.control_plane import history, ledger, overview, probes, state
from strangler.django.control_plane.errors import ControlPlaneAway
from strangler.django.models import CapabilityState
from strangler.django.saga import seeing
from strangler.django.transfer import judging
from strangler.gates import Outcome, Probe
from strangler.ladder import Stage
from strangler.manifest import Capability, ManifestErrors
from strangler.ports import runtime
from strangler.ports.freezing.freeze import NoSuchRevision
from strangler.ports.trust.keys import Keyring, KeysUnusable
from strangler.routing.publish import PublishFailed, discard, prepare

STUCK = 10
"""Sagas that are named at most."""


class Level(StrEnum):
    """How bad a finding is: an error is wrong now, a warning will be in the way of a climb."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, or will be in the way."""

    level: Level
    about: str
    message: str
    remedy: str
    capability: str | None = None


def inspect(name: str | None = None) -> list[Finding]:
    """All findings, errors first; for one capability, whatever is in its way is an error.

    Without a name, those that can't leave the monolith yet are one warning together.

    Raises:
        UnknownCapability: the manifest has none of this name.
    """
    found = list(_system())
    try:
        manifest = conf.manifest()
    except (conf.BadSettings, ManifestErrors):
        return found
    if name is not None:
        state.capability(name)
    capabilities = [one for one in manifest.capabilities.values() if name in {None, one.name}]
    found += [*_contracts(), *_table()]
    states = None
    try:
        with ledger.reaching():
            found += _database()
            states = state.read_all()
            found += _sagas(name)
    except ControlPlaneAway as error:
        if not any(one.about == "database" for one in found):
            found.append(_error("database", str(error), "Mend it, or DATABASES."))
    stages = {one: known.standing.stage for one, known in states.items()} if states else {}
    if name is None:
        staying = [one for one in capabilities if _stays(one, stages.get(one.name))]
        capabilities = [one for one in capabilities if one not in staying]
        found += [
            *_staying(staying),
            *(one for each in staying for one in _unserved(each, Level.WARNING)),
        ]
    for capability, probed in _probed(capabilities):
        found += _capability(capability, stages.get(capability.name), probed)
    if name is not None:
        found = [replace(one, level=Level.ERROR) for one in found]
    return sorted(found, key=lambda one: one.level is not Level.ERROR)


def _error(about: str, message: str, remedy: str) -> Finding:
    return Finding(level=Level.ERROR, about=about, message=message, remedy=remedy)


def _system() -> Iterator[Finding]:
    for message in checks.run():
        yield Finding(
            level=Level.ERROR if message.level >= ERROR else Level.WARNING,
            about="project",
            message=str(message.msg),
            remedy=str(message.hint or ""),
        )


def _contracts() -> Iterator[Finding]:
    try:
        wrong = contracts.check()
    except contracts.BadContract:
        return  # The system checks say so already.
    except (NoSuchRevision, ValueError) as error:
        wrong = [str(error)]
    for line in wrong:
        yield _error("contracts", line, "")


def _database() -> Iterator[Finding]:
    alias = conf.settings().database
    connection = connections[alias]
    executor = MigrationExecutor(connection)
    wanted = [key for key in executor.loader.graph.leaf_nodes() if key[0] == "strangler"]
    if executor.migration_plan(wanted):
        remedy = f"manage.py migrate strangler --database {alias}"
        yield _error(
            "database",
            f"the control plane's tables in {ledger.database()} are not up to date",
            remedy,
        )
        return
    if not history.guarded(connection):
        yield _error(
            "database",
            "the triggers that keep the history append-only are gone",
            "manage.py migrate strangler 0001, then migrate strangler.",
        )
    known = conf.manifest().capabilities
    rows = CapabilityState.objects.using(alias).exclude(stage=Stage.MONOLITH.value)
    for row in rows.exclude(name__in=list(known)):
        yield _error(
            "manifest",
            f"{row.name} stands on {row.standing}, and the manifest has no such capability",
            "Put it back into the manifest, and roll it back before it is removed.",
        )


def _sagas(capability: str | None) -> Iterator[Finding]:
    rows = seeing.stuck(capability, STUCK + 1)
    for row in rows[:STUCK]:
        since = datetime.fromtimestamp(row.changed, UTC).strftime("%Y-%m-%d %H:%M UTC")
        yield _error(
            "saga",
            f"{row.name} {row.id} is stuck at {row.steps[row.at]} since {since}: {row.trouble}",
            f"Mend what keeps it, then: strangler saga retry {row.id}. Or clear up by hand, then: "
            f'strangler saga abandon {row.id} --reason "…".',
        )
    if len(rows) > STUCK:
        yield _error("saga", "there are more that are stuck", "strangler saga list --state stuck")


def _table() -> Iterator[Finding]:
    try:
        with ledger.reaching():
            revision = state.revision()
            seen = overview.Overview(revision=revision, table=overview.table_state(), rows=())
            entries = state.entries(state.read_all())
    except ControlPlaneAway:
        return
    if seen.lag:
        yield _error("table", seen.lag, "strangler publish")
    try:
        discard(prepare(conf.settings().table, revision + 1, entries, groups=state.groups()))
    except PublishFailed as error:
        yield _error("table", f"{error.path}: {error.found}", error.remedy)


def _probed(capabilities: list[Capability]) -> list[tuple[Capability, tuple[Probe, ...]]]:
    found = probes.probe_all([(one, contracts.digest(one)) for one in capabilities])
    return [(one, found[one.name]) for one in capabilities]


def _stays(capability: Capability, stage: Stage | None) -> bool:
    leaving = capability.transfer is not None or not tables.has_tables(capability)
    return stage in {None, Stage.MONOLITH} and not leaving


def _staying(capabilities: list[Capability]) -> Iterator[Finding]:
    if capabilities:
        names = ", ".join(one.name for one in capabilities)
        yield Finding(
            level=Level.WARNING,
            about="tables",
            message=f"{names}: no move yet, since nothing says how their tables' rows map",
            remedy="Name their `transfer` in the manifest: docs/how-to/move-tables.md.",
        )


def _unserved(capability: Capability, level: Level) -> Iterator[Finding]:
    if runtime.implementation(capability.name) is None:
        yield Finding(
            level=level,
            about="ports",
            message="nobody answers for its port in the monolith",
            remedy=f"serve({capability.contract.partition(':')[2]}, …) in STRANGLER['WIRING'].",
            capability=capability.name,
        )


def _capability(
    capability: Capability, stage: Stage | None, probed: tuple[Probe, ...]
) -> Iterator[Finding]:
    moving = stage not in {None, Stage.MONOLITH, Stage.REPLICATING}
    level = Level.ERROR if moving else Level.WARNING

    def finding(about: str, message: str, remedy: str) -> Finding:
        return Finding(
            level=level, about=about, message=message, remedy=remedy, capability=capability.name
        )

    for verdict in gates.reachable(probed):
        if verdict.outcome is not Outcome.PASSED:
            yield finding("service", verdict.message, "Start it, or correct its URL.")
    leaving = stage in {None, Stage.MONOLITH} and tables.has_tables(capability)
    for problem in judging.misfits(capability) if leaving else ():
        yield finding("tables", problem, "See docs/how-to/move-tables.md.")
    for crossing in boundaries.crossings(capability):
        if crossing.blocks:
            yield finding("boundary", f"{crossing} crosses its boundary", crossing.remedy)
    if stage is not Stage.RETIRED:
        yield from _unserved(capability, level)
    settings = conf.settings()
    try:
        parties = Keyring.load(settings.keys, settings.party).parties
    except KeysUnusable:
        return  # The system checks say so already.
    if capability.name not in parties:
        yield finding(
            "keys",
            f"there is no public key of the party {capability.name!r} in {settings.keys}",
            f"strangler keys {capability.name}",
        )
