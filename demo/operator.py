"""Whoever moves the capability: types the commands of ``strangler``, and reads what they say."""

from __future__ import annotations

import io
import json
import shlex
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

from demo import interruptions
from strangler.cli import run as strangler

INCONCLUSIVE = 3
"""The exit code for "not enough evidence yet": ask again."""


@dataclass(frozen=True, slots=True)
class Said:
    """How one command ended."""

    command: str
    code: int
    answer: Any
    error: str


class Operator:
    """Runs the command line in this process, just as a shell would run it in another."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def run(self, *arguments: str) -> Said:
        """One command, with ``--json``."""
        printed, complained = io.StringIO(), io.StringIO()
        with redirect_stdout(printed), redirect_stderr(complained):
            code = strangler([*arguments, "--json"])
        interruptions.check()
        answer = json.loads(printed.getvalue() or "null")
        command = shlex.join(["strangler", *arguments])
        return Said(command=command, code=code, answer=answer, error=complained.getvalue())

    def insist(self, *arguments: str, patience: float = 120.0) -> Said:
        """One command, again and again while it says that there is not enough evidence yet."""
        self._say(f"[bold]$ {shlex.join(['strangler', *arguments])}[/]")
        until = time.monotonic() + patience
        said = self.run(*arguments)
        while said.code == INCONCLUSIVE and time.monotonic() < until:
            time.sleep(0.3)
            said = self.run(*arguments)
        return said
