"""A process that runs one command after the other, as a shell would run each in one of its own.

It sets Django up once. Whatever it is doing it can be stopped or killed in the midst of it.
"""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from demo.processes import ROOT

INCONCLUSIVE = 3


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended; ``seconds`` is how long it took."""

    code: int
    answer: Any
    error: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.code}: {self.answer}\n{self.error}"


class Hand:
    """Somebody at a terminal."""

    def __init__(self, env: Mapping[str, str], log: Path) -> None:
        self._env = dict(env)
        self._log = log
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def strangler(self, *arguments: str) -> Said:
        """One command of the command line, with ``--json``, to its end."""
        self.begin(*arguments)
        said = self.end()
        assert said is not None
        return said

    def insist(self, *arguments: str, patience: float = 30.0) -> Said:
        """The same until there is enough evidence; it has to succeed."""
        until = time.monotonic() + patience
        said = self.strangler(*arguments)
        while said.code == INCONCLUSIVE and time.monotonic() < until:
            time.sleep(0.2)
            said = self.strangler(*arguments)
        assert said.code == 0, f"{arguments}: {said}"
        return said

    def call(self, function: str, *arguments: Any) -> Any:
        """What ``module:function`` of the project gives, as JSON has it."""
        self._ask({"call": function, "arguments": arguments})
        said = self.end()
        assert said is not None
        assert said.code == 0, said.error
        return said.answer

    def begin(self, *arguments: str) -> None:
        """Begin a command, whose end can be waited for."""
        self._ask({"strangler": arguments})

    def begin_call(self, function: str, *arguments: Any) -> None:
        """Begin a call, whose end can be waited for."""
        self._ask({"call": function, "arguments": arguments})

    def end(self) -> Said | None:
        """How what was begun has ended; None if it was killed first."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return Said(**json.loads(line)) if line.endswith("\n") else None

    def kill(self) -> Said | None:
        """SIGKILL; how what was begun had ended, if it had. Another one sits down afterwards."""
        self._process.send_signal(signal.SIGKILL)
        said = self.end()
        self.__exit__()
        self._start()
        return said

    def _start(self) -> None:
        log = self._log.open("ab")
        with log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.e2e.transfer.hand"],
                cwd=ROOT,
                env=self._env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    def _ask(self, what: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()


def _run(asked: Mapping[str, Any]) -> tuple[int, Any]:
    if "django.db" in sys.modules:
        from django.db import connections

        connections.close_all()  # as a process of its own would begin
    if "call" in asked:
        from strangler.cli import project

        project.load()
        module, _, name = asked["call"].partition(":")
        return 0, getattr(import_module(module), name)(*asked["arguments"])
    from strangler.cli import run

    printed = io.StringIO()
    with redirect_stdout(printed):
        code = run([*asked["strangler"], "--json"])
    return code, json.loads(printed.getvalue() or "null")


def _main() -> None:
    answers = sys.stdout
    for line in sys.stdin:
        began, complained = time.monotonic(), io.StringIO()
        with redirect_stderr(complained), redirect_stdout(sys.stderr):
            try:
                code, answer = _run(json.loads(line))
            except Exception:  # noqa: BLE001 - whoever has asked is told
                code, answer = -1, None
                complained.write(traceback.format_exc())
        said = {"code": code, "answer": answer, "error": complained.getvalue()}
        answers.write(json.dumps({**said, "seconds": time.monotonic() - began}) + "\n")
        answers.flush()
        sys.stderr.write(complained.getvalue())


if __name__ == "__main__":
    _main()
