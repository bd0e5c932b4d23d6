"""Routes: prefixes of paths, segment by segment, in which ``*`` stands for exactly one segment.

``/api/catalog/`` covers ``/api/catalog`` and everything under it, and never ``/api/catalogue``. Of
several routes that cover a path, the one with the most literal segments wins.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

EVERY = "*"

KIT = "_strangler"
"""The first segment of the kit's own paths, which no route covers."""

_ODD = re.compile(r"[\x00-\x20\x7f\\?#%]")


@dataclass(frozen=True, slots=True)
class Route:
    """One route, taken apart."""

    text: str
    segments: tuple[str, ...]

    @property
    def literals(self) -> int:
        """How literal it is: the number of its segments that are not ``*``."""
        return sum(segment != EVERY for segment in self.segments)

    def covers(self, segments: tuple[str, ...]) -> bool:
        """Does it cover every path that begins with these segments?"""
        return len(segments) >= len(self.segments) and all(
            mine in {EVERY, theirs} for mine, theirs in zip(self.segments, segments, strict=False)
        )

    def overlaps(self, other: Route) -> bool:
        """Is there a path which both cover?"""
        return all(
            EVERY in {mine, theirs} or mine == theirs
            for mine, theirs in zip(self.segments, other.segments, strict=False)
        )


class BadPath(ValueError):
    """This is no path that could be matched: ``found`` says why, ``remedy`` what to do."""

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(f"{found}; {remedy}")
        self.found = found
        self.remedy = remedy


def parse(text: str) -> Route:
    """Read a route.

    Raises:
        BadPath: it is none.
    """
    if not text.startswith("/") or not text.endswith("/"):
        suggestion = f"/{text.strip('/')}/" if text.strip("/") else "/api/catalog/"
        raise BadPath(f"{text!r} is no route", f"begin and end it with a slash: {suggestion!r}")
    route = Route(text, segments(text))
    if not route.literals:
        raise BadPath(
            f"{text!r} covers every path", "name at least one literal segment, as in '/*/catalog/'"
        )
    if route.segments[0] == KIT:
        raise BadPath(f"{text!r} is among the kit's own paths", f"leave /{KIT}/ to the kit")
    return route


def segments(text: str) -> tuple[str, ...]:
    """The segments of a path in a manifest; a slash at its end makes no difference.

    Raises:
        BadPath: it is not written as paths are matched: decoded, and without anything odd.
    """
    if not text.startswith("/"):
        raise BadPath(f"{text!r} is no path", f"begin it with a slash: {'/' + text!r}")
    if "//" in text:
        raise BadPath(f"{text!r} has an empty segment", "write single slashes")
    if odd := _ODD.search(text):
        raise BadPath(
            f"{text!r} contains {odd.group()!r}",
            "write the path decoded, without query string, spaces or backslashes",
        )
    parts = tuple(text.strip("/").split("/")) if text != "/" else ()
    for part in parts:
        if part in {".", ".."}:
            raise BadPath(f"{text!r} has the dot segment {part!r}", "write where it leads to")
        if EVERY in part and part != EVERY:
            raise BadPath(
                f"{text!r} has a * within {part!r}", "let * stand for one whole segment: '/*/'"
            )
    return parts
