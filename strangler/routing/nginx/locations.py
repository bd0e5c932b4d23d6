"""Whose path it is: NGINX's locations, so that the most literal route wins, as it does elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from strangler.manifest import Capability, Manifest, routes
from strangler.manifest.routes import Route
from strangler.routing.nginx import gateway
from strangler.routing.nginx.requests import kind, pattern
from strangler.routing.nginx.services import alike
from strangler.routing.nginx.settings import Settings
from strangler.routing.nginx.writing import block, file, quoted

_Claim = tuple[Route, Capability]


def locations(manifest: Manifest, settings: Settings) -> str:
    """The file ``routes.conf``."""
    claims = [
        (routes.parse(text), capability)
        for capability in manifest.capabilities.values()
        for text in capability.routes
    ]
    like = alike(manifest, settings)
    bodies = {
        name: list(_body(one, like[name], manifest, settings))
        for name, one in manifest.capabilities.items()
    }
    by_pattern = _patterns(claims)
    plain = [claim for claim in claims if claim[0].text not in by_pattern]
    rest = sorted(
        (claim for claim in claims if claim[0].text in by_pattern),
        key=lambda claim: (claim[0].literals, len(claim[0].segments)),
        reverse=True,
    )
    return file(
        "Whose path it is. A route covers itself and everything under it, and of several that "
        "cover a path the most literal one wins: so NGINX tries no patterns once a plain route has "
        "matched, and patterns stand here in the order in which they have to be tried.",
        *(_both(route, bodies[capability.name]) for route, capability in plain),
        *(_pattern(route, bodies[capability.name]) for route, capability in rest),
    )


def _patterns(claims: Iterable[_Claim]) -> frozenset[str]:
    """The routes that can't stand as plain locations.

    Those with ``*``; and, because NGINX tries no patterns once a plain one has matched, those that
    cover a path which a more literal one of these covers too.
    """
    every = [route for route, _ in claims]
    wild = [route for route in every if routes.EVERY in route.segments]
    beaten = (
        route
        for route in every
        if any(other.literals > route.literals and other.overlaps(route) for other in wild)
    )
    return frozenset(route.text for route in (*wild, *beaten))


def _both(route: Route, body: list[str]) -> str:
    path = route.text.rstrip("/")
    return "\n".join(
        [
            block(f"location = {quoted(path)}", body),
            block(f"location ^~ {quoted(path + '/')}", body),
        ]
    )


def _pattern(route: Route, body: list[str]) -> str:
    return block(f'location ~ "^{pattern(route.segments)}(?:/|$)"', body)


def _body(
    capability: Capability, like: str, manifest: Manifest, settings: Settings
) -> Iterator[str]:
    yield f"set $strangler_capability {capability.name};"
    yield f"set $strangler_like {like};"
    yield f"set $strangler_kind {kind(capability)};"
    yield from gateway.inside_route(capability, manifest, settings)
    if capability.name in settings.retired:
        yield "include retired.conf;"
        return
    if capability.transfer is not None:
        yield f"set $strangler_pinned {pinned(capability)};"
        yield "include pinned.conf;"
    yield "include decide.conf;"


def pinned(capability: Capability) -> str:
    """The variable that says whether a client's queries of this capability go to the owner."""
    return f"$strangler_pinned_{capability.name}"
