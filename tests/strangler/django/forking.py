"""Processes that need not import Django: they fork from one which has.

Each finds what a new one does: nothing is set up, and its environment, its folder and its arguments
are its own. A new one takes four times the CPU.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

from tests.docs.warm import LIBRARIES

ROOT = Path(__file__).parents[3]
SECONDS = 60.0
MORE = (
    "django.core.management.commands.makemigrations",
    "django.core.management.commands.migrate",
    "django.db.backends.postgresql.base",
    "pydantic.types",
)

_PARENT = """
import gc, json, os, sys
from importlib import import_module
for library in sys.argv[1:]:
    import_module(library)
import_module("strangler.cli.app")._built()
gc.freeze()
for line in iter(sys.stdin.readline, ""):
    if child := os.fork():
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        continue
    order = json.loads(line)
    for number, path in enumerate((os.devnull, "out", "err")):
        file = os.open(path, os.O_RDWR)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    sys.argv[1:] = order["arguments"]
    exec(compile(order["code"], "<string>", "exec"), {"__name__": "__main__"})
    break
"""


class _Parent:
    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="forking-")
        self._files = [Path(self._folder.name) / name for name in ("out", "err")]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PARENT, *LIBRARIES, *MORE],
            cwd=self._folder.name,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self._end)

    def run(
        self, code: str, arguments: tuple[str, ...], cwd: Path, env: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        for file in self._files:
            file.write_text("")
        order = {"code": code, "arguments": arguments, "cwd": str(cwd), "env": dict(env)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], SECONDS)[0]:
            raise subprocess.TimeoutExpired(code, SECONDS)
        said = self._process.stdout.readline()
        out, err = (file.read_text() for file in self._files)
        return subprocess.CompletedProcess(code, int(said), out, err)

    def _end(self) -> None:
        self._process.communicate()
        self._folder.cleanup()


_lock = threading.Lock()
_parents: list[_Parent] = []


def forked(
    code: str, *arguments: str, cwd: Path, env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run this Python to its end."""
    with _lock:
        if not _parents:
            _parents.append(_Parent())
        return _parents[0].run(code, arguments, cwd, env)
