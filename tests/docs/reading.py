"""What the documentation says: its fenced blocks, commands, headings and links.

The conventions, which keep a document readable and let it be tested:

- ``console`` blocks hold commands, each after ``$ ``, and below each one what it prints. ``…``
  stands for anything; times, dates and durations match any other.
- ``console NAME`` is another terminal: what is started there stays, and ``^C`` stops it.
- ``exit=N`` after ``console`` is the exit code of the block's commands, which is 0 without it.
- A block of another language with a file's name after it is that file; ``append`` adds to it.
- ``<!-- before: COMMAND -->`` is what a reader has done already (``strangler`` or ``manage.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(
    r"^(?P<fence>```+)(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=fence)[ ]*$", re.MULTILINE | re.DOTALL
)
_BEFORE = re.compile(r"^<!-- before: (.+) -->$", re.MULTILINE)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block; ``words`` are what follows its language."""

    language: str
    words: tuple[str, ...]
    text: str
    line: int

    @property
    def file(self) -> str | None:
        """The file that it is, if it is one."""
        return next((word for word in self.words if "." in word), None)

    @property
    def exit(self) -> int:
        """The exit code of its commands."""
        return next((int(word[5:]) for word in self.words if word.startswith("exit=")), 0)

    @property
    def terminal(self) -> str | None:
        """The other terminal that it is about, if it is one."""
        return next((word for word in self.words if not word.startswith("exit=")), None)


@dataclass(frozen=True, slots=True)
class Command:
    """One command and what it should print; ``printed`` is empty where the text does not say."""

    text: str
    printed: str


def label(path: Path) -> str:
    """A document's name in the repository."""
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path) -> list[Block]:
    """The fenced blocks, in order."""
    text = path.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        language, *words = match["info"].split() or [""]
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(language, tuple(words), match["text"], line))
    return found


def before(path: Path) -> list[str]:
    """The commands that a reader has given already."""
    return _BEFORE.findall(path.read_text(encoding="utf-8"))


def commands(block: Block) -> Iterator[Command]:
    """The commands of a console block."""
    text, printed = "", ""
    for line in block.text.splitlines():
        if line.startswith("$ ") or line == "^C":
            if text:
                yield Command(text, printed)
            text, printed = line.removeprefix("$ "), ""
        elif text.endswith("\\"):
            text += f"\n{line}"
        else:
            assert text, f"line {block.line}: a console block begins with a command"
            printed += f"{line}\n"
    if text:
        yield Command(text, printed)


def prose(path: Path) -> str:
    """The text without its fenced blocks."""
    return _FENCE.sub("", path.read_text(encoding="utf-8"))


def links(path: Path) -> list[str]:
    """The targets of all links and pictures."""
    return _LINK.findall(prose(path))


def anchors(path: Path) -> set[str]:
    """The anchors that a forge makes of the headings."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in _HEADING.findall(prose(path))
    }
