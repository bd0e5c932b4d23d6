"""The sandbox provider as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
SECRET = "whsec-of-tests"


@dataclass(frozen=True, slots=True)
class Provider:
    """A sandbox, and how to kill it."""

    url: str
    process: subprocess.Popen[str]

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return json.load(answer)

    def put(self, path: str, body: Any) -> Any:
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), method="PUT")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


@contextmanager
def provider(books: Path, *options: str) -> Iterator[Provider]:
    """``python -m monolith.payments.sandbox``, on a free port."""
    command = [sys.executable, "-m", "monolith.payments.sandbox", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--books", str(books), *options],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        assert said.startswith("the sandbox provider listens on "), said
        yield Provider(said.split()[-1], process)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
