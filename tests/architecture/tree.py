"""The packages that the import rules speak of: copied, planted in, and linted for real."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
RULES = ".importlinter"

# No rule holds for these: tests may import all, the others hold no Python.
UNRULED = {"docs", "requirements", "router", "tests", "var"}


def _config(root: Path) -> configparser.ConfigParser:
    config = configparser.ConfigParser()
    config.read(root / RULES)
    return config


def packages(root: Path = ROOT) -> list[str]:
    """The top-level packages that the rules hold for."""
    return _config(root)["importlinter"]["root_packages"].split()


def rules(root: Path = ROOT) -> dict[str, str]:
    """The name of each rule by its identifier."""
    config = _config(root)
    prefix = "importlinter:contract:"
    return {
        section.removeprefix(prefix): config[section]["name"]
        for section in config.sections()
        if section.startswith(prefix)
    }


@dataclass(frozen=True)
class Verdict:
    """What import-linter said about a tree."""

    broken: frozenset[str]
    output: str


def lint(root: Path) -> Verdict:
    """Run import-linter in this folder, as ``make lint`` does."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=root,
        env={**os.environ, "COLUMNS": "200", "PYTHONPATH": str(root)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    names = {name: identifier for identifier, name in rules(root).items()}
    verdicts = dict(re.findall(r"^(\d\. .+?) (KEPT|BROKEN)", done.stdout, flags=re.MULTILINE))
    assert verdicts.keys() == names.keys(), done.stdout
    broken = frozenset(names[name] for name, verdict in verdicts.items() if verdict == "BROKEN")
    assert bool(broken) == bool(done.returncode), done.stdout
    return Verdict(broken, done.stdout)


def copy(target: Path) -> Path:
    """The ruled packages' Python and their rules, in another folder."""
    for package in packages():
        for source in (ROOT / package).rglob("*.py"):
            copied = target / source.relative_to(ROOT)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copied)
    shutil.copyfile(ROOT / RULES, target / RULES)
    return target


def unplaced(root: Path = ROOT) -> set[str]:
    """Folders with Python that no rule sees: not at the top of the rules, or not a package."""
    top = {
        folder.name
        for folder in root.iterdir()
        if not folder.name.startswith(".")
        and folder.name not in {*UNRULED, *packages(root)}
        and next(folder.rglob("*.py"), None)
    }
    inside = {
        str(module.parent.relative_to(root))
        for package in packages(root)
        for module in (root / package).rglob("*.py")
        if not (module.parent / "__init__.py").exists()
    }
    return top | inside
