"""Whoever moves capabilities: types the commands of ``strangler``, and reads what they say."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.markup import escape

from demo import interruptions
from demo.screens import Screens
from strangler.cli import run as strangler

INCONCLUSIVE = 3
"""The exit code for "not enough evidence yet": ask again."""
SILENCE = 10.0
"""Seconds after which it is said what is waited for."""
UNDONE = "RowsStay"
"""A change of owner that a busy machine has had undone: ask again, too."""


@dataclass(frozen=True, slots=True)
class Said:
    """How one command ended."""

    command: str
    code: int
    answer: Any
    error: str

    @property
    def early(self) -> bool:
        """It may go well if it is given again."""
        undone = isinstance(self.answer, dict) and self.answer.get("error") == UNDONE
        return undone or self.code == INCONCLUSIVE

    @property
    def missing(self) -> str:
        """What it is too early for."""
        verdicts = (self.answer or {}).get("verdicts", ())
        found = [one["message"] for one in verdicts if one["outcome"] != "passed"]
        return "; ".join(found) or str((self.answer or {}).get("message", ""))


class Operator:
    """Runs the command line in this process, just as a shell would run it in another."""

    def __init__(self, say: Callable[[str], None], screens: Screens) -> None:
        self._say = say
        self._screens = screens

    def run(self, *arguments: str) -> Said:
        """One command, with ``--json``."""
        with self._screens.own() as (printed, complained):
            code = strangler([*arguments, "--json"])
        interruptions.check()
        answer = json.loads(printed.getvalue() or "null")
        command = shlex.join(["strangler", *arguments])
        return Said(command=command, code=code, answer=answer, error=complained.getvalue())

    def insist(self, *arguments: str, patience: float = 300.0) -> Said:
        """One command, again and again while it says that it is too early for it."""
        self._say(f"[bold]$ {shlex.join(['strangler', *arguments])}[/]")
        until = time.monotonic() + patience
        tell = time.monotonic() + SILENCE
        said = self.run(*arguments)
        while said.early and time.monotonic() < until:
            if time.monotonic() >= tell:
                tell = time.monotonic() + SILENCE
                self._say(f"[dim]waits[/]  {escape(said.missing)}")
            time.sleep(0.3)
            said = self.run(*arguments)
        return said
