"""How this process is wired: who it is, who answers here, and how others are reached.

The rims (``strangler.django``, ``strangler.fastapi``, the pytest plugin) call ``configure`` once
and ``register`` for each implementation. Ports that were bound before notice by ``version``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from strangler.ladder import Arm
from strangler.manifest.model import Placement, Resilience
from strangler.ports.declare import Kind, Method, Port, capability, declared, methods
from strangler.ports.rehearsal import Make
from strangler.routing.decide import Call, Decision

if TYPE_CHECKING:
    from strangler.ports.trust.keys import Keyring
    from strangler.ports.trust.tokens import ReplayGuard

Door = Callable[[str, float], AbstractContextManager[int | None]]
MONOLITH = "monolith"
"""The party that the monolith is; a service's party is its capability."""


class Outcome(StrEnum):
    """How a call that the ladder placed has ended on the arm where it was sent, retries and all."""

    OK = "ok"
    DECLARED = "declared"
    """With an error of the contract: an answer like any other."""
    FAILED = "failed"
    FALLBACK = "fallback"
    """The service failed, and the monolith answered."""


class Observe(Protocol):
    """Is told how a call that the ladder placed has ended, and how many seconds that took."""

    def __call__(
        self, capability: str, arm: Arm, kind: Kind, outcome: Outcome, seconds: float
    ) -> None:
        """Take note, quickly: the caller waits."""


class Returned(Protocol):
    """Is told what a command has returned. Never raises."""

    def __call__(self, result: Any, /) -> None:
        """Take note, quickly: the caller waits."""


class Sampled(Protocol):
    """Sees the commands of ports that this process answers, and may have some rehearsed."""

    def __call__(
        self, method: Method, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> AbstractContextManager[Returned | None, None]:
        """What to do this one within. What is raised inside is how it ended; else it is told."""


def _one_party_each(capability: str, arm: Arm) -> str:
    return MONOLITH if arm is Arm.MONOLITH else capability


def _defaults(_capability: str) -> Resilience:
    return Resilience()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """Everything a process decides about ports. Never changed; ``configure`` puts another there.

    Attributes:
        party: who this process is to others: ``monolith``, or the service's capability.
        arm: which arm the implementations registered here are.
        keyring: signs what leaves and checks what comes in; needed to call over HTTP.
        place: where the ladder sends a call; None where there is no table: then whatever has no
            implementation here is asked of the monolith, whose port endpoint places it.
        fallback: may the monolith answer this kind of call after the service has failed?
        arrived: has all come here that the service of a capability had committed by now? Waits for
            it, until the deadline (on the clock of ``time.monotonic``) if there is one. Asked
            before a fallback for whoever has commanded the capability.
        urls: the base URLs of an arm of a capability.
        audience: the party that an arm of a capability is.
        resilience: how patient callers of a capability are.
        placements: where calls of a capability run, as the manifest says; ``auto`` if it does not.
        placed: what outranks the environment and the manifest: tests put it there, by capability,
            ``*`` for all that are not named.
        observe: is told of every call that the ladder placed.
        guard: looks for an open database transaction before every call; None looks for nothing.
        replays: remembers which commands have been delivered.
        interpose: stands around every call; None stands nowhere.
        door: hold the door of a capability on this side until the block ends, having come in by a
            deadline (on the clock of ``time.monotonic``); gives the epoch since which this side
            owns the rows, None where there is no door. Raises ``NotOwner`` or ``DoorShut``.
        epoch: since when a capability has its owner, as the routing table says; 0 for unknown.
        rehearsal: makes what a command is rehearsed in; None where none can be.
        sampled: stands around each command of a port that this process answers for its own arm,
            inside the door, and is told how it ends; None stands nowhere.
    """

    party: str = MONOLITH
    arm: Arm = Arm.MONOLITH
    keyring: Keyring | None = None
    place: Callable[[Call], Decision] | None = None
    fallback: Callable[[str, Kind], bool] | None = None
    arrived: Callable[[str, float | None], bool] | None = None
    urls: Callable[[str, Arm], Sequence[str]] | None = None
    audience: Callable[[str, Arm], str] = _one_party_each
    resilience: Callable[[str], Resilience] = _defaults
    placements: Mapping[str, Placement] = field(default_factory=dict)
    placed: Mapping[str, Placement] = field(default_factory=dict)
    observe: Observe | None = None
    guard: Callable[[Method], None] | None = None
    replays: ReplayGuard | None = None
    interpose: Callable[[Method, Callable[[], Any]], Any] | None = None
    door: Door | None = None
    epoch: Callable[[str], int] | None = None
    rehearsal: Make | None = None
    sampled: Sampled | None = None


wiring = Wiring()
"""What is in force now. Read it as ``runtime.wiring``: ``configure`` replaces it."""

version = 0
"""Grows with every change, of the wiring or of who answers here."""

_implementations: dict[str, Port] = {}


def configure(**changes: Any) -> Wiring:
    """Change these attributes of the wiring, and leave the others."""
    return _set(replace(wiring, **changes))


@contextlib.contextmanager
def configured(**changes: Any) -> Iterator[Wiring]:
    """Change these attributes for the block; afterwards the former wiring is back."""
    former = wiring
    try:
        yield configure(**changes)
    finally:
        _set(former)


def _set(new: Wiring) -> Wiring:
    global wiring, version  # noqa: PLW0603 - the one place where the process's wiring is kept
    wiring = new
    version += 1
    return new


def register(port: type[Port], implementation: Port) -> None:
    """This object answers for the port in this process; it takes the place of a former one.

    Raises:
        TypeError: the object does not implement the port, or not all of it.
    """
    name = capability(port)
    if not isinstance(implementation, declared(port)):
        raise TypeError(
            f"{type(implementation).__qualname__} can't answer for {name}: derive it from "
            f"{port.__module__}.{port.__qualname__}"
        )
    missing = [
        method
        for method in methods(port)
        if getattr(type(implementation), method) is getattr(declared(port), method)
    ]
    if missing:
        raise TypeError(
            f"{type(implementation).__qualname__} does not implement {', '.join(missing)} "
            f"of {port.__module__}.{port.__qualname__}"
        )
    _implementations[name] = implementation
    _set(wiring)


def unregister(port: type[Port]) -> None:
    """Nobody answers for the port in this process any more."""
    _implementations.pop(capability(port), None)
    _set(wiring)


def implementation(capability: str) -> Port | None:
    """Who answers for the capability in this process, None for nobody."""
    return _implementations.get(capability)


def implementations() -> Mapping[str, Port]:
    """Who answers for what in this process, by capability."""
    return dict(_implementations)
