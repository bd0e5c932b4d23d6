"""Every step that a process takes has a name; it may be killed at any of them.

A step is a statement, a command to the broker, a commit, a batch: before it and after it. Steps are
not listed anywhere: whoever passes one for the first time notes it, and so all of them are known.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any

from tests.chaos import notes
from tests.chaos.events.world import World
from tests.chaos.faults import kill_self

_VALUES = re.compile(r"(\?|%s|%\(\w+\)s|\d+)(::\w+(\[\])?)?(, (\?|%s|\d+))*")
_LONGEST = 70


class Points:
    """The steps of one process; ``fatal`` says before which passing of which one it is killed."""

    def __init__(self, world: World, role: str, fatal: tuple[str, int] | None) -> None:
        self._notes = notes.Notes(world.log(role))
        self._fatal = fatal
        self._passed: Counter[str] = Counter()

    def __call__(self, label: str) -> None:
        """Here is one."""
        self._passed[label] += 1
        if self._passed[label] == 1:
            self._notes.say(passed=label)
        if self._fatal is not None and self._fatal == (label, self._passed[label]):
            self._notes.say(struck=label)
            kill_self()

    def around(self, owner: Any, name: str, label: Callable[..., str]) -> None:
        """Let each call of a method be a step."""
        plain = getattr(owner, name)

        @wraps(plain)
        def stepped(*args: Any, **given: Any) -> Any:
            step = label(*args, **given)
            self(f"before {step}")
            found = plain(*args, **given)
            self(f"after {step}")
            return found

        setattr(owner, name, stepped)


def known(world: World, role: str) -> tuple[Counter[str], Counter[str]]:
    """The steps that processes of this role have passed, and those that they were killed at."""
    passed: Counter[str] = Counter()
    struck: Counter[str] = Counter()
    for line in notes.read(world.log(role)):
        passed.update([line["passed"]] if "passed" in line else [])
        struck.update([line["struck"]] if "struck" in line else [])
    return passed, struck


def statement(sql: str) -> str:
    """The name of a statement, whatever its values are."""
    return _VALUES.sub("…", " ".join(sql.split()))[:_LONGEST]
