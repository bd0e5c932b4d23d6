"""Publishing into a database's queues: a row for each consumer of the type, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from strangler.events.buses import LARGEST, BadBus, Bus, BusError, Refused
from strangler.events.buses.database.queue import Queue
from strangler.events.buses.database.sqlite import SqliteQueue
from strangler.events.buses.database.subscription import DatabaseSubscription
from strangler.events.buses.shares import TTL
from strangler.events.envelope import Envelope, encode

Consumers = Callable[[str], Collection[str]]
"""Who is to be told of an event of this type."""


class DatabaseBus(Bus):
    """The queues of one database.

    Args:
        url: of PostgreSQL, or of a file of SQLite.
        consumers: see there. An event that nobody is to be told of goes nowhere, and what waits for
            one who is told of its type no more stays where it is. None: whoever only subscribes,
            and takes what is there.
        lease: see ``shares.TTL``.
    """

    def __init__(self, url: str, consumers: Consumers | None, *, lease: float = TTL) -> None:
        """Nothing is connected yet.

        Raises:
            BadBus: the URL names neither.
        """
        self._make = _maker(url)
        self._queue = self._make()
        self._consumers = consumers
        self._lease = lease

    def publish(self, events: Sequence[Envelope]) -> Sequence[Refused]:
        """Put these into the queues, in this order; all are there, or none.

        Raises:
            BusAway: publish all of them again, later.
        """
        refused: list[Refused] = []
        rows: list[tuple[str, str, int, str]] = []
        for event in events:
            body = encode(event)
            if len(body) > LARGEST:
                refused.append(Refused(event, f"{len(body)} bytes; at most {LARGEST}"))
                continue
            topic, part, text = event.capability, event.partition, body.decode()
            told = self._consumers(event.type) if self._consumers is not None else ()
            rows.extend((consumer, topic, part, text) for consumer in told)
        if rows:
            self._queue.put(rows)
        return refused

    def subscribe(self, consumer: str, topics: Collection[str]) -> DatabaseSubscription:
        """Receive what waits for a consumer, over a connection of its own.

        Raises:
            BusAway, BadBus: see each of them.
        """
        queue, consumers = self._make(), self._consumers
        told = None if consumers is None else lambda type_: consumer in consumers(type_)
        try:
            return DatabaseSubscription(queue, consumer, topics, lease=self._lease, told=told)
        except BusError:
            queue.close()
            raise

    def close(self) -> None:
        """Hang up."""
        self._queue.close()


def _maker(url: str) -> Callable[[], Queue]:
    scheme, _, rest = url.partition("://")
    kind = scheme.partition("+")[0]
    if kind in {"postgresql", "postgres"}:
        try:
            from strangler.events.buses.database.postgres import (  # noqa: PLC0415 - where it is named
                PostgresQueue,
            )
        except ImportError as error:
            raise BadBus(f"{error}; install strangler[transfer]") from error
        return lambda: PostgresQueue(url)
    path = rest.partition("?")[0].removeprefix("/")
    if kind == "sqlite" and path and path != ":memory:":
        return lambda: SqliteQueue(Path(path))
    raise BadBus(
        "the http bus has its queues in the database that speaks, and this URL names none: "
        "write postgresql://user:password@host:5432/name or sqlite:///path/to/file"
    )
