"""A project that hangs together (``tests/assets/tangled``), run in processes of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.strangler.django.forking import forked

ROOT = Path(__file__).parents[4]
ASSET = ROOT / "tests" / "assets" / "tangled"
RUN = """
import json, sys
import django
django.setup()
from django.core.management import call_command
from django.db import connection, transaction
from tangled.people.models import *
from tangled.sales.models import *
from tangled.desk.models import *
"""


@dataclass(frozen=True)
class Tangled:
    """A copy of the project in ``root``; ``database`` is a URL, or empty for SQLite."""

    root: Path
    database: str = ""

    def __post_init__(self) -> None:
        shutil.copy(ASSET / "capabilities.toml", self.root)
        shutil.copytree(ASSET, self.project, ignore=shutil.ignore_patterns("__pycache__"))

    @property
    def project(self) -> Path:
        """Its source."""
        return self.root / "project"

    @property
    def sales(self) -> Path:
        """The models of the capability."""
        return self.project / "tangled" / "sales" / "models.py"

    def python(self, code: str) -> Any:
        """Run Python with Django set up; what it prints last, read as JSON."""
        done = self._run(RUN + code, DJANGO_SETTINGS_MODULE="tangled.settings")
        assert done.returncode == 0, done.stdout + done.stderr
        lines = done.stdout.splitlines()
        return json.loads(lines[-1]) if lines else None

    def strangler(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line in the project's folder."""
        return self._run("from strangler.cli import main; main()", *arguments)

    def cut(self, name: str) -> Any:
        """Write the migration that cuts this, and change the models as that says."""
        done = self.strangler("boundaries", "sales", "--cut", name, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        said = json.loads(done.stdout)
        for edit in reversed(said["edits"]):
            self._edit(edit)
        return said

    def _edit(self, edit: dict[str, Any]) -> None:
        path = self.project / edit["path"]
        text = path.read_text()
        if edit["before"] is not None:
            assert text.count(edit["before"]) == 1
            path.write_text(text.replace(edit["before"], edit["after"]))
            return
        # Within Meta a person finds what is named so; here it is added behind, which wins.
        lines = text.splitlines(keepends=True)
        assert lines[edit["line"] - 1].strip() == "class Meta:"
        option = edit["after"]
        if option.startswith("models."):
            name = "indexes" if option.startswith("models.Index") else "constraints"
            option = f"{name} = [{option}]"
        key = option.partition(" = ")[0]
        end = next(n for n in range(edit["line"], len(lines) + 1) if not _within(lines, n))
        body = "".join(lines[edit["line"] : end])
        assert f"        {key} = " in body
        lines.insert(end, f"        {option}\n")
        path.write_text("".join(lines))

    def _run(
        self, code: str, *arguments: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        kept = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LANG"}}
        env = {
            **kept,
            "TANGLED_ROOT": str(self.root),
            "TANGLED_DATABASE": self.database,
            "COLUMNS": "80",
            **environment,
        }
        return forked(code, *arguments, cwd=self.project, env=env)


def _within(lines: list[str], number: int) -> bool:
    return number < len(lines) and (not lines[number].strip() or lines[number].startswith(" " * 8))
