"""A bus by its URL; the library is imported where one of its kind is named."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from strangler.events.buses import BadBus, Bus
from strangler.events.buses.database.bus import Consumers, DatabaseBus
from strangler.events.buses.shares import TTL

HTTP: Final = "http"
"""The bus that needs no broker."""
_KINDS = "http, redis://host:6379/0, rediss://host:6379/0 or kafka://host:9092,host:9092"
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


class _Given(NamedTuple):
    """A URL without our own options, and these."""

    url: str
    options: dict[str, str]


def connect(url: str, *, database: str | None = None, consumers: Consumers | None = None) -> Bus:
    """The bus that a URL names; nothing is connected yet.

    Args:
        url: ``http``, ``redis://…``, ``rediss://…`` or ``kafka://host:port,host:port``. Options
            come after a ``?``: ``lease=15s``, and for Redis ``retention=7d`` and ``replicas=1``,
            for Kafka those of librdkafka.
        database: whose queues ``http`` uses: that of whoever speaks.
        consumers: whom ``http`` queues an event for, and hands it over to, by its type.

    Raises:
        BadBus: says what is wrong, and what to write instead.
    """
    kind = urlsplit(url).scheme or url.partition("?")[0]
    if kind == HTTP and "//" not in url:
        return _http(url, database, consumers)
    if kind in {"redis", "rediss"}:
        return _redis(url)
    if kind == "kafka":
        return _kafka(url)
    raise BadBus(f"no bus is named by {_secretless(url)!r}: write {_KINDS}")


def _http(url: str, database: str | None, consumers: Consumers | None) -> Bus:
    if database is None:
        raise BadBus(
            "the http bus has its queues in the database that speaks: name it, or use another bus"
        )
    given = _given(f"{HTTP}://{url.removeprefix(HTTP)}", {"lease"})
    lease = _seconds(given.options, "lease", TTL)
    return DatabaseBus(database, consumers, lease=lease)


def _redis(url: str) -> Bus:
    try:
        from strangler.events.buses.redis import RedisBus  # noqa: PLC0415 - where it is named
        from strangler.events.buses.redis.bus import RETENTION  # noqa: PLC0415 - likewise
    except ImportError as error:
        raise BadBus(f"{error}; install strangler[redis]") from error
    given = _given(url, {"lease", "retention", "replicas"})
    path = urlsplit(url).path.strip("/")
    if path and not (path.isascii() and path.isdigit()):  # redis-py would take the first database
        raise BadBus(f"{path!r} is no database of a Redis: write redis://user:password@host:6379/0")
    return RedisBus(
        given.url,
        lease=_seconds(given.options, "lease", TTL),
        retention=_seconds(given.options, "retention", RETENTION),
        replicas=_count(given.options, "replicas"),
    )


def _kafka(url: str) -> Bus:
    try:
        from strangler.events.buses.kafka import KafkaBus  # noqa: PLC0415 - where it is named
    except ImportError as error:
        raise BadBus(f"{error}; install strangler[kafka]") from error
    given = _given(url, {"lease"})
    parts = urlsplit(given.url)
    servers = parts.netloc.split(",")
    if parts.path.strip("/") or "@" in parts.netloc or not all(map(_is_server, servers)):
        raise BadBus(
            "a Kafka is named kafka://host:9092,host:9092; who we are comes after a ?, such as "
            "security.protocol=SASL_SSL&sasl.username=…"
        )
    options = dict(parse_qsl(parts.query))
    return KafkaBus(servers, options=options, lease=_seconds(given.options, "lease", TTL))


def _is_server(text: str) -> bool:
    host, colon, port = text.rpartition(":")
    return bool(host and colon) and port.isascii() and port.isdigit() and int(port) < 65536


def _given(url: str, ours: set[str]) -> _Given:
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    theirs = urlencode([pair for pair in pairs if pair[0] not in ours])
    mine = {name: value for name, value in pairs if name in ours}
    return _Given(urlunsplit(parts._replace(query=theirs)), mine)


def _seconds(options: dict[str, str], name: str, default: float) -> float:
    if name not in options:
        return default
    found = _DURATION.fullmatch(options[name])
    if found is None:
        raise BadBus(f"{name}={options[name]} is no time: write {name}=15s, 10m, 24h or 7d")
    return float(found[1]) * _UNITS[found[2]]


def _count(options: dict[str, str], name: str) -> int:
    text = options.get(name, "0")
    if not (text.isascii() and text.isdigit()):
        raise BadBus(f"{name}={text} is no number: write {name}=1")
    return int(text)


def _secretless(url: str) -> str:
    """A URL in a message: what stands before an @ may be a password."""
    return re.sub(r"//[^@/]*@", "//…@", url)
