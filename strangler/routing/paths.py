"""Which capability a path belongs to, seen the same way on both edges.

A path is matched in its canonical form: decoded once, segment by segment. Two readers of the same
bytes must not see two different paths, so whatever they might read differently (dot segments, empty
segments, encoded slashes, backslashes, control characters) has no canonical form. Such a path is
refused where it could reach a capability, and is none of our business elsewhere.

The route ``/api/catalog/`` covers ``/api/catalog`` and everything under it, and never
``/api/catalogue``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from strangler.manifest import Manifest, routes
from strangler.manifest.values import SAFE
from strangler.routing.decide import Kind

_PLAIN = re.compile(r"(?:/(?!\.\.?(?:/|\Z))[A-Za-z0-9._~!$&'()*+,;=:@-]+)+/?|/")
_ODD_RAW = (
    (re.compile(r"\A(?!/)"), "it does not begin with a slash"),
    (re.compile(r"[?#]"), "a query string or fragment is no part of a path"),
    (re.compile(r"%(?![0-9A-Fa-f]{2})"), "a % is not followed by two hexadecimal digits"),
    (re.compile(r"%2[Ff]"), "it has an encoded slash"),
)
_ODD = (
    (re.compile(r"\\"), "it has a backslash"),
    (re.compile(r"[\x00-\x1f\x7f]"), "it has a control character"),
    (re.compile(r"//"), "it has an empty segment"),
    (re.compile(r"/\.\.?(?:/|\Z)"), "it has a dot segment"),
)
_KEPT = 1024
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]*")


class OddPath(ValueError):
    """A path that two readers might understand differently; ``reason`` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Match(NamedTuple):
    """The capability that a path belongs to, and the route of the manifest that says so."""

    capability: str
    route: str


def canonical(raw: str) -> str:
    """The path as it is matched, from the path as it came over the wire (without query string).

    Like WSGI's and ASGI's, ``raw`` holds one character for each byte.

    Raises:
        OddPath: it has no canonical form.
    """
    if _PLAIN.fullmatch(raw):
        return raw
    for pattern, reason in _ODD_RAW:
        if pattern.search(raw):
            raise OddPath(reason)
    try:
        path = _bytes(raw).decode()
    except UnicodeDecodeError as error:
        raise OddPath("it is no UTF-8") from error
    for pattern, reason in _ODD:
        if pattern.search(path):
            raise OddPath(reason)
    return path


def _bytes(raw: str) -> bytes:
    try:
        return unquote_to_bytes(raw.encode("latin-1"))
    except UnicodeEncodeError:
        return unquote_to_bytes(raw)


class _Node:
    """What a path may go on with after some segments."""

    __slots__ = ("children", "every", "match", "rank")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.every: _Node | None = None
        self.match: Match | None = None
        self.rank = (0, 0)


class _Queries(NamedTuple):
    """The exceptions of one capability: those without ``*`` to look up, those with it to try."""

    literal: frozenset[tuple[str, str]]
    patterns: tuple[tuple[str, routes.Route], ...]


class RouteMap:
    """All routes of a manifest, made ready for matching. Never changes."""

    __slots__ = ("_queries", "_root", "missed")

    def __init__(self, manifest: Manifest) -> None:
        self._root = _Node()
        self.missed: Callable[[str], str | None] = lru_cache(_KEPT)(self._missed)
        """The canonical form of a path as it came, if it has one and is neither a capability's nor
        the kit's own.

        None says nothing. It remembers paths, because most requests are for the same few, and those
        of no capability have to cost next to nothing.
        """
        self._queries: dict[str, _Queries] = {}
        for name, capability in manifest.capabilities.items():
            for text in capability.routes:
                self._add(routes.parse(text), Match(name, text))
            self._queries[name] = _Queries(
                frozenset((method, path.rstrip("/")) for method, path in capability.queries),
                tuple(
                    (method, routes.Route(path, routes.segments(path)))
                    for method, path in capability.queries
                    if routes.EVERY in path
                ),
            )

    def match(self, path: str) -> Match | None:
        """The capability of a canonical path, by its most literal route; None if it has none."""
        segments = path.split("/")
        nodes = [self._root]
        found: Match | None = None
        rank = (0, 0)
        for segment in segments[1:]:
            further = []
            for node in nodes:
                if (child := node.children.get(segment)) is not None:
                    further.append(child)
                if node.every is not None and segment:
                    further.append(node.every)
            if not further:
                break
            for node in further:
                if node.rank > rank:
                    rank, found = node.rank, node.match
            nodes = further
        if found is not None and segments[1] == routes.KIT:
            return None
        return found

    def kind(self, match: Match, method: str, path: str) -> Kind:
        """Is this request a query or a command? ``path`` is canonical, and ``match`` its match."""
        if method in SAFE:
            return Kind.QUERY
        literal, patterns = self._queries[match.capability]
        if (method, path.rstrip("/")) in literal:
            return Kind.QUERY
        segments = tuple(path.strip("/").split("/"))
        inside = any(
            known == method and len(one.segments) == len(segments) and one.covers(segments)
            for known, one in patterns
        )
        return Kind.QUERY if inside else Kind.COMMAND

    def touches(self, raw: str) -> bool:
        """Could some reader of this path, as it came over the wire, see one of a capability?

        What ``canonical`` refuses is to be refused with 400 if so, and to be left alone if not.
        """
        raw = _ABSOLUTE.sub("", raw.partition("?")[0].partition("#")[0], count=1)
        text = _bytes(raw).decode(errors="replace").replace("\\", "/")
        merged = [segment for segment in text.split("/") if segment]
        resolved: list[str] = []
        for segment in merged:
            if segment == "..":
                del resolved[-1:]
            elif segment != ".":
                resolved.append(segment)
        undotted = [segment for segment in merged if segment != "."]
        return any(
            self.match("/" + "/".join(segments)) is not None
            for segments in (merged, undotted, resolved)
        )

    def _missed(self, raw: str) -> str | None:
        try:
            path = canonical(raw)
        except OddPath:
            return None
        ours = path.startswith(f"/{routes.KIT}/") or self.match(path) is not None
        return None if ours else path

    def _add(self, route: routes.Route, match: Match) -> None:
        node = self._root
        for segment in route.segments:
            if segment != routes.EVERY:
                node = node.children.setdefault(segment, _Node())
                continue
            if node.every is None:
                node.every = _Node()
            node = node.every
        node.match = match
        node.rank = (route.literals, len(route.segments))
