"""Threads that listen: they pull from a bus, try again what is set aside, and forget what is old.

A consumer whose side does not own the rows has no subscription: it asks each second whether that
has changed, and the other side of it takes over where this one has stopped. Each consumer has
threads of its own, so that one that is slow or fails holds no other up.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final, Self

from strangler.events import parking
from strangler.events.buses import BadBus, Bus, BusAway, Subscription
from strangler.events.consumer import Consumer
from strangler.events.failing import Later, Verdict
from strangler.ports.errors import NotOwner

__all__ = ["Figures", "Listening"]

Connect = Callable[[], Bus]
"""Makes a bus; each thread has its own."""

EVERY: Final = 1.0
"""Seconds between two looks at who owns the rows, and at what is due."""
LONGEST: Final = 10.0
"""Seconds that one waits for a bus or a database that is away, at most."""
SAMPLED: Final = 10.0
"""Seconds between two looks at how far behind a consumer is."""
PRUNING: Final = 600.0
"""Seconds between two looks at what can be forgotten."""
STOPPING: Final = 5.0
"""Seconds that what is under way may take to end."""

_log = logging.getLogger("strangler.events")


class Figures:
    """How one consumer fares in this process, for whoever measures.

    Attributes:
        backlog: events that its subscription has not acknowledged; None for unknown, as where it
            is pushed.
        parked: events that are set aside.
        given_up: those of them that wait for somebody to replay or drop them.
        subscribed: whether this process pulls.
    """

    def __init__(self) -> None:
        self.backlog: int | None = None
        self.parked = 0
        self.given_up = 0
        self.subscribed = False


class Listening:
    """What listens as long as its block runs.

    Args:
        consumers: who is told.
        connect: makes the bus that they pull from; None where they are pushed.
        keep: how long is remembered what was taken.
        ended: called by each thread as its last, to let go what belongs to it.
    """

    def __init__(
        self,
        consumers: Sequence[Consumer],
        connect: Connect | None,
        *,
        keep: timedelta = parking.KEEP,
        ended: Callable[[], None] | None = None,
    ) -> None:
        self.figures = {consumer.name: Figures() for consumer in consumers}
        self._connect = connect
        self._keep = keep
        self._ended = ended
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._pruned = {consumer.name: -PRUNING for consumer in consumers}
        for consumer in consumers:
            if connect is not None:
                self._add("consume", self._pulling, consumer)
            self._add("upkeep", self._keeping, consumer)

    def _add(self, what: str, work: Callable[[Consumer], None], consumer: Consumer) -> None:
        def run() -> None:
            try:
                _again(self._stop, consumer, work)
            finally:
                if self._ended is not None:
                    self._ended()

        # A daemon: a bus that hangs must not keep a process alive that was told to stop.
        name = f"{what}-{consumer.name}"
        self._threads.append(threading.Thread(target=run, name=name, daemon=True))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        ends = time.monotonic() + STOPPING
        for thread in self._threads:
            thread.join(max(0.0, ends - time.monotonic()))

    def wait(self, timeout: float | None = None) -> None:
        """Until it is told to stop."""
        self._stop.wait(timeout)

    def stop(self) -> None:
        """Let what is under way end, and begin nothing more. Returns at once."""
        self._stop.set()

    def _pulling(self, consumer: Consumer) -> None:
        """Pull, for as long as this side owns the rows."""
        if self._connect is None or not consumer.owned():
            self._stop.wait(EVERY)
            return
        figures = self.figures[consumer.name]
        with self._connect() as bus:
            topics = consumer.handlers.topics
            with bus.subscribe(consumer.name, topics) as subscription:
                figures.subscribed = True
                _log.info("%s listens to %s", consumer.name, ", ".join(topics))
                try:
                    _pull(consumer, subscription, figures, self._stop)
                finally:
                    figures.subscribed, figures.backlog = False, None
                    _log.info("%s listens no more", consumer.name)

    def _keeping(self, consumer: Consumer) -> None:
        """Forget what is old, and try again what is due: that may fail for as long as it likes."""
        figures = self.figures[consumer.name]
        while not self._stop.wait(EVERY):
            figures.parked, figures.given_up = parking.counted(consumer)
            if time.monotonic() >= self._pruned[consumer.name] + PRUNING and consumer.owned():
                parking.prune(consumer, keep=self._keep)
                self._pruned[consumer.name] = time.monotonic()
            if figures.parked and consumer.owned():
                parking.retry(consumer)


def _pull(
    consumer: Consumer, subscription: Subscription, figures: Figures, stop: threading.Event
) -> None:
    """Take what comes.

    Raises:
        NotOwner: this side does not own the rows any more.
    """
    sampled, looked, pause = 0.0, time.monotonic(), 0.0
    while not stop.is_set():
        now = time.monotonic()
        if now >= sampled:
            sampled, figures.backlog = now + SAMPLED, subscription.backlog()
        found = subscription.receive(consumer.size, EVERY)
        if found:
            try:
                consumer.take([one.event for one in found])
            except Later as later:
                if later.taken:
                    subscription.acknowledge(found[: later.taken])
                pause = min(LONGEST, max(later.after, pause * 2))
                _log.warning("%s waits for %.1f s: %s", consumer.name, pause, later)
                stop.wait(pause)
                continue
            pause, looked = 0.0, time.monotonic()
            subscription.acknowledge(found)
        elif now >= looked + EVERY:
            looked = now
            if not consumer.owned():
                raise NotOwner(f"{consumer.name} is the other side's")


def _again(stop: threading.Event, consumer: Consumer, work: Callable[[Consumer], None]) -> None:
    """Do it until the end, whatever happens: it waits longer each time that it fails at once."""
    pause = 0.0
    while not stop.is_set():
        began = time.monotonic()
        try:
            work(consumer)
        except NotOwner as error:
            _log.info("%s: %s", consumer.name, error)
            pause = EVERY
        except (Later, BusAway, BadBus) as error:
            pause = _longer(pause, began)
            level = logging.ERROR if isinstance(error, BadBus) else logging.WARNING
            _log.log(level, "%s waits for %.1f s: %s", consumer.name, pause, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it may go well the next time
            pause = _longer(pause, began)
            known = consumer.judge(error) is Verdict.LATER
            _log.log(
                logging.WARNING if known else logging.ERROR,
                "%s waits for %.1f s: %s", consumer.name, pause, error,
                exc_info=None if known else error,
            )  # fmt: skip
        else:
            pause = 0.0
        stop.wait(pause)


def _longer(pause: float, began: float) -> float:
    if time.monotonic() - began > LONGEST:
        return EVERY
    return min(LONGEST, max(EVERY, pause * 2))
