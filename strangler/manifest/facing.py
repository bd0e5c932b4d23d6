"""One converter for each kind of value that says how an edge faces its clients."""

from __future__ import annotations

import re
from typing import get_args
from urllib.parse import urlsplit

from strangler.manifest.model import BODY, RateBy
from strangler.manifest.values import Wrong, text, url

_SIZES = {"": 1, "k": 1024, "M": 1024 * 1024}
_SIZE = re.compile(r"([0-9]{1,9})([kM]?)")
_RATE = re.compile(r"([0-9]{1,6})/([sm])")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")
_SPOKEN_FOR = {"authorization", "cookie", "host", "connection", "upgrade", "content-type"}
_UNITS = {"s": 1.0, "m": 60.0}


def rate(value: object) -> float:
    """How often, in requests per second: whole ones a second or a minute."""
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None or not int(match[1]):
        raise Wrong(f"{value!r} is no rate", "write requests and s or m, such as '20/s' or '5/m'")
    return int(match[1]) / _UNITS[match[2]]


def rate_by(value: object) -> RateBy:
    """Whose requests are counted together."""
    for known in get_args(RateBy):
        if value == known:
            found: RateBy = known
            return found
    raise Wrong(f"{value!r} is nobody", "write 'client', 'address' or 'key'")


def origin(value: object) -> str:
    """Another site, as a browser names it."""
    given = url(value)
    if given != given.lower():
        raise Wrong(f"{given!r} is not as a browser writes it", f"write {given.lower()!r}")
    return given


def site(value: object) -> str:
    """By which URL clients come."""
    given = origin(value)
    if not _HOST.fullmatch(urlsplit(given).hostname or ""):
        raise Wrong(f"{given!r} names no host", "write 'https://shop.example'")
    return given


def key(value: object) -> str:
    """The header in which an API key is shown."""
    return _header(value, "X-Api-Key")


def credential(value: object) -> str:
    """A header by which the monolith knows a client."""
    return _header(value, "Remote-User")


def _header(value: object, such: str) -> str:
    given = text(value)
    if not _PLAIN.fullmatch(given):
        raise Wrong(f"{given!r} is no name of a header", f"write one, such as {such!r}")
    if given.lower().startswith("x-strangler-") or given.lower() in _SPOKEN_FOR:
        raise Wrong(f"{given} says something else", f"write another header, such as {such!r}")
    return given


def body(value: object) -> int:
    """How many bytes a body may have."""
    found = _size(value)
    if not 0 < found <= BODY:
        raise Wrong(f"{value!r} is not from 1 to 1M", "write at most '1M': no service takes more")
    return found


def header(value: object) -> int:
    """How many bytes a line of a request's head may have."""
    found = _size(value)
    if not 1024 <= found <= 256 * 1024:
        raise Wrong(f"{value!r} is not from 1k to 256k", "write a size between, such as '16k'")
    return found


def _size(value: object) -> int:
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Wrong(f"{value!r} is no size", "write bytes, or a number and k or M, such as '64k'")
    return int(match[1]) * _SIZES[match[2]]
