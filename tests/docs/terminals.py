"""Runs what a document tells its reader to run, in a folder of its own and on free ports."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.docs.reading import ROOT, Block, commands
from tests.servers import free_port

TREE = ("contracts", "monolith", "extracted", "router", "docs")
FILES = ("manage.py", "pyproject.toml", "Makefile")
SHOP, SERVICE, OWN, CATALOG = "8000", "8102", "8103", "8101"
CONTROL, EDGE = "8010", "8080"
PATIENCE = 30.0
INCONCLUSIVE = 3
ACTIVATE = ". .venv/bin/activate"
LOOKS = ("strangler diffs", "strangler status", "strangler transfer status")
SAYING = {"strangler mover": "the mover carries", "strangler agent": "is applied"}
"""What stays without listening, and what it says once it is up."""
PROGRAMS = f"{os.environ['PATH']}:/usr/sbin"
"""Where Debian keeps NGINX, too."""
_STAYS = re.compile(r"^(export |unset |cd |\. |source )")
_MEASURE = r"[\d.,]+ (?:ms|s|min|h|d)\b"
_STAMP = r"(?:\d\d-\d\d )?\d\d:\d\d:\d\d"
_LOOSE = re.compile(rf"(?P<any> ?… ?)|(?P<stamp>{_STAMP})|(?P<measure>{_MEASURE})")


_ALL = """
import json, sys
from django.core.management import execute_from_command_line
from strangler.cli import run
from strangler.cli.project import load
load()
for program, *words in json.loads(sys.argv[1]):
    if program == "strangler":
        assert run(words) == 0, words
    else:
        execute_from_command_line([program, *words])
"""


def tree(folder: Path) -> None:
    """Make the folder a copy of the repository, with this environment as its ``.venv``.

    The kit is the one that is installed there.
    """
    for name in TREE:
        shutil.copytree(ROOT / name, folder / name)
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    (folder / ".venv").symlink_to(sys.prefix)


def loosely(expected: str, printed: str) -> bool:
    """Does a command print what the document says, as far as the document can know?

    Where lines are broken makes no difference: that depends on the length of a path.
    """
    return re.fullmatch(_pattern(_words(expected)), _words(printed)) is not None


def _saying(command: str) -> str:
    """What a command says that stays once it is up; nothing if it ends by itself."""
    stays = [said for begins, said in SAYING.items() if begins in command]
    return stays[0] if stays and "--once" not in command else ""


def _words(text: str) -> str:
    return " ".join(text.split())


def _pattern(expected: str) -> str:
    pattern, end = "", 0
    for match in _LOOSE.finditer(expected):
        pattern += re.escape(expected[end : match.start()])
        pattern += {"any": ".*", "stamp": _STAMP, "measure": _MEASURE}[str(match.lastgroup)]
        end = match.end()
    return pattern + re.escape(expected[end:])


@dataclass(slots=True)
class Reader:
    """Somebody with a few terminals, all in one folder, who does as the document says."""

    folder: Path
    # What comes before everything else on the path: see ``tests.docs.warm``.
    programs: Path
    # Of four digits, so that no line breaks elsewhere than with the usual one.
    ports: dict[str, str] = field(
        default_factory=lambda: {
            usual: str(free_port(7100, 9899))
            for usual in (SHOP, SERVICE, OWN, CATALOG, CONTROL, EDGE)
        }
    )
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
            elif command.text == ACTIVATE:
                # Its programs are on the path already, behind the warm ones.
                assert (self.folder / ".venv" / "bin" / "activate").exists()
            elif _STAYS.match(command.text):
                stays.append(self.here(command.text))
            elif server := self.server(command.text):
                port, text = server
                self.start(terminal, text, lambda _, port=port: _listening(int(port)))
            elif said := _saying(command.text):
                self.start(terminal, command.text, lambda log, said=said: said in log.read_text())
            else:
                expected = self.here(command.printed)
                code, printed = self.ask(terminal, command.text, block.exit, expected)
                assert code == block.exit, f"{where}\nended with {code}\n{printed}"
                assert not expected.strip() or loosely(expected, printed), (
                    f"{where}\nshould print\n{expected}\nand prints\n{printed}"
                )

    def prepare(self, commands: Sequence[str]) -> None:
        """Do what the reader has done already, all in one process."""
        words = [shlex.split(command.removeprefix("python ")) for command in commands]
        script = self.folder / "var" / "before.py"
        script.parent.mkdir(exist_ok=True)
        script.write_text(_ALL)
        code, printed = self.run("", f"python {script} {shlex.quote(json.dumps(words))}")
        assert code == 0, f"before: {commands}\n{printed}"

    def ask(self, terminal: str, command: str, code: int, expected: str) -> tuple[int, str]:
        """Run a command, and again while it lacks evidence that is on its way.

        That goes for those which only look, and for those which say so by their exit code.
        """
        until = time.monotonic() + PATIENCE
        while True:
            ended, printed = self.run(terminal, command)
            good = ended == code and (not expected.strip() or loosely(expected, printed))
            unsure = ended == INCONCLUSIVE or command.startswith(LOOKS)
            if good or not unsure or time.monotonic() > until:
                return ended, printed
            time.sleep(0.5)

    def run(self, terminal: str, command: str) -> tuple[int, str]:
        """Run one command to its end; its exit code, and what it prints."""
        process = subprocess.Popen(
            self.shell(terminal, command),
            cwd=self.folder,
            env=self.env(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            printed, _ = process.communicate(timeout=PATIENCE)
        finally:
            _signal(process.pid, signal.SIGKILL)
        return process.returncode, printed

    def start(self, terminal: str, command: str, up: Callable[[Path], bool]) -> None:
        """Start what stays, and wait until it is up, as its log or its port tells."""
        assert terminal not in self.running, f"the terminal {terminal!r} is busy"
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
        while not up(log):
            assert process.poll() is None, f"$ {command}\n{log.read_text()}"
            assert time.monotonic() < until, f"$ {command}\n{log.read_text()}"
            time.sleep(0.05)

    def stop(self, terminal: str) -> None:
        """Ctrl-C, which reaches everything that was started there."""
        process = self.running.pop(terminal)
        _signal(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
        _signal(process.pid, signal.SIGKILL)
        process.wait()

    def server(self, command: str) -> tuple[str, str] | None:
        """The port that a server listens on, and its command with that port; None for no server."""
        command = command.replace("make dev", "python manage.py runserver")
        if command.endswith(" migrate"):
            return None
        for usual in (SHOP, CONTROL):
            if f"--bind 127.0.0.1:{usual}" in command:
                return self.ports[usual], command
        if command.startswith("nginx "):
            return self.ports[EDGE], command
        for server, usual in (
            ("manage.py runserver", SHOP),
            ("-m extracted.pricing", SERVICE),
            ("-m extracted.catalog", CATALOG),
            ("-m parcels", OWN),
        ):
            if server in command:
                port = self.ports[usual]
                option = port if usual == SHOP else f"--port {port}"
                return port, f"{command} {option}"
        return None

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
            "PATH": ":".join([str(self.programs), str(Path(sys.executable).parent), PROGRAMS]),
            # The reader of a document does not read it as root, whom its folder may belong to here.
            **({"STRANGLER_NGINX_USER": "root"} if os.geteuid() == 0 else {}),
            "PYTHONPATH": str(self.folder),
            "COLUMNS": "80",
        }


@contextmanager
def reader(folder: Path, programs: Path) -> Iterator[Reader]:
    """A reader in this folder, whose servers are stopped at the end."""
    with Reader(folder, programs) as one:
        for path in (*folder.glob("router/*.toml"), *folder.glob("docs/tutorial/*.toml")):
            path.write_text(one.here(path.read_text()))
        yield one


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)
