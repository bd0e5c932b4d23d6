"""What the control plane and its agents say to each other, as JSON over HTTP.

An agent reports, and hears what it has not heard yet; where there is nothing new, the control plane
may let it wait. An agent in front of which clients stand also tells what its edge has answered.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from strangler.latency import BUCKETS

FOLLOW: Final = "/_strangler/agents/follow"
COUNT: Final = "/_strangler/agents/count"
EDGE: Final = "edge"
"""The party that all edges sign as; each has a name of its own."""
LEASE: Final = 10.0
"""Seconds after its last report in which an agent is still waited for."""
WAIT: Final = 5.0
"""Seconds that an agent waits for news, at most."""
LONGEST: Final = 2000
"""Characters of what an agent says to a person, at most."""

NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z"
Name = Annotated[str, Meta(pattern=NAME)]
Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Amount = Annotated[int, Meta(ge=0, le=2**40)]
Said = Annotated[str, Meta(pattern=r"^[^\x00-\x09\x0b-\x1f\x7f-\x9f]*\Z")]
"""What a person reads: it can't move a terminal's cursor, and any database takes it."""


class BadMessage(ValueError):
    """This is none of these messages; says what is wrong with it."""


class News(msgspec.Struct, frozen=True, kw_only=True):
    """The routing table as the control plane has it."""

    revision: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    entries: dict[Name, dict[str, Any]]
    """What ``revision`` of the table holds for each capability."""
    groups: dict[Name, Name]
    """The group of each capability that has one."""
    since: dict[Name, Number]
    """The revision at which the evidence of each capability's rung begins."""

    @property
    def digest(self) -> str:
        """The same for the same news."""
        data = msgspec.to_builtins(self)
        return sha256(msgspec.json.encode(data, order="sorted")).hexdigest()


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an agent has made of what it has heard so far."""

    name: Name
    table: Number = 0
    """The revision that its table is at; 0 where it has none."""
    heard: Number = 0
    """The revision of the last news that it has dealt with."""
    digest: str = ""
    """Which news that was."""
    refused: Annotated[Said, Meta(max_length=LONGEST)] = ""
    """Why it could not do all of it."""
    edge: Annotated[Said, Meta(max_length=40)] = ""
    """The edge that it serves, as ``nginx 1.22.1``; empty beside a service."""
    wait: Annotated[float, Meta(ge=0, le=WAIT)] = 0.0
    """Seconds to wait for news."""
    leaves: bool = False
    """It ends, and is not to be waited for."""


class Counted(msgspec.Struct, frozen=True, array_like=True):
    """How many calls of one kind an arm has answered within one bucket of latency."""

    capability: str
    since: Number
    arm: str
    kind: str
    bucket: Annotated[int, Meta(ge=0, lt=BUCKETS)]
    requests: Amount
    failures: Amount
    fallbacks: Amount

    def __post_init__(self) -> None:
        """Check that it can be true.

        Raises:
            ValueError: more calls have failed than there were.
        """
        if max(self.failures, self.fallbacks) > self.requests:
            raise ValueError("more calls have failed than there were")


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What an edge has answered since it told the last time."""

    name: Name
    batch: Number
    """Grows from one to the next: the same one is never counted twice."""
    counted: Annotated[tuple[Counted, ...], Meta(max_length=10_000)]


class Behind(msgspec.Struct, frozen=True, kw_only=True):
    """A batch was not counted, since a later one has been: by an agent whose clock was ahead."""

    last: Number
    """The number of the last batch that was counted: what comes has to have a higher one."""


Message = News | Report | Counts | Behind
T = TypeVar("T")


def encode(message: Message) -> bytes:
    """As it travels."""
    return msgspec.json.encode(message)


def news(body: bytes) -> News:
    """What an agent hears.

    Raises:
        BadMessage: this is no news.
    """
    return _decode(body, News)


def report(body: bytes) -> Report:
    """What an agent says.

    Raises:
        BadMessage: this is no report.
    """
    return _decode(body, Report)


def counts(body: bytes) -> Counts:
    """What an edge has answered.

    Raises:
        BadMessage: these are no counts.
    """
    return _decode(body, Counts)


def behind(body: bytes) -> Behind:
    """Why what an edge has answered was not counted.

    Raises:
        BadMessage: this does not say.
    """
    return _decode(body, Behind)


def readable(text: str) -> str:
    """Some text as ``Said`` may have it."""
    return "".join(one if one.isprintable() or one == "\n" else "?" for one in text)[:LONGEST]


def _decode(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadMessage(str(error)) from error
