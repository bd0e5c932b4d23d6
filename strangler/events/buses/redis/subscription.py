"""Receiving from Redis: by lease one process at a time reads a partition, for a whole group.

The group has one reader by name, whoever it is: so what a former holder left unacknowledged is
found by the next one, in order, before anything new. What was received and not acknowledged is
kept in memory; after a connection has broken it is read again.
"""

from __future__ import annotations

import secrets
import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any, cast

from strangler.events.buses import BusError, Delivery, Subscription
from strangler.events.buses.reading import read
from strangler.events.buses.redis import scripts
from strangler.events.buses.redis.link import BLOCK, Link, stream
from strangler.events.buses.shares import Leases, Share, Standing
from strangler.events.envelope import PARTITIONS

_NEW = b">"
_FIRST = b"0-0"
_NAP = 0.05


class _Part:
    """One partition that is ours."""

    __slots__ = ("after", "kept", "last", "stream")

    def __init__(self, name: str, last: bytes) -> None:
        self.stream = name
        self.after = _FIRST
        """After which of the pending ones to read; then ``>``."""
        self.last = last
        """Up to where the group has been given all."""
        self.kept: dict[bytes, Delivery] = {}
        """What was received and not acknowledged."""


class RedisSubscription(Subscription):
    """A consumer's part of some streams."""

    def __init__(self, link: Link, consumer: str, topics: Collection[str], *, lease: float) -> None:
        """See that the consumer's groups are there.

        Raises:
            BusAway, BadBus: see each of them.
        """
        self._link = link
        self._consumer = consumer
        self._names = {
            f"{topic}:{part}": stream(topic, part)
            for part in range(PARTITIONS)
            for topic in sorted(set(topics))
        }
        self._leases = _RedisLeases(link, consumer, lease)
        self._share = Share(self._leases, list(self._names))
        self._parts: dict[str, _Part] = {}
        self._turn = 0
        link.script(scripts.ENTER, list(self._names.values()), [consumer])

    def receive(self, limit: int, wait: float) -> Sequence[Delivery]:
        """The oldest events that are not acknowledged, in order for each aggregate.

        Raises:
            BusAway: try again later.
        """
        until = time.monotonic() + wait
        try:
            while True:
                if self._share.due <= 0:
                    self._look()
                found = self._some(limit)
                if found or time.monotonic() >= until:
                    return found
                self._await(min(until - time.monotonic(), self._share.due, BLOCK))
        except BusError:
            self._forget()
            raise

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Never deliver these to this consumer again.

        Raises:
            BusAway: they may be delivered again.
        """
        marks: defaultdict[str, list[bytes]] = defaultdict(list)
        for delivery in deliveries:
            name, mark = cast(tuple[str, bytes], delivery.mark)
            marks[name].append(mark)
        try:
            for name, ids in marks.items():
                self._link.run("XACK", self._names[name], self._consumer, *ids)
                if (part := self._parts.get(name)) is not None:
                    for mark in ids:
                        part.kept.pop(mark, None)
        except BusError:
            self._forget()
            raise

    def backlog(self) -> int:
        """How many events this consumer has not acknowledged.

        Raises:
            BusAway: nobody can say.
        """
        count: int = self._link.script(
            scripts.BACKLOG, list(self._names.values()), [self._consumer]
        )
        return count

    def close(self) -> None:
        """Let others of the same consumer go on at once."""
        with suppress(BusError):  # then they wait for the lease
            self._share.quit()
        self._parts.clear()
        self._link.close()

    def _look(self) -> None:
        taken = self._share.look()
        held = self._share.held
        parts = {
            name: self._parts[name] for name in held if name in self._parts and name not in taken
        }
        fresh = [name for name in held if name not in parts]
        if fresh:
            streams = [self._names[name] for name in fresh]
            last = self._link.script(scripts.ENTER, streams, [self._consumer])
            for name, where, to in zip(fresh, streams, last, strict=True):
                parts[name] = _Part(where, to)
        self._parts = parts

    def _some(self, limit: int) -> list[Delivery]:
        found: list[Delivery] = []
        for part in self._parts.values():
            found.extend(part.kept.values())
        while len(found) < limit and self._parts:
            some, again = self._read(limit - len(found))
            found.extend(some)
            if not again:
                break
        return found[:limit]

    def _read(self, limit: int) -> tuple[list[Delivery], bool]:
        """More than what is kept; and whether there may be more still."""
        names = list(self._parts)
        self._turn = (self._turn + 1) % len(names)
        names = names[self._turn :] + names[: self._turn]
        parts = [self._parts[name] for name in names]
        asked: list[Any] = [self._leases.me, self._leases.milliseconds, limit, self._consumer]
        for name, part in zip(names, parts, strict=True):
            asked += (name, part.after)
        keys = [*self._leases.keys, *(part.stream for part in parts)]
        answer = self._link.script(scripts.READ, keys, asked)
        if answer is None:  # others may be reading what we think is ours
            self._forget()
            return [], False
        found: list[Delivery] = []
        again = False
        for number, *entries in answer:
            name, part = names[number], parts[number]
            if entries:
                found.extend(self._kept(name, part, entries))
                part.last = max(part.last, entries[-2], key=_age)
                if part.after != _NEW:
                    part.after = entries[-2]
            elif part.after != _NEW:
                part.after = _NEW
            again = True
        return found, again

    def _kept(self, name: str, part: _Part, entries: list[bytes]) -> list[Delivery]:
        found = []
        passed = []
        for mark, body in zip(entries[::2], entries[1::2], strict=True):
            place = f"{part.stream} {mark.decode()}"
            event = read(body, consumer=self._consumer, place=place)
            if event is None:
                passed.append(mark)
                continue
            delivery = part.kept[mark] = Delivery(event, (name, mark))
            found.append(delivery)
        if passed:
            self._link.run("XACK", part.stream, self._consumer, *passed)
        return found

    def _await(self, seconds: float) -> None:
        """Until there is something new, or this long."""
        if seconds <= 0:
            return
        if not self._parts:
            time.sleep(min(seconds, _NAP))
            return
        parts = self._parts.values()
        self._link.run(
            "XREAD", "COUNT", 1, "BLOCK", max(int(seconds * 1000), 1), "STREAMS",
            *(part.stream for part in parts), *(part.last for part in parts),
        )  # fmt: skip

    def _forget(self) -> None:
        self._parts = {}
        self._share.forget()


def _age(mark: bytes) -> tuple[int, int]:
    before, _, after = mark.partition(b"-")
    return int(before), int(after)


class _RedisLeases(Leases):
    """A consumer's leases."""

    def __init__(self, link: Link, consumer: str, lease: float) -> None:
        self.me = secrets.token_hex(8)
        self.milliseconds = int(lease * 1000)
        self.keys = [f"strangler:readers:{consumer}", f"strangler:leases:{consumer}"]
        self._link = link

    def look(self) -> Standing:
        there, held = self._link.script(scripts.LOOK, self.keys, [self.me, self.milliseconds])
        texts = [text.decode() for text in held]
        return Standing(
            {one.decode() for one in there}, dict(zip(texts[::2], texts[1::2], strict=True))
        )

    def take(self, names: Sequence[str]) -> Collection[str]:
        taken = self._link.script(scripts.TAKE, self.keys, [self.me, *names])
        return {name.decode() for name in taken}

    def leave(self, names: Sequence[str]) -> None:
        self._link.script(scripts.LEAVE, self.keys[1:], [self.me, *names])

    def quit(self) -> None:
        self._link.script(scripts.QUIT, self.keys, [self.me])
