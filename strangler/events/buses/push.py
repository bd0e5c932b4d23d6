"""The pusher: hands a consumer's events to whoever handles for it, over HTTP, in order.

One for each consumer, so that a slow one holds nobody else up. It keeps nothing: what was not
answered with 200 is handed over again.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from strangler.events.buses import BusAway, BusError, Delivery, Subscription
from strangler.events.envelope import BATCH, encode_batch
from strangler.events.receiving import PATH, token
from strangler.ports.calling.wire import Answer, Request
from strangler.ports.context import Trace
from strangler.ports.errors import PortError, Unreachable
from strangler.ports.headers import CONTEXT, DEADLINE
from strangler.ports.transports.http import Http
from strangler.ports.trust.keys import Keyring

EVENTS: Final = 200
"""How many are handed over at once, at most."""
BYTES: Final = 1_000_000
"""How large a batch of more than one event is, at most."""
PATIENCE: Final = 25.0
"""Seconds for one batch to be handled in."""
WAIT: Final = 1.0
"""Seconds to wait for events in one step."""
FIRST: Final = 0.1
"""Seconds of the first pause; doubled for each one after it."""
LONGEST: Final = 10.0
"""Seconds of a pause at most, but for what ``Retry-After`` says."""
_ASKED_FOR: Final = 60.0
_SHOWN: Final = 200

_log = logging.getLogger("strangler.events")


class Target(NamedTuple):
    """One arm of a consumer: where it is, and the party that it is."""

    urls: tuple[str, ...]
    audience: str


Targets = Callable[[], Sequence[Target]]
"""The arms of a consumer, the owner first, as far as is known now."""


class Pusher:
    """Empties one consumer's queue. Not shared between threads.

    Args:
        consumer: whose it is.
        subscribe: opens the queue.
        targets: see there.
        keyring: who hands over.
    """

    def __init__(
        self,
        consumer: str,
        subscribe: Callable[[], Subscription],
        targets: Targets,
        keyring: Keyring,
    ) -> None:
        self._consumer = consumer
        self._subscribe = subscribe
        self._targets = targets
        self._keyring = keyring
        self._subscription: Subscription | None = None
        self._clients: dict[tuple[str, ...], Http] = {}
        self._limit = EVENTS
        self._failures = 0
        self._trouble = ""

    def run(self, stop: threading.Event) -> None:
        """Hand over until ``stop`` is set; whatever goes wrong is tried again."""
        try:
            while not stop.is_set():
                stop.wait(self._stepped())
        finally:
            self.close()

    def step(self) -> float:
        """Hand over what there is, or wait a little for it; seconds to leave it alone now."""
        try:
            if self._subscription is None:
                self._subscription = self._subscribe()
            deliveries = self._subscription.receive(self._limit, WAIT)
            if not deliveries:
                return 0.0
            batch = _fitting(deliveries)
            pause = self._handed_over(batch)
            if pause is None:
                self._subscription.acknowledge(batch)
                self._well()
                return 0.0
        except BusAway as error:
            return self._failed(str(error))
        except BusError as error:
            return self._failed(str(error), loud=True)
        return pause

    def _stepped(self) -> float:
        try:
            return self.step()
        except Exception as error:  # noqa: BLE001 - a pusher that is gone hands nothing over
            _log.exception("events for %s wait", self._consumer)
            return self._failed(repr(error))

    def close(self) -> None:
        """Let others go on with the queue, and hang up."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            subscription.close()
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def _handed_over(self, batch: Sequence[Delivery]) -> float | None:
        """None if all was taken; else for how long to leave it."""
        body = encode_batch([delivery.event for delivery in batch])
        targets, trouble = self._targets(), ""
        for target in targets:
            try:
                answer = self._client(target.urls).exchange(self._request(body, target))
            except Unreachable as error:  # the other arm may be the owner, and says so if it is not
                trouble = f"{target.audience} does not answer: {error}"
                continue
            except PortError as error:
                return self._failed(f"{target.audience} does not answer: {error}")
            if answer.status == 421:
                continue
            return self._judged(target, answer, len(batch))
        if not targets:
            return self._failed("nothing says where it is handled", loud=True)
        return self._failed(trouble or "neither arm handles for it: it may be changing sides")

    def _judged(self, target: Target, answer: Answer, count: int) -> float | None:
        if answer.status in {200, 204}:
            return None
        asked_for = _asked_for(answer)
        if count > 1 and (answer.status == 413 or (answer.status == 503 and asked_for == 0)):
            self._limit = max(count // 2, 1)  # it was too much at once; some may be done
            return 0.0
        said = answer.body[:_SHOWN].decode(errors="replace")
        trouble = f"{target.audience} answers {answer.status}: {said}"
        if answer.status in {429, 503}:
            # What comes before the one that has to wait is taken, bit by bit, and comes no more.
            self._limit = max(count // 2, 1)
            return max(self._failed(trouble), asked_for or 0.0)
        return self._failed(f"{trouble} ({', '.join(target.urls)})", loud=True)

    def _request(self, body: bytes, target: Target) -> Request:
        headers = {
            "Content-Type": BATCH,
            CONTEXT: token(self._keyring, self._consumer, body, audience=target.audience),
            DEADLINE: f"{PATIENCE:.3f}",
            "traceparent": Trace.begin().header,
        }
        return Request(
            path=f"{PATH}{self._consumer}",
            headers=headers,
            body=body,
            repeatable=True,
            deadline=time.monotonic() + PATIENCE,
        )

    def _client(self, urls: tuple[str, ...]) -> Http:
        client = self._clients.get(urls)
        if client is None:
            client = self._clients[urls] = Http(urls)
        return client

    def _well(self) -> None:
        if self._trouble:
            _log.info("events for %s are handed over again", self._consumer)
        self._failures = 0
        self._trouble = ""
        self._limit = min(self._limit * 2, EVENTS)

    def _failed(self, trouble: str, *, loud: bool = False) -> float:
        """How long to leave it alone; the first time, or if somebody has to act, it is said."""
        if loud:
            _log.error("events for %s wait: %s", self._consumer, trouble)
        elif not self._trouble:
            _log.warning("events for %s wait: %s", self._consumer, trouble)
        self._trouble = trouble
        self._failures = min(self._failures + 1, 30)
        longest = min(FIRST * 2.0 ** (self._failures - 1), LONGEST)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads, and is no secret


def _fitting(deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
    size = 0
    for number, delivery in enumerate(deliveries):
        size += len(bytes(delivery.event.data))
        if size > BYTES and number:
            return deliveries[:number]
    return deliveries


def _asked_for(answer: Answer) -> float | None:
    said = answer.headers.get("retry-after", "")
    return min(float(said), _ASKED_FOR) if said.isascii() and said.isdigit() else None
