"""The packages that the import rules speak of: copied, planted in, and linted for real."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

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


# The command line's own function, again and again: most of a process of its own would be imports.
_LINTER = """
import contextlib, importlib, io, json, os, sys
from importlinter.cli import lint_imports
for root in map(str.strip, sys.stdin):
    os.chdir(root)
    sys.path[0] = root
    importlib.invalidate_caches()
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = lint_imports(no_cache=True, no_logo=True)
    print(json.dumps([code, said.getvalue()]), flush=True)
"""


class Linter:
    """Runs import-linter in a folder, as ``make lint`` does; a process of ours does so."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LINTER],
            env={**os.environ, "COLUMNS": "200"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def lint(self, root: Path) -> Verdict:
        """What it says about the tree in this folder."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{root}\n")
        self._process.stdin.flush()
        code, output = json.loads(self._process.stdout.readline())
        names = {name: identifier for identifier, name in rules(root).items()}
        verdicts = dict(re.findall(r"^(\d\. .+?) (KEPT|BROKEN)", output, flags=re.MULTILINE))
        assert verdicts.keys() == names.keys(), output
        broken = frozenset(names[name] for name, verdict in verdicts.items() if verdict == "BROKEN")
        assert bool(broken) == bool(code), output
        return Verdict(broken, output)


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
