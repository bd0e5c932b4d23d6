"""What stands in front of the shop: the monolith's own middleware, or an NGINX with its agent."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.processes import Part, free_port
from demo.servers import ServerMissingError

THREADS = 8
"""How many may wait for news of the control plane at one time."""


@dataclass(frozen=True, slots=True)
class Front:
    """Where clients ask, and what runs for that beside the monolith."""

    url: str
    parts: tuple[Part, ...] = ()
    parties: tuple[str, ...] = ()
    """Who needs keys for it."""
    preparing: tuple[str, ...] = ()
    """What is to be run once before, as arguments of Python."""


def middleware(monolith: str) -> Front:
    """The monolith's middleware decides: clients ask the monolith."""
    return Front(monolith)


def nginx(folder: Path, env: Mapping[str, str]) -> Front:
    """NGINX decides; its agent follows the control plane, which answers in threads of its own.

    ``env`` is that of the monolith's processes.

    Raises:
        ServerMissingError: there is no NGINX here.
    """
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise ServerMissingError(
            "NGINX is not installed: get Debian's `nginx`, or leave EDGE=nginx out"
        )
    url, control = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    place, log = folder / "edge", folder / "log"
    agent = (
        str(Path(sys.executable).with_name("strangler")), "agent", "--name", "front",
        "--control", control, "--table", str(place / "table"), "--nginx", str(place / "nginx"),
        "--program", program, "--listen", url.removeprefix("http://"),
        # A checkout may lie where only its owner reads.
        *(("--user", "root") if os.geteuid() == 0 else ()),
    )  # fmt: skip
    parts = (
        Part(
            "the control plane",
            [sys.executable, "-m", "gunicorn", "monolith.config.wsgi", "--worker-class", "gthread",
             "--threads", str(THREADS), "--workers", "1", "--no-control-socket",
             "--forwarder-headers", "", "--bind", control.removeprefix("http://")],
            env=env,
            log=log / "control.log",
            ready=f"{control}/readyz",
        ),
        Part("the agent", [sys.executable, *agent], env=env, log=log / "agent.log"),
        Part(
            "the edge",
            [program, "-p", str(place / "nginx"), "-c", "current/nginx.conf", "-e", "error.log",
             "-g", "daemon off;"],
            env=env,
            log=log / "edge.log",
            ready=f"{url}/_strangler/readyz",
        ),
    )  # fmt: skip
    return Front(url, parts, parties=("edge",), preparing=(*agent, "--once"))
