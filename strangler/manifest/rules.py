"""What no key of a manifest can tell by itself: whether the capabilities agree with each other."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from strangler.manifest import routes
from strangler.manifest.model import Capability
from strangler.manifest.section import Section
from strangler.manifest.values import nearest

MONOLITH = "monolith"
"""What the monolith is called among the callers: it speaks for contexts that are no capability."""


def check(table: Section, capabilities: Mapping[str, Capability]) -> None:
    """Report every disagreement. ``table`` is where the capabilities were read from."""
    for capability in capabilities.values():
        _callers_are_known(table, capability, capabilities)
        _group_is_apart(table, capability, capabilities)
        _rows_flip_alone(table, capability, capabilities)
        _queries_are_inside(table, capability, capabilities)
        _gateway_agrees(table, capability)
        _speakers_are_others(table, capability, capabilities)
    for one, other in combinations(capabilities.values(), 2):
        _contracts_are_apart(table, one, other)
        _paths_are_apart(table, one, other)


def _callers_are_known(
    table: Section, capability: Capability, capabilities: Mapping[str, Capability]
) -> None:
    known = {*capabilities, MONOLITH}
    for caller in capability.callers:
        if caller not in known:
            table.report(
                f"{capability.name}.callers",
                f"nobody is called {caller!r}",
                nearest(caller, known, what="callers"),
            )


def _group_is_apart(
    table: Section, capability: Capability, capabilities: Mapping[str, Capability]
) -> None:
    group = capability.group
    if group and group in capabilities and capabilities[group].group != group:
        table.report(
            f"{capability.name}.group",
            f"{group!r} is a capability, which is not in that group",
            f'give the group another name, or write group = "{group}" there too',
        )


def _rows_flip_alone(
    table: Section, capability: Capability, capabilities: Mapping[str, Capability]
) -> None:
    """Rows change owner by the decision of one capability, and climb a rung that others skip."""
    group = capability.group
    others = [one.name for one in capabilities.values() if one.group == group is not None]
    if capability.transfer and (others := [name for name in others if name != capability.name]):
        table.report(
            f"{capability.name}.group",
            f"{capability.name} has tables (transfer), and {' and '.join(others)} would flip with "
            "it: rows change owner one capability at a time",
            "leave group out: they climb one after the other; or make one capability of them, with "
            "one contract and one transfer",
        )


def _queries_are_inside(
    table: Section, capability: Capability, capabilities: Mapping[str, Capability]
) -> None:
    known = sorted(
        ((routes.parse(text), one.name) for one in capabilities.values() for text in one.routes),
        key=lambda claim: claim[0].literals,
    )
    for method, path in capability.queries:
        segments = routes.segments(path)
        ranks = {name: route.literals for route, name in known if route.covers(segments)}
        owners = [name for name, rank in ranks.items() if rank == max(ranks.values())]
        if not owners:
            table.report(
                f"{capability.name}.queries",
                f"{method} {path} is outside the routes {', '.join(capability.routes)}",
                "list it at the capability whose path it is, or add the route",
            )
        elif capability.name not in owners:
            table.report(
                f"{capability.name}.queries",
                f"{method} {path} is a path of {owners[0]}, whose route is more literal",
                f"list it in capability.{owners[0]}.queries",
            )


def _gateway_agrees(table: Section, capability: Capability) -> None:
    gateway = capability.gateway
    if gateway.rate_by == "key" and gateway.key is None:
        table.report(
            f"{capability.name}.gateway.rate_by",
            "no key is wanted here",
            'write key = "X-Api-Key" beside it, or count by client or address',
        )
    if gateway.cache is not None and gateway.key is not None:
        table.report(
            f"{capability.name}.gateway.cache",
            "every client shows a key here, and what is kept is only for those that show nothing",
            "leave cache out, or key",
        )


def _speakers_are_others(
    table: Section, capability: Capability, capabilities: Mapping[str, Capability]
) -> None:
    """What a capability tells itself would wait for the door that its own switch has shut."""
    for kind in capability.subscribes:
        speaker = kind.partition(".")[0]
        if speaker == capability.name:
            table.report(
                f"{capability.name}.subscribes",
                f"{kind!r} is said by {speaker} itself, which could never change owner: its events "
                "have to be told first, and its door is shut meanwhile",
                "leave it out, and do it in the transaction that says so; or let a job do it",
            )
        elif speaker not in capabilities:
            table.report(
                f"{capability.name}.subscribes",
                f"{kind!r} would be said by {speaker!r}, and there is no such capability",
                nearest(speaker, capabilities, what="capabilities"),
            )


def _contracts_are_apart(table: Section, one: Capability, other: Capability) -> None:
    if one.contract and one.contract == other.contract:
        table.report(
            f"{other.name}.contract",
            f"{other.contract!r} is the contract of {one.name} already",
            "name this capability's own",
        )


def _paths_are_apart(table: Section, one: Capability, other: Capability) -> None:
    for mine in map(routes.parse, one.routes):
        for theirs in map(routes.parse, other.routes):
            if mine.literals == theirs.literals and mine.overlaps(theirs):
                both = (
                    f"{theirs.text!r} is claimed by {one.name} too"
                    if mine.text == theirs.text
                    else f"{theirs.text!r} and {mine.text!r} of {one.name} claim the same paths, "
                    "and neither is more literal"
                )
                table.report(
                    f"{other.name}.routes", both, "let one capability have them, or be more literal"
                )
