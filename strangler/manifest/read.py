"""Reading ``capabilities.toml``: it is taken whole, or refused with everything that is wrong."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from strangler.manifest import facing, values
from strangler.manifest.model import (
    Breaker,
    Capability,
    Edge,
    Events,
    Gateway,
    Manifest,
    ManifestErrors,
    Problem,
    Resilience,
    Rollout,
    Shadow,
)
from strangler.manifest.rules import check
from strangler.manifest.section import Section

_POSITION = re.compile(r"(.*) \(at (line \d+, column \d+|end of document)\)", re.DOTALL)


def load(path: str | Path, environ: Mapping[str, str] = os.environ) -> Manifest:
    """Read a manifest file.

    ``STRANGLER_MONOLITH_URL`` and ``STRANGLER_<CAPABILITY>_URL`` (one URL, or several with commas
    between them) and ``STRANGLER_BUS`` in ``environ`` outrank what the file says.

    Raises:
        ManifestErrors: it can't be read, or says something wrong; all of it at once.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        found = (error.strerror or type(error).__name__).lower()
        problem = Problem(
            str(path), "(file)", found, "put the manifest there, or name another file"
        )
        raise ManifestErrors((problem,)) from error
    except UnicodeDecodeError as error:
        found = f"byte {error.start} is no UTF-8"
        problem = Problem(str(path), "(file)", found, "save the file as UTF-8")
        raise ManifestErrors((problem,)) from error
    return parse(text, path=path, environ=environ)


def parse(text: str, *, path: Path, environ: Mapping[str, str] = os.environ) -> Manifest:
    """Read the text of a manifest; ``path`` is what the problems name.

    Raises:
        ManifestErrors: it says something wrong; all of it at once.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = _POSITION.fullmatch(str(error))
        found, where = match.groups() if match else (str(error), "(file)")
        problem = Problem(str(path), where, f"this is no TOML: {found}", "mend the syntax there")
        raise ManifestErrors((problem,)) from error
    problems: list[Problem] = []
    root = Section(data, file=str(path), key="", problems=problems)
    edge = _edge(root.section("edge"))
    events = _events(root.section("events"))
    table = root.section("capability")
    capabilities = {name: _capability(table, name) for name in table.names()}
    root.close()
    check(table, capabilities)
    edge, capabilities = _overridden(edge, capabilities, environ, problems)
    events = _carried(events, environ, problems)
    if problems:
        raise ManifestErrors(tuple(problems))
    return Manifest(path, edge, MappingProxyType(capabilities), events)


def _edge(section: Section) -> Edge:
    edge = Edge(
        monolith=section.require("monolith", values.url, "", remedy='"http://127.0.0.1:8000"'),
        sticky=section.listed("sticky", values.sticky, Edge("").sticky, some=True),
        credentials=section.listed("credentials", facing.credential, ()),
        header=section.take("header", facing.header, Edge("").header),
        site=section.take("site", facing.site, None),
        hsts=section.take("hsts", values.whole_seconds, None),
    )
    section.close()
    return edge


def _events(section: Section) -> Events:
    events = Events(bus=section.take("bus", values.bus, Events().bus))
    section.close()
    return events


def _capability(table: Section, name: str) -> Capability:
    table.take(name, lambda _: values.name(name), "")
    section = table.section(name)
    require = section.require
    capability = Capability(
        name=name,
        context=require("context", values.module, "", remedy=f'"monolith.{name}"'),
        owner=require("owner", values.text, "", remedy='the name of a team, such as "team-a"'),
        contract=require("contract", values.target, "", remedy=f'"contracts.{name}:Port"'),
        service=section.require_list("service", values.url, remedy='["http://127.0.0.1:8101"]'),
        routes=section.require_list("routes", values.route, remedy=f'["/api/{name}/"]'),
        queries=section.listed("queries", values.query),
        callers=section.listed("callers", values.text),
        transfer=section.take("transfer", values.target, None),
        placement=section.take("placement", values.placement, "auto"),
        group=section.take("group", values.name, None),
        resilience=_resilience(section.section("resilience")),
        shadow=_shadow(section.section("shadow")),
        rollout=_rollout(section.section("rollout")),
        gateway=_gateway(section.section("gateway")),
        subscribes=section.listed("subscribes", values.event),
    )
    section.close()
    return capability


def _resilience(section: Section) -> Resilience:
    usual = Resilience()
    breaker = section.section("breaker")
    resilience = Resilience(
        timeout=section.take("timeout", values.positive_duration, usual.timeout),
        attempts=section.take("attempts", values.count, usual.attempts),
        breaker=Breaker(
            failures=breaker.take("failures", values.count, usual.breaker.failures),
            reset=breaker.take("reset", values.positive_duration, usual.breaker.reset),
        ),
        concurrency=section.take("concurrency", values.count, usual.concurrency),
    )
    breaker.close()
    section.close()
    return resilience


def _shadow(section: Section) -> Shadow:
    usual = Shadow()
    shadow = Shadow(
        sample=section.take("sample", values.proportion, usual.sample),
        ignore=section.listed("ignore", values.json_path),
        unordered=section.listed("unordered", values.json_path),
        redact=section.listed("redact", values.json_path),
        min_comparisons=section.take("min_comparisons", values.count, usual.min_comparisons),
        min_per_route=section.take("min_per_route", values.count, usual.min_per_route),
        min_rehearsals=section.take("min_rehearsals", values.maybe_count, usual.min_rehearsals),
    )
    section.close()
    return shadow


def _rollout(section: Section) -> Rollout:
    usual = Rollout()
    rollout = Rollout(
        steps=section.take("steps", values.steps, usual.steps),
        min_requests=section.take("min_requests", values.count, usual.min_requests),
        soak=section.take("soak", values.duration, usual.soak),
    )
    section.close()
    return rollout


def _gateway(section: Section) -> Gateway:
    usual = Gateway()
    gateway = Gateway(
        rate=section.take("rate", facing.rate, usual.rate),
        rate_by=section.take("rate_by", facing.rate_by, usual.rate_by),
        burst=section.take("burst", values.count, usual.burst),
        origins=section.listed("origins", facing.origin),
        body=section.take("body", facing.body, usual.body),
        key=section.take("key", facing.key, usual.key),
        cache=section.take("cache", values.whole_seconds, usual.cache),
        maintenance=section.take("maintenance", values.whole_seconds, usual.maintenance),
        slash=section.take("slash", values.switch, usual.slash),
    )
    section.close()
    return gateway


def _overridden(
    edge: Edge,
    capabilities: dict[str, Capability],
    environ: Mapping[str, str],
    problems: list[Problem],
) -> tuple[Edge, dict[str, Capability]]:
    """What the environment says otherwise. An empty variable says nothing."""
    variables = Section(
        {
            name: [url.strip() for url in value.split(",")]
            for name, value in environ.items()
            if value.strip()
        },
        file="environment",
        key="",
        problems=problems,
    )
    monolith = variables.listed("STRANGLER_MONOLITH_URL", values.url, (edge.monolith,))
    if len(monolith) > 1:
        variables.report("STRANGLER_MONOLITH_URL", "there is one monolith", "name one URL")
    return replace(edge, monolith="".join(monolith[:1])), {
        name: replace(
            capability,
            service=variables.listed(
                f"STRANGLER_{name.upper()}_URL", values.url, capability.service
            ),
        )
        for name, capability in capabilities.items()
    }


def _carried(events: Events, environ: Mapping[str, str], problems: list[Problem]) -> Events:
    """What the environment says otherwise of the bus."""
    said = environ.get("STRANGLER_BUS", "").strip()
    if not said:
        return events
    variables = Section({"STRANGLER_BUS": said}, file="environment", key="", problems=problems)
    return replace(events, bus=variables.take("STRANGLER_BUS", values.bus, events.bus))
