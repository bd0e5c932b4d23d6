"""Where one request would go, and why: what ``strangler explain`` says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from strangler.django import conf
from strangler.django.edge import identity
from strangler.django.ports import placing
from strangler.ladder import COHORTS, Arm
from strangler.routing import cohorts
from strangler.routing.decide import Call, Decision, Kind, Reason
from strangler.routing.paths import OddPath, RouteMap, canonical
from strangler.routing.table import Entry, TableUnusable


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What the edge would do with a request. Without ``capability`` the monolith answers as ever.

    ``refused`` says why the path would be refused with 400.
    """

    method: str
    path: str
    capability: str | None = None
    route: str | None = None
    kind: Kind | None = None
    cohort: int | None = None
    cohort_from: str | None = None
    decision: Decision | None = None
    entry: Entry | None = None
    refused: str | None = None

    @property
    def arm(self) -> Arm | None:
        """Who answers; None for a request that is refused."""
        if self.refused:
            return None
        return self.decision.arm if self.decision else Arm.MONOLITH

    @property
    def because(self) -> str:
        """Why, in one sentence."""
        if self.refused:
            return f"refused with 400: {self.refused}"
        if self.capability is None or self.decision is None:
            return "no capability has this path: the monolith answers, as ever"
        if self.entry is None or self.decision.reason is Reason.OWNER:
            return "the routing table can't be asked: the owner answers"
        share = self.entry.share.queries if self.kind is Kind.QUERY else self.entry.share.commands
        what = "queries" if self.kind is Kind.QUERY else "commands"
        if share in {0, COHORTS}:
            return f"the service has {'all' if share else 'none'} of the {what}"
        place = "inside" if self.decision.reason is Reason.INSIDE else "outside"
        return (
            f"the service has {share / 10:g} % of the {what}, and cohort {self.cohort} is {place}"
        )


def explain(
    method: str,
    path: str,
    *,
    headers: Mapping[str, str],
    cookie: str | None = None,
    address: str | None = None,
    cohort: int | None = None,
) -> Explanation:
    """What the edge would do with this request, by the table as it is now.

    ``cookie`` is the Cookie header, or only the value of the edge's own; ``cohort`` outranks
    whatever the client shows.
    """
    manifest = conf.manifest()
    routes = RouteMap(manifest)
    raw = path.partition("?")[0]
    method = method.upper()
    try:
        plain = canonical(raw)
    except OddPath as odd:
        if routes.touches(raw):
            return Explanation(method=method, path=path, refused=odd.reason)
        return Explanation(method=method, path=path)
    match = routes.match(plain)
    if match is None:
        return Explanation(method=method, path=path)
    source = "given"
    if cohort is None:
        meta = _meta(headers, cookie, address)
        cohort, source = _cohort(manifest.edge.sticky, meta)
    kind = routes.kind(match, method, plain)
    decision = placing.place(Call(match.capability, kind, cohort))
    try:
        entry = placing.table().entry(match.capability)
    except TableUnusable:
        entry = None
    return Explanation(
        method=method,
        path=path,
        capability=match.capability,
        route=match.route,
        kind=kind,
        cohort=cohort,
        cohort_from=source,
        decision=decision,
        entry=entry,
    )


def _meta(headers: Mapping[str, str], cookie: str | None, address: str | None) -> dict[str, str]:
    meta = {_variable(name): value for name, value in headers.items()}
    if cookie:
        meta["HTTP_COOKIE"] = f"{identity.COOKIE}={cookie}" if cookie.isdigit() else cookie
    if address:
        meta["REMOTE_ADDR"] = address
    return meta


def _variable(header: str) -> str:
    return f"HTTP_{header.upper().replace('-', '_')}"


def _cohort(sticky: tuple[str, ...], meta: Mapping[str, str]) -> tuple[int, str]:
    """The cohort, and which sticky key it comes from."""
    for key in sticky:
        if key == "cookie":
            shown = identity.kept(meta) is not None
        elif key == "address":
            shown = "REMOTE_ADDR" in meta
        else:
            shown = bool(meta.get(_variable(key.removeprefix("header:"))))
        if shown:
            return identity.Sticky((key,)).look(meta).cohort, key
    return cohorts.draw(), "drawn"
