"""How the answer of a rehearsed command compares with the one that the client got.

By the rules of the shadow's own comparison. On top of it, what the two sides have made for
themselves is the same: a key of the database's making, and the time.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from strangler.ports.rehearsal import Told
from strangler.shadow.compare import Answer, Difference, Kind, Rules, compare

Made = AbstractSet[tuple[object, object]]
"""Keys of the database's making, which are one another's: the monolith's, and the service's."""

_ROUNDED = timedelta(seconds=1)
"""What an answer may leave out of a time."""


def differences(monolith: Told | None, service: Told | None, rules: Rules) -> list[Difference]:
    """What differs; nothing where one of them can't be compared."""
    if monolith is None or service is None:
        return []
    one, other = (Answer(0, told.content_type, told.body) for told in (monolith, service))
    return [replace(found, kind=Kind.ANSWER) for found in compare(one, other, rules).differences]


def same(one: Difference, made: Made, moment: str) -> bool:
    """Is it a key that either side has made for the same row, or the time?"""
    ours, theirs = one.monolith, one.service
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return False
    if isinstance(ours, int) and isinstance(theirs, int):
        return (ours, theirs) in made
    if not isinstance(ours, str) or not isinstance(theirs, str):
        return False
    if _is_time(ours) and _tells(theirs, moment):
        return True
    return _rendered(ours, theirs, made)


def _rendered(ours: str, theirs: str, made: Made) -> bool:
    """Is it the same text, with keys in it? One of theirs may be that of rows of several tables."""
    keys: dict[str, list[str]] = {}
    for key, other in made:
        keys.setdefault(str(other), []).append(re.escape(str(key)))
    if not keys:
        return False
    longest_first = "|".join(map(re.escape, sorted(keys, key=len, reverse=True)))
    pieces = re.split(rf"(?<!\d)({longest_first})(?!\d)", theirs)
    wanted = (
        f"(?:{'|'.join(keys[piece])})" if at % 2 else re.escape(piece)
        for at, piece in enumerate(pieces)
    )
    return re.fullmatch("".join(wanted), ours) is not None


def _tells(value: str, moment: str) -> bool:
    """Is it what the database called now?"""
    found, now = _time(value), _time(moment)
    return found is not None and now is not None and abs(now - found) < _ROUNDED


def _is_time(value: str) -> bool:
    return _time(value) is not None


def _time(value: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
