"""One converter for each kind of value in a manifest: what TOML gave in, what the model holds out.

Each raises ``Wrong`` for what it can't accept, saying what was found and what to write instead.
"""

from __future__ import annotations

import difflib
import keyword
import re
from collections.abc import Callable, Collection
from itertools import pairwise
from typing import TypeVar, get_args
from urllib.parse import urlsplit

from strangler.manifest import jsonpath, routes
from strangler.manifest.model import HTTP, Placement

T = TypeVar("T")
Converter = Callable[[object], T]

UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
"""The methods that are commands unless a manifest lists the path among its queries."""

SAFE = ("GET", "HEAD", "OPTIONS")
"""The methods that are always queries."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_EVENT = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*\.[a-z][a-z0-9_-]*")
BUSES = ("redis", "rediss", "kafka")
"""The schemes of the brokers that carry events."""
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

# STRANGLER_<NAME> places a port, STRANGLER_<NAME>_URL and STRANGLER_<NAME>_DATABASE say where its
# service and its rows are: these mean something else.
_TAKEN = {
    "actor", "build", "bus", "certificate", "certificate_key", "control", "door", "drain", "edge",
    "keys", "log_level", "manifest", "monolith", "mover", "nginx", "nginx_user", "table", "threads",
    "waiting",
}  # fmt: skip


class Wrong(ValueError):
    """A value that can't be accepted."""

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(f"{found}; {remedy}")
        self.found = found
        self.remedy = remedy


def nearest(name: str, known: Collection[str], *, what: str) -> str:
    """The remedy for a name that is not known."""
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"the {what} are {', '.join(sorted(known))}" if known else f"there are no {what}"


def text(value: object) -> str:
    """A text that says something."""
    if not isinstance(value, str):
        raise Wrong(f"{value!r} is no text", "write it between quotes")
    if not value.strip():
        raise Wrong("it is empty", "fill it in, or leave the key out")
    return value


def name(value: object) -> str:
    """The name of a capability or group: it becomes part of file names and variables."""
    given = text(value)
    if not _NAME.fullmatch(given):
        raise Wrong(
            f"{given!r} can't be part of file names and environment variables",
            "use a lower-case letter, then letters, digits and _, at most 40 in all",
        )
    if given in _TAKEN or given.endswith(("_url", "_database")):
        raise Wrong(f"STRANGLER_{given.upper()} means something else", "use another name")
    return given


def module(value: object) -> str:
    """The dotted name of a module."""
    given = text(value)
    if not _dotted(given):
        raise Wrong(f"{given!r} is no dotted module name", "write one, such as 'monolith.catalog'")
    return given


def target(value: object) -> str:
    """A name in a module, as ``module:name``."""
    given = text(value)
    where, _, what = given.partition(":")
    if not _dotted(where) or not what.isidentifier():
        raise Wrong(f"{given!r} names nothing in a module", "write 'package.module:Name'")
    return given


def url(value: object) -> str:
    """The base URL of a server, without a slash at its end."""
    given = text(value)
    remedy = "write 'http://HOST:PORT' or 'https://HOST:PORT', and no more"
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError as error:
        raise Wrong(f"{given!r} is no URL ({error})", remedy) from error
    if parts.scheme not in {"http", "https"}:
        raise Wrong(f"{given!r} has no scheme that is spoken here", remedy)
    if not parts.hostname or re.search(r"[\s\\]", given) or port == 0:
        raise Wrong(f"{given!r} names no host and port", remedy)
    if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise Wrong(f"{given!r} has more than scheme, host and port", remedy)
    return given.rstrip("/")


def route(value: object) -> str:
    """A prefix of paths."""
    try:
        return routes.parse(text(value)).text
    except routes.BadPath as error:
        raise Wrong(error.found, error.remedy) from error


def query(value: object) -> tuple[str, str]:
    """A method and a path that are a query though the method says otherwise."""
    given = text(value)
    method, space, path = given.partition(" ")
    if not space:
        raise Wrong(f"{given!r} is no method and path", "write 'POST /api/catalog/search'")
    if method in SAFE:
        raise Wrong(f"{method} is a query already", "leave it out")
    if method not in UNSAFE:
        raise Wrong(f"{method!r} is no method", f"write one of {', '.join(UNSAFE)}")
    try:
        routes.segments(path)
    except routes.BadPath as error:
        raise Wrong(error.found, error.remedy) from error
    return method, path


def event(value: object) -> str:
    """The type of an event: capability, aggregate, and what has happened to it."""
    given = text(value)
    if not _EVENT.fullmatch(given):
        raise Wrong(
            f"{given!r} is no type of event",
            "write capability.aggregate.what, such as 'catalog.product.changed'",
        )
    return given


def bus(value: object) -> str:
    """What carries events. What is wrong is not repeated whole, as it may hold a secret."""
    given = text(value)
    if given.partition("?")[0] == HTTP:
        return given
    scheme = given.partition("://")[0]
    remedy = "write 'http', 'redis://HOST:PORT/0' or 'kafka://HOST:PORT'"
    if scheme not in BUSES:
        raise Wrong(f"{scheme!r} is no bus that is known here", remedy)
    try:
        host, _ = urlsplit(given).hostname, urlsplit(given).port
    except ValueError:
        host = None
    if not host and scheme != "kafka":  # which may name several
        raise Wrong("the URL of the bus names no host and port", remedy)
    return given


def placement(value: object) -> Placement:
    """Where calls of a port run."""
    for known in get_args(Placement):
        if value == known:
            return known  # type: ignore[no-any-return]  # get_args forgets the literals
    raise Wrong(f"{value!r} is no placement", f"write one of {', '.join(get_args(Placement))}")


def sticky(value: object) -> str:
    """What a client's cohort comes from."""
    given = text(value)
    if given in {"cookie", "address"}:
        return given
    kind, _, header = given.partition(":")
    if kind != "header" or not _HEADER.fullmatch(header):
        raise Wrong(
            f"{given!r} is nothing to keep a client by", "write header:NAME, cookie or address"
        )
    if header.lower().startswith("x-strangler-"):
        raise Wrong(f"{header} is the edge's own", "name a header that clients send")
    return given


def json_path(value: object) -> str:
    """A place in the JSON of an answer."""
    given = text(value)
    try:
        jsonpath.parse(given)
    except ValueError as error:
        raise Wrong(
            f"{given!r} is no path ({error})", "write $.name, $.items[*].name or $['odd name']"
        ) from error
    return given


def duration(value: object) -> float:
    """A stretch of time in seconds, which may be none."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Wrong(f"{value!r} is no duration", "write a number and ms, s, m or h, such as '2s'")
    return float(match[1]) * _UNITS[match[2]]


def positive_duration(value: object) -> float:
    """A stretch of time in seconds."""
    seconds = duration(value)
    if not seconds:
        raise Wrong(f"{value!r} is no time at all", "write a duration above 0, such as '2s'")
    return seconds


def switch(value: object) -> bool:
    """Yes or no."""
    if not isinstance(value, bool):
        raise Wrong(f"{value!r} is neither true nor false", "write true, or leave it out")
    return value


def whole_seconds(value: object) -> float:
    """A stretch of time in seconds, without a part of one."""
    seconds = positive_duration(value)
    if not seconds.is_integer():
        raise Wrong(f"{value!r} has a part of a second", "write whole seconds, such as '5s'")
    return seconds


def count(value: object) -> int:
    """A whole number, at least 1."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise Wrong(f"{value!r} is no whole number above 0", "write one, such as 5")
    return value


def maybe_count(value: object) -> int:
    """A whole number, at least 0."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Wrong(f"{value!r} is no whole number", "write one, such as 5, or 0 for none")
    return value


def proportion(value: object) -> float:
    """A number from 0 to 1."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise Wrong(f"{value!r} is no share", "write a number from 0 to 1, such as 0.25")
    return float(value)


def steps(value: object) -> tuple[int, ...]:
    """The percentages of a canary."""
    remedy = "write whole percentages in ascending order, such as [1, 5, 25, 50]"
    if not isinstance(value, list) or not value:
        raise Wrong(f"{value!r} is no list of percentages", remedy)
    for step in value:
        if not isinstance(step, int) or isinstance(step, bool):
            raise Wrong(f"{step!r} is no whole number", remedy)
        if not 1 <= step <= 100:
            raise Wrong(f"{step} is not from 1 to 100", remedy)
    for before, after in pairwise(value):
        if before >= after:
            raise Wrong(f"{after} does not come after {before}", remedy)
    return tuple(value)


def _dotted(given: str) -> bool:
    return all(part.isidentifier() and not keyword.iskeyword(part) for part in given.split("."))
