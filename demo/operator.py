"""Whoever moves the capability: types the commands of ``strangler``, and reads what they say."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from typer.testing import CliRunner

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
        # Django is set up from the environment, which is there only now.
        from strangler.cli import app  # noqa: PLC0415

        self._app = app
        self._say = say

    def run(self, *arguments: str) -> Said:
        """One command, with ``--json``."""
        done = CliRunner().invoke(self._app, [*arguments, "--json"])
        answer = json.loads(done.stdout) if done.stdout.strip() else None
        command = f"strangler {' '.join(arguments)}"
        return Said(command=command, code=done.exit_code, answer=answer, error=done.stderr)

    def insist(self, *arguments: str, patience: float = 20.0) -> Said:
        """One command, again and again while it says that there is not enough evidence yet."""
        self._say(f"[bold]$ strangler {' '.join(arguments)}[/]")
        until = time.monotonic() + patience
        said = self.run(*arguments)
        while said.code == INCONCLUSIVE and time.monotonic() < until:
            time.sleep(0.3)
            said = self.run(*arguments)
        return said
