"""Somebody else's project (``tests/assets/foreign``), run in processes of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.strangler.django.forking import forked

ASSET = Path(__file__).parents[2] / "assets" / "foreign"
ROOT = Path(__file__).parents[3]


SETUP = """
import django; django.setup()
from strangler.django.control_plane import control, ledger
"""
MIGRATE = """
from django.core.management import call_command
call_command("migrate", "strangler", database="plane", verbosity=0)
"""


@dataclass(frozen=True)
class Foreign:
    """The project, with its files in ``root``; ``database`` is a URL, or empty for SQLite."""

    root: Path
    database: str = ""

    def __post_init__(self) -> None:
        shutil.copy(ASSET / "capabilities.toml", self.root)
        shutil.copytree(ASSET, self.project, ignore=shutil.ignore_patterns("__pycache__"))

    @property
    def project(self) -> Path:
        """A copy of its source."""
        return self.root / "project"

    def environment(self, **more: str) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LANG"}}
        return {
            **kept,
            "SHOP_ROOT": str(self.root),
            "SHOP_DATABASE": self.database,
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "COLUMNS": "80",
            **more,
        }

    def spawn(self, code: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start Python with Django set up."""
        return subprocess.Popen(
            [sys.executable, "-c", SETUP + code, *arguments],
            cwd=self.project,
            env=self.environment(DJANGO_SETTINGS_MODULE="shop.settings", **environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def python(self, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python with Django set up, to its end."""
        env = self.environment(DJANGO_SETTINGS_MODULE="shop.settings")
        return forked(SETUP + code, *arguments, cwd=self.project, env=env)

    def migrate(self, template: Path | None = None) -> None:
        """Make the control plane's tables; on SQLite by way of a copy, if there is one."""
        if template is not None and not self.database:
            shutil.copy(template, self.root / "plane.sqlite3")
            return
        done = self.python(MIGRATE)
        assert done.returncode == 0, done.stderr

    def strangler(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line as the script does, in the project's folder."""
        code = "from strangler.cli import main; main()"
        return forked(code, "--actor", "eve", *arguments, cwd=self.project, env=self.environment())
