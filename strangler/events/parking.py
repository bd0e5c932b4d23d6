"""What has been set aside: tried again when it is due, and by whoever has mended what was wrong."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from strangler.events.book import Book
from strangler.events.consumer import SPELL, Consumer
from strangler.events.envelope import decode
from strangler.events.failing import Failed, Later, Verdict
from strangler.events.inbox import Parked
from strangler.events.replayed import Gone, Replayed

__all__ = [
    "KEEP",
    "Gone",
    "Parked",
    "counted",
    "drop",
    "named",
    "parked",
    "prune",
    "replay",
    "retry",
]

KEEP: Final = timedelta(days=30)
"""How long it is remembered that an event was taken: what a bus delivers again later is handled
anew."""
AT_ONCE: Final = 100
"""Events of one key that are tried in one transaction, at most."""
PRUNED: Final = 1000
"""Rows of the inbox that one transaction forgets."""

_log = logging.getLogger("strangler.events")


def parked(consumer: Consumer, *, key: str | None = None, limit: int = 1000) -> list[Parked]:
    """What is set aside, by key and in order, on the side that is asked.

    Raises:
        Later: its database is away.
    """
    with _looking(consumer) as book:
        return book.listed(limit, key=key)


def counted(consumer: Consumer) -> tuple[int, int]:
    """How many events are set aside, and how many of them have been given up.

    Raises:
        Later: the database is away.
    """
    with _looking(consumer) as book:
        return book.counted()


def named(consumer: Consumer, event: str) -> Parked | None:
    """The event of this id, if it is set aside.

    Raises:
        Later: the database is away.
    """
    with _looking(consumer) as book:
        return next(iter(book.named(event)), None)


def retry(consumer: Consumer, *, limit: int = 100) -> int:
    """Try again what is due; says how many events have been handled.

    Raises:
        Later, NotOwner: as ``Consumer.take``.
    """
    with _looking(consumer) as book:
        keys = book.due(limit)
    return _each(keys, lambda key: _again(consumer, key))


def replay(consumer: Consumer, *, key: str | None = None) -> Replayed:
    """Try again now what is set aside, or what is of this key, however often it has been tried.

    Each key goes on in order until it is empty, or an event fails once more: that one has all its
    attempts before it.

    Raises:
        Later: nothing was tried, as all of it has to wait.
        NotOwner: as ``Consumer.take``.
    """
    with _looking(consumer) as book:
        keys = book.keys() if key is None else {key: book.left(key)[0]}
    done, waits = Replayed(), None
    for one, there in keys.items():
        try:
            done += _replayed(consumer, one, there)
        except Later as later:
            done, waits = done + Replayed(put_off=there, why=str(later)), later
    if waits is not None and not done.handled and not done.failed:
        raise waits
    return done


def _replayed(consumer: Consumer, key: str, there: int) -> Replayed:
    """Try again what is of this key, of which so many were set aside.

    Raises:
        Later: nothing of it could be handled now.
        NotOwner: as ``Consumer.take``.
    """
    handled = 0
    try:
        with _said(consumer) as book:
            book.wake(key)
        while done := _again(consumer, key):
            handled += done
        with _looking(consumer) as book:
            left, tried = book.left(key)
    except Later as later:
        if not handled:
            raise
        return Replayed(handled, 0, max(there - handled, 1), str(later))
    failed = 1 if tried else 0
    return Replayed(handled, failed, left - failed)


def _each(keys: Sequence[str], handle: Callable[[str], int]) -> int:
    """Handle these keys, of which one that has to wait holds no other up; says how many events.

    Raises:
        Later: all that is left has to wait.
    """
    handled, waits = 0, None
    for key in keys:
        try:
            handled += handle(key)
        except Later as later:
            waits = later
    if waits is not None and not handled:
        raise waits
    return handled


def drop(
    consumer: Consumer, *, reason: str, key: str | None = None, event: str | None = None
) -> list[Parked]:
    """Never handle an event that is set aside, or all those of a key; says which these were.

    What waited behind it goes on. Name one of ``key`` and ``event``; why is logged.

    Raises:
        ValueError: neither, or both, were named; or no reason.
        Gone: the event was there, and was handled before it could be dropped.
        Later, NotOwner: as ``Consumer.take``.
    """
    if (key is None) is (event is None):
        raise ValueError("name the event to drop, or the key of which all are")
    if not reason.strip():
        raise ValueError("say why: what is dropped is never handled")
    dropped: list[Parked] = []
    while True:
        with _said(consumer) as book:
            found = book.named(event) if event is not None else book.listed(PRUNED, key=key)
            gone = book.drop(found) if found else []
        if not found:
            return dropped
        if event is not None and not gone:
            raise Gone(
                f"event {event} was set aside, and while this waited for whoever tried it, it was "
                "handled, or dropped by somebody else: nothing is dropped now"
            )
        for one in gone:
            _log.warning(
                "%s drops %s %s of %s: %s", consumer.name, one.type, one.event, one.key, reason
            )
        dropped += gone
        if event is not None:
            return dropped


def prune(consumer: Consumer, *, keep: timedelta = KEEP) -> int:
    """Forget what was taken longer ago than that; says how many events.

    Raises:
        Later, NotOwner: as ``Consumer.take``.
    """
    before, total = datetime.now(UTC) - keep, 0
    while True:
        with _said(consumer) as book:
            gone = book.prune(before, PRUNED)
        total += gone
        if gone < PRUNED:
            return total


def _again(consumer: Consumer, key: str) -> int:
    """Handle the first events of a key, if they are due; says how many.

    Raises:
        Later, NotOwner: as ``Consumer.take``.
    """
    limit = AT_ONCE
    while True:
        tried: Sequence[Parked] = ()
        try:
            with consumer.transaction() as book:
                tried = book.first(key, limit)
                if not tried:
                    return 0
                done = _handled(consumer, tried)
                book.free(tried[:done])
                book.sound()
        except Failed as failed:
            later = failed.verdict is Verdict.LATER
            if tried and (failed.index or (failed.index is None and len(tried) > 1 and not later)):
                limit = failed.index or 1
                continue
            if later or not tried:
                if tried and isinstance(failed.error, Later):
                    _put_off(consumer, tried[0], failed.error)
                raise failed.later() from failed
            _failed(consumer, tried[0], failed.error)
            return 0
        return done


def _handled(consumer: Consumer, tried: Sequence[Parked]) -> int:
    ends = time.monotonic() + SPELL
    for index, one in enumerate(tried):
        try:
            consumer.handle(decode(one.envelope))
        except Exception as error:
            raise Failed(index, error, consumer.judge(error)) from error
        if time.monotonic() > ends:
            return index + 1
    return len(tried)


def _failed(consumer: Consumer, one: Parked, error: Exception) -> None:
    attempts = one.attempts + 1
    with _said(consumer) as book:
        book.failed(one, reason=f"{type(error).__name__}: {error}", due=consumer.tried(attempts))
    _log.warning(
        "%s can't handle %s %s of %s, attempt %d",
        consumer.name, one.type, one.event, one.key, attempts, exc_info=error,
    )  # fmt: skip


def _put_off(consumer: Consumer, one: Parked, later: Later) -> None:
    """It is no fault of this event's, nor of any other's: those that are due go first."""
    with _said(consumer) as book:
        book.put_off(one, due=datetime.now(UTC) + timedelta(seconds=later.after))


@contextmanager
def _looking(consumer: Consumer) -> Iterator[Book]:
    """The tables as they are at this moment."""
    try:
        with consumer.ledger.reading() as book:
            yield book
    except Exception as error:
        if consumer.judge(error) is Verdict.LATER:
            raise Later(f"{type(error).__name__}: {error}") from error
        raise


@contextmanager
def _said(consumer: Consumer) -> Iterator[Book]:
    """One transaction in which no event is handled."""
    try:
        with consumer.transaction() as book:
            yield book
    except Failed as failed:
        raise failed.later() from failed
