"""The Dockerfile, read: its stages, and the files that each target is made of."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from tests.repository.locks import ROOT


@dataclass
class Stage:
    """One ``FROM … AS name`` and what follows it, in order."""

    name: str
    parent: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def all(self, instruction: str) -> list[str]:
        """The arguments of each step with this instruction."""
        return [arguments for name, arguments in self.steps if name == instruction]


def stages(text: str) -> dict[str, Stage]:
    """The stages of a Dockerfile by name."""
    joined = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    found: dict[str, Stage] = {}
    stage = None
    for line in joined.splitlines():
        if not line.strip():
            continue
        name, _, arguments = line.strip().partition(" ")
        if name == "FROM":
            parent, _, name = arguments.partition(" AS ")
            stage = found[name] = Stage(name, parent)
        elif stage is not None:
            stage.steps.append((name, arguments.strip()))
        else:
            assert name == "ARG", line
    return found


class Image:
    """What one target of the Dockerfile ends as."""

    def __init__(self, target: str) -> None:
        every = stages((ROOT / "Dockerfile").read_text())
        self._chain = [every[target]]
        while self._chain[0].parent in every:
            self._chain.insert(0, every[self._chain[0].parent])
        self.base = self._chain[0].parent

    def last(self, instruction: str) -> str | None:
        """The one that counts of an instruction which overrides itself, such as USER."""
        arguments = [text for stage in self._chain for text in stage.all(instruction)]
        return arguments[-1] if arguments else None

    def command(self) -> list[str]:
        """What runs in it."""
        command = json.loads(self.last("CMD") or "[]")
        assert all(isinstance(part, str) for part in command)
        return list(command)

    def files(self) -> list[tuple[str, str]]:
        """What is copied from the repository: source and target."""
        found = []
        for stage in self._chain:
            for arguments in stage.all("COPY"):
                *sources, target = shlex.split(arguments)
                if not any(source.startswith("--from=") for source in sources):
                    found += [(source, target) for source in sources]
        return found

    def locks(self) -> list[str]:
        """The lock files whose environment is in it."""
        every = stages((ROOT / "Dockerfile").read_text())
        found = []
        for stage in self._chain:
            for arguments in stage.all("COPY"):
                if origin := re.match(r"--from=(\S+)", arguments):
                    for step in every[origin[1]].all("COPY"):
                        found += re.findall(r"requirements/(\w+)\.txt", step)
        return found

    def lay_out(self, folder: Path) -> Path:
        """Copy what the image holds of the repository to a folder, as its WORKDIR."""
        for source, target in self.files():
            copied = folder / target
            if target.endswith("/"):
                copied /= Path(source).name
            copied.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / source).is_dir():
                # What is compiled already, too: without its source, Python does not look at it.
                shutil.copytree(ROOT / source, copied)
            else:
                shutil.copyfile(ROOT / source, copied)
        return folder
