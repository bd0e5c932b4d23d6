"""A control plane, and a command line to move it with."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from strangler.cli import run
from tests.strangler.django.plane import Plane, plane


@dataclass(frozen=True)
class Said:
    """How a command ended, with whatever differs from run to run replaced by ``…``."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Terminal:
    """Types commands, on a terminal of 80 columns without colours."""

    plane: Plane
    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Said:
        self.capture.readouterr()
        code = run(["--actor", "ann@shop", *arguments])
        said = self.capture.readouterr()
        return Said(code, self._plain(said.out), self._plain(said.err))

    def _plain(self, text: str) -> str:
        assert "\x1b" not in text, "colours are for terminals"
        text = text.replace(str(self.plane.root), "ROOT").replace(self.plane.service, "SERVICE")
        return re.sub(r"\d\d-\d\d \d\d:\d\d:\d\d", "MM-DD HH:MM:SS", text)


@pytest.fixture
def kit(tmp_path: Path, settings: Any, db: None) -> Iterator[Plane]:
    with plane(tmp_path, settings) as made:
        yield made


@pytest.fixture
def strangler(
    kit: Plane, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Terminal:
    monkeypatch.setenv("COLUMNS", "80")
    # Another test's handler would write into a stream that is closed by now, and complain.
    for name in ("", "strangler"):
        monkeypatch.setattr(logging.getLogger(name), "handlers", [])
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    return Terminal(kit, capsys)
