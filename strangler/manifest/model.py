"""What a manifest says, once it has been read and found right. Times are in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Placement = Literal["local", "loopback", "remote", "auto"]
"""Where a port's calls run; ``auto`` follows the ladder."""
RateBy = Literal["client", "address", "key"]
"""Whose requests are counted together: by credential, or else address; by address alone; or by the
client whose API key it is."""
HTTP = "http"
"""The bus that needs no broker."""
BODY = 1024 * 1024
"""Bytes that the body of a request may have: as many as a service takes."""


@dataclass(frozen=True, slots=True)
class Edge:
    """What stands in front.

    ``sticky`` names what a client's cohort comes from; the first that is there counts:
    ``header:NAME``, ``cookie`` (the edge's own) or ``address``.
    ``credentials`` are headers, beside the usual ones, by which the monolith knows a client.
    ``header`` is how many bytes a line of a request's head may have; all of them four times that.
    ``site`` is by which URL clients are to come; ``hsts`` for how many seconds browsers are to
    remember that it is only reached by TLS.
    """

    monolith: str
    sticky: tuple[str, ...] = ("cookie", "address")
    credentials: tuple[str, ...] = ()
    header: int = 8 * 1024
    site: str | None = None
    hsts: float | None = None


@dataclass(frozen=True, slots=True)
class Breaker:
    """Opens after ``failures`` in a row, and tries again after ``reset`` seconds."""

    failures: int = 5
    reset: float = 30.0


@dataclass(frozen=True, slots=True)
class Resilience:
    """How patient callers are: seconds for the whole call, tries, and calls under way at once."""

    timeout: float = 2.0
    attempts: int = 3
    breaker: Breaker = field(default_factory=Breaker)
    concurrency: int = 20


@dataclass(frozen=True, slots=True)
class Shadow:
    """What is compared, and how much of it opens the gate to the canary.

    ``sample`` is a share from 0 to 1. ``ignore``, ``unordered`` and ``redact`` are paths into the
    JSON of an answer (``strangler.manifest.jsonpath``). ``min_rehearsals`` is 0 where only events
    command, which are never rehearsed.
    """

    sample: float = 0.25
    ignore: tuple[str, ...] = ()
    unordered: tuple[str, ...] = ()
    redact: tuple[str, ...] = ()
    min_comparisons: int = 3000
    min_per_route: int = 30
    min_rehearsals: int = 30


@dataclass(frozen=True, slots=True)
class Rollout:
    """The percentages of the canary, the requests that a gate wants, and the soak in seconds."""

    steps: tuple[int, ...] = (1, 5, 25, 50)
    min_requests: int = 500
    soak: float = 600.0


@dataclass(frozen=True, slots=True)
class Gateway:
    """What the edge owes a capability's clients and its arms; an NGINX in front keeps to it.

    ``rate`` is in requests per second, for each client; ``burst`` is how many more may come at
    once.
    ``origins`` are the other sites whose scripts may ask.
    ``body`` is how many bytes the body of a request may have.
    ``key`` is the header in which a client has to show its API key.
    ``cache`` is for how many seconds the answer to a query is kept, and given to others.
    ``maintenance`` is how many seconds clients are told to wait while it is closed; without it no
    edge looks whether it is.
    ``slash`` says whether a route without the slash at its end is sent to the one with it.
    """

    rate: float | None = None
    rate_by: RateBy = "client"
    burst: int = 20
    origins: tuple[str, ...] = ()
    body: int = BODY
    key: str | None = None
    cache: float | None = None
    slash: bool = False
    maintenance: float | None = None


@dataclass(frozen=True, slots=True)
class Events:
    """What carries events: ``http``, which needs no broker, or the URL of one."""

    bus: str = HTTP

    @property
    def pushed(self) -> bool:
        """Whether whoever listens is brought the events, and pulls nothing."""
        return self.bus.partition("?")[0] == HTTP


@dataclass(frozen=True, slots=True)
class Capability:
    """What moves: one business ability with its paths, its contract and its tables.

    ``queries`` are the exceptions, as ``(METHOD, path)``: commands by method, queries by nature.
    ``contract`` and ``transfer`` are ``module:name``.
    ``subscribes`` are the types of event that it is told.
    """

    name: str
    context: str
    owner: str
    contract: str
    service: tuple[str, ...]
    routes: tuple[str, ...]
    queries: tuple[tuple[str, str], ...] = ()
    callers: tuple[str, ...] = ()
    transfer: str | None = None
    placement: Placement = "auto"
    group: str | None = None
    resilience: Resilience = field(default_factory=Resilience)
    shadow: Shadow = field(default_factory=Shadow)
    rollout: Rollout = field(default_factory=Rollout)
    gateway: Gateway = field(default_factory=Gateway)
    subscribes: tuple[str, ...] = ()

    @property
    def salt(self) -> str:
        """What its cohorts are shuffled by: capabilities of one group share their clients."""
        return self.group or self.name


@dataclass(frozen=True, slots=True)
class Manifest:
    """The whole of ``capabilities.toml``: edge, events, and the capabilities in its order."""

    path: Path
    edge: Edge
    capabilities: Mapping[str, Capability]
    events: Events = field(default_factory=Events)

    @property
    def groups(self) -> Mapping[str, str]:
        """The group of each capability that has one."""
        return {name: one.group for name, one in self.capabilities.items() if one.group}

    def subscribers(self, kind: str) -> tuple[str, ...]:
        """The capabilities that are told events of this type, in the file's order."""
        return tuple(name for name, one in self.capabilities.items() if kind in one.subscribes)

    def together(self, capability: str) -> tuple[str, ...]:
        """The capabilities that flip with this one, itself among them, in the file's order.

        Raises:
            KeyError: there is no such capability.
        """
        salt = self.capabilities[capability].salt
        return tuple(name for name, one in self.capabilities.items() if one.salt == salt)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: file, dotted key, what was found, and what to write instead."""

    file: str
    key: str
    found: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.found}; {self.remedy}"


class ManifestErrors(ValueError):
    """A manifest is refused whole, with everything that is wrong with it at once."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))
