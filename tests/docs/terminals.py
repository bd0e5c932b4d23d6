"""Runs what a document tells its reader to run, in a folder of its own and on free ports."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.docs.reading import ROOT, Block, commands

TREE = ("contracts", "monolith", "extracted", "router", "strangler", "docs")
FILES = ("manage.py", "pyproject.toml", "Makefile")
SHOP, SERVICE = "8000", "8102"
PATIENCE = 30.0
_STAYS = re.compile(r"^(export |cd |\. |source )")
_MEASURE = r"[\d.,]+ (?:ms|s|min|h|d)\b"
_STAMP = r"(?:\d\d-\d\d )?\d\d:\d\d:\d\d"
_LOOSE = re.compile(rf"(?P<any>…)|(?P<stamp>{_STAMP})|(?P<measure>{_MEASURE})")


def tree(folder: Path) -> None:
    """Make the folder a copy of the repository, with this environment as its ``.venv``."""
    for name in TREE:
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    (folder / ".venv").symlink_to(sys.prefix)


def loosely(expected: str, printed: str) -> bool:
    """Does a command print what the document says, as far as the document can know?"""
    lines = [" ".join(line.split()) for line in expected.strip().splitlines()]
    pattern = "".join(r"(?:.*\n)*?" if line == "…" else _line(line) + r"\n" for line in lines)
    said = "".join(f"{' '.join(line.split())}\n" for line in printed.strip().splitlines())
    return re.fullmatch(pattern, said) is not None


def _line(expected: str) -> str:
    pattern, end = "", 0
    for match in _LOOSE.finditer(expected):
        pattern += re.escape(expected[end : match.start()])
        pattern += {"any": ".*", "stamp": _STAMP, "measure": _MEASURE}[str(match.lastgroup)]
        end = match.end()
    return pattern + re.escape(expected[end:])


def free_port() -> str:
    """A port that nobody listens on, of four digits: it breaks no line that the usual one fits."""
    while True:
        port = random.randint(7100, 9899)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return str(port)


@dataclass(slots=True)
class Reader:
    """Somebody with a few terminals, all in one folder, who does as the document says."""

    folder: Path
    ports: dict[str, str] = field(default_factory=lambda: {SHOP: free_port(), SERVICE: free_port()})
    stays: dict[str, list[str]] = field(default_factory=dict)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for terminal in list(self.running):
            self.stop(terminal)

    def write(self, block: Block) -> None:
        """Save a block as the file that it is."""
        assert block.file is not None
        path = self.folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if "append" in block.words else "w", encoding="utf-8") as file:
            file.write(self.here(block.text))

    def type(self, block: Block) -> None:
        """Give a console block's commands, and compare what they print."""
        terminal = block.terminal or ""
        stays = self.stays.setdefault(terminal, [])
        for command in commands(block):
            where = f"line {block.line}: $ {command.text}"
            if command.text == "^C":
                self.stop(terminal)
            elif _STAYS.match(command.text):
                stays.append(command.text)
            elif terminal:
                self.start(terminal, command.text)
            else:
                code, printed = self.run(command.text)
                assert code == block.exit, f"{where}\nended with {code}\n{printed}"
                expected = self.here(command.printed)
                assert not expected.strip() or loosely(expected, printed), (
                    f"{where}\nshould print\n{expected}\nand prints\n{printed}"
                )

    def run(self, command: str) -> tuple[int, str]:
        """Run one command to its end; its exit code, and what it prints."""
        done = subprocess.run(
            self.shell("", command),
            cwd=self.folder,
            env=self.env(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return done.returncode, done.stdout

    def start(self, terminal: str, command: str) -> None:
        """Start what stays, and wait until it answers."""
        assert terminal not in self.running, f"{terminal} is busy"
        port, command = self.server(command)
        log = self.folder / f"{terminal}.log"
        with log.open("ab") as file:
            process = subprocess.Popen(
                self.shell(terminal, command),
                cwd=self.folder,
                env=self.env(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.running[terminal] = process
        until = time.monotonic() + PATIENCE
        while not _listening(int(port)):
            assert process.poll() is None, f"$ {command}\n{log.read_text()}"
            assert time.monotonic() < until, f"$ {command}\n{log.read_text()}"
            time.sleep(0.05)

    def stop(self, terminal: str) -> None:
        """Ctrl-C, which reaches everything that was started there."""
        process = self.running.pop(terminal)
        _signal(process.pid, signal.SIGINT)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            pass
        finally:
            _signal(process.pid, signal.SIGKILL)
            process.wait()

    def server(self, command: str) -> tuple[str, str]:
        """The port that a server listens on, and its command with that port."""
        command = command.replace("make dev", "python manage.py runserver")
        for server, usual in (("manage.py runserver", SHOP), ("-m extracted.pricing", SERVICE)):
            if server in command:
                port = self.ports[usual]
                option = port if usual == SHOP else f"--port {port}"
                return port, f"{command} {option}"
        raise AssertionError(f"$ {command} is no server that is known here")

    def here(self, text: str) -> str:
        """The text with the ports of this reader."""
        for usual, port in self.ports.items():
            text = re.sub(rf"\b{usual}\b", port, text)
        return text

    def shell(self, terminal: str, command: str) -> list[str]:
        """A command as this terminal runs it, after what was set there before."""
        return ["bash", "-ec", "\n".join([*self.stays.get(terminal, ()), self.here(command)])]

    def env(self) -> dict[str, str]:
        """The environment of someone who has just opened a terminal."""
        kept = {"HOME", "LANG", "LC_ALL", "TMPDIR", "USER"}
        return {
            **{name: value for name, value in os.environ.items() if name in kept},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "COLUMNS": "80",
        }


@contextmanager
def reader(folder: Path) -> Iterator[Reader]:
    """A reader in this folder, whose servers are stopped at the end."""
    with Reader(folder) as one:
        for path in (*folder.glob("router/*.toml"), *folder.glob("docs/tutorial/*.toml")):
            path.write_text(one.here(path.read_text()))
        yield one


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _signal(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        pass
