"""A call of another process, with all that keeps one failure from becoming many.

Deadline, retry, breaker and bulkhead stand around any transport that crosses a network, in this
order from the outside in.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from strangler.ladder import Arm
from strangler.ports import forks, runtime
from strangler.ports.calling import wire
from strangler.ports.calling.breaker import Breaker
from strangler.ports.calling.bulkhead import Bulkhead
from strangler.ports.calling.retry import again, retried
from strangler.ports.codec import codec
from strangler.ports.context import Context, current
from strangler.ports.declare import Method
from strangler.ports.errors import (
    CallRefused,
    CircuitOpen,
    DeclaredError,
    NotOwner,
    OutcomeUnknown,
    PortError,
    Unreachable,
)
from strangler.ports.transports.http import Http

if TYPE_CHECKING:
    from strangler.ports.transports.httpx import Httpx


class Peer:
    """One arm of one capability, as this process knows it: where it is, and how it has fared.

    A context manager around one attempt: takes a place, asks the breaker, and tells it the end.
    """

    def __init__(self, capability: str, arm: Arm, urls: tuple[str, ...]) -> None:
        wiring = runtime.wiring
        self.name = f"{capability} ({arm})"
        self.audience = wiring.audience(capability, arm)
        self.urls = urls
        self.resilience = wiring.resilience(capability)
        self.http = Http(urls)
        self._httpx: Httpx | None = None
        self.breaker = Breaker(self.resilience.breaker)
        self.bulkhead = Bulkhead(self.name, self.resilience.concurrency)

    @property
    def httpx(self) -> Httpx:
        """The way for callers that await; httpx is imported where there are any."""
        if self._httpx is None:
            from strangler.ports.transports.httpx import Httpx  # noqa: PLC0415 - see above

            self._httpx = Httpx(self.urls)
        return self._httpx

    def __enter__(self) -> None:
        """Begin an attempt.

        Raises:
            BulkheadFull: too many calls are under way.
            CircuitOpen: the peer has failed too often of late.
        """
        self.bulkhead.__enter__()
        if not self.breaker.admits():
            self.bulkhead.__exit__(None, None, None)
            raise CircuitOpen(
                f"{self.name} at {', '.join(self.urls)} has failed too often: it is asked again "
                f"within {self.resilience.breaker.reset:g} s"
            )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.bulkhead.__exit__(kind, error, traceback)
        if error is None or isinstance(error, DeclaredError | CallRefused | NotOwner):
            self.breaker.succeeded()
        elif isinstance(error, OutcomeUnknown | Unreachable):
            self.breaker.failed()
        else:
            self.breaker.undecided()


class _Peers:
    """The peers of this process; one whose wiring has changed is met anew."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, Arm], Peer] = {}
        self.after_fork()
        forks.watch(self)

    def after_fork(self) -> None:
        self._lock = threading.Lock()

    def get(self, capability: str, arm: Arm) -> Peer:
        wiring = runtime.wiring
        urls = tuple(wiring.urls(capability, arm)) if wiring.urls is not None else ()
        if not urls:
            raise NotReachable(
                f"nothing says where {capability} is answered by the {arm}: name its `service` in "
                f"the manifest, or set STRANGLER_{capability.upper()}_URL"
            )
        wanted = (urls, wiring.resilience(capability), wiring.audience(capability, arm))
        with self._lock:
            known = self._known.get((capability, arm))
            if known is None or (known.urls, known.resilience, known.audience) != wanted:
                if known is not None:
                    known.http.close()
                known = self._known[capability, arm] = Peer(capability, arm, urls)
            return known

    def close(self) -> None:
        with self._lock:
            for peer in self._known.values():
                peer.http.close()
            self._known.clear()


class NotReachable(LookupError):
    """Nothing says where an arm of a capability is to be found."""


_peers = _Peers()
peer = _peers.get
"""One arm of one capability. Raises ``NotReachable``, and ValueError for a URL that is none."""
close = _peers.close
"""Close every idle connection, and forget how the peers have fared."""


def due(method: Method, context: Context) -> float:
    """When the caller stops waiting, on the clock of ``time.monotonic``."""
    deadline = time.monotonic() + method.timeout
    if context.deadline is not None and context.deadline < deadline:
        return context.deadline
    return deadline


class Remote:
    """Calls one arm of a capability over HTTP."""

    __slots__ = ("peer",)

    def __init__(self, capability: str, arm: Arm) -> None:
        """Nothing is connected yet.

        Raises:
            NotReachable: nothing says where that arm is.
        """
        self.peer = peer(capability, arm)

    def connect(self, method: Method) -> Callable[..., Any]:
        """Its calls raise what the method declares, or another ``PortError``."""
        compiled = codec(method)
        peer = self.peer

        def call(*args: Any, **kwargs: Any) -> Any:
            body = compiled.encode_arguments(args, kwargs)
            context = current()
            deadline = due(method, context)
            outgoing = context.replace(hops=context.hops + 1)

            def attempt() -> Any:
                with peer:
                    request = wire.request(
                        method, outgoing, body, audience=peer.audience, deadline=deadline
                    )
                    return wire.result(compiled, peer.http.exchange(request))

            try:
                return attempt()
            except PortError as error:
                if not again(method, error):
                    raise
                first = error
            attempts = peer.resilience.attempts
            return retried(method, attempt, first=first, attempts=attempts, deadline=deadline)

        return call
