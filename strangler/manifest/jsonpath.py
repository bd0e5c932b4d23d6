r"""The part of JSONPath that a manifest may use, to name places in the JSON of an answer.

::

    $.served_at           a member of the answer
    $.lines[*].tax        a member of every item of a list
    $['odd name'].total   a member whose name is no plain word; ``\\`` and ``\'`` escape
    $                     the answer itself
    $[*].id               a member of every item, where the answer is a list

No positions (``[0]``), no ``..``, no filters: what a rule names must be the same in every answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Key = str | int
"""What leads one step down: the name of a member, or the position in a list."""

_STEP = re.compile(
    r"\.(?P<plain>[^\W\d][\w-]*)|\['(?P<quoted>(?:[^'\\]|\\['\\])+)'\]|(?P<every>\[\*\])"
)
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A set of places: names of members, and None for every item of a list."""

    steps: tuple[str | None, ...]

    @property
    def name(self) -> str | None:
        """The name of the member that it ends in, list items left aside; None for ``$``."""
        return next((step for step in reversed(self.steps) if step is not None), None)

    def matches(self, keys: tuple[Key, ...]) -> bool:
        """Is it this very place?"""
        return len(keys) == len(self.steps) and self.covers(keys)

    def covers(self, keys: tuple[Key, ...]) -> bool:
        """Is it this place, or one above it?"""
        return len(keys) >= len(self.steps) and all(
            isinstance(key, int) if step is None else step == key
            for step, key in zip(self.steps, keys, strict=False)
        )


def parse(text: str) -> JsonPath:
    """Read one path.

    Raises:
        ValueError: it is none, or uses more of JSONPath than is understood here; says where.
    """
    if not text.startswith("$"):
        raise ValueError("a path starts with $")
    steps: list[str | None] = []
    position = 1
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise ValueError(f"{text[position:]!r} is not understood")
        if match["every"]:
            steps.append(None)
        else:
            steps.append(match["plain"] or _ESCAPED.sub(r"\1", match["quoted"]))
        position = match.end()
    return JsonPath(tuple(steps))
