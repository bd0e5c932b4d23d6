"""What the edge's container runs, run here: NGINX, and an agent that comes again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from strangler.ladder import Share, Stage
from strangler.ports.trust import secret
from strangler.ports.trust.keys import generate
from strangler.routing.publish import publish
from strangler.routing.table import Entry
from tests.repository.images import Image
from tests.servers import ServerMissingError, free_port, installed_nginx

pytestmark = pytest.mark.journey

AWAY = "the control plane is away"
"""What an agent says that has begun, and finds nobody."""
CATALOG = Entry(Stage.LIVE, 0, held=False, killed=False, share=Share(1000, 1000), fallback=True)


class Container:
    """The image's files in a folder, and what it starts."""

    def __init__(self, folder: Path) -> None:
        try:
            nginx = Path(installed_nginx())
        except ServerMissingError as missing:
            pytest.skip(str(missing))
        self.folder = folder
        self.port = free_port()
        place = folder / "app"
        Image("edge").lay_out(place)
        (folder / "bin").mkdir()
        python = folder / "bin" / "python"
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)
        generate(folder / "keys", "edge")
        secret.make(folder / "keys")
        self._output = (folder / "output").open("wb")
        # With options of our own, and nobody there who could be asked.
        command = Image("edge").command()[:2]
        self.process = subprocess.Popen(
            [*command, "--listen", f"127.0.0.1:{self.port}", "--name", "front",
             *(["--user", "root"] if os.geteuid() == 0 else [])],
            cwd=place,
            env={
                "PATH": f"{folder / 'bin'}:{os.environ['PATH']}:{nginx.parent}",
                "STRANGLER_CONTROL": "http://127.0.0.1:9",
                "STRANGLER_KEYS": str(folder / "keys"),
                "STRANGLER_MANIFEST": str(place / "router" / "capabilities.toml"),
                "STRANGLER_NGINX": str(folder / "nginx"),
                "STRANGLER_TABLE": str(folder / "table"),
            },
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip

    def close(self) -> None:
        self._output.close()

    def said(self) -> str:
        return (self.folder / "output").read_text()

    def ready(self) -> int:
        """The status with which the edge says whether it knows where to; 0 if it says nothing."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/_strangler/readyz", timeout=5) as answer:
                return int(answer.status)
        except HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    def agents(self) -> list[int]:
        """The processes of the agent, which are Python's."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
                ours = os.getpgid(int(folder.name)) == self.process.pid
            except OSError:
                continue
            if ours and b"strangler" in words and b"--once" not in words:
                found.append(int(folder.name))
        return found

    def until(self, condition: Callable[[], object]) -> None:
        limit = time.monotonic() + 30
        while not condition():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < limit, self.said()
            time.sleep(0.05)


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    made = Container(tmp_path)
    yield made
    if made.process.poll() is None:
        os.killpg(made.process.pid, signal.SIGKILL)
        made.process.wait()
    made.close()


def test_an_edge_comes_up_alone_and_outlives_its_agent(container: Container):
    container.until(lambda: container.ready() == 503)  # nobody can be asked, and there is no table
    container.until(lambda: container.said().count(AWAY) == 1)
    publish(container.folder / "table", 1, {"catalog": CATALOG})
    assert container.ready() == 200

    (first,) = container.agents()
    os.kill(first, signal.SIGKILL)
    assert container.ready() == 200
    container.until(lambda: container.said().count(AWAY) == 2)
    assert set(container.agents()) - {first}
    assert container.ready() == 200

    container.process.send_signal(signal.SIGQUIT)  # as the image says
    assert container.process.wait(30) == 0, container.said()
    assert "the agent edge/front has ended" in container.said()
    assert container.agents() == []
    assert container.ready() == 0
