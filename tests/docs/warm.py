"""The ``strangler`` command, at a quarter of its cost: most of that is the import of libraries.

A process that has imported them forks for each command; what is the project's own is imported by
the child, from the folder where the command was given. A script named ``strangler`` hands over its
arguments, environment, folder and streams.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import NoReturn

LIBRARIES = (
    "celery",
    "django.core.management",
    "django.db.migrations.executor",
    "django.db.backends.sqlite3.base",
    "environ",
    "httpx",
    "joserfc.jws",
    "msgspec",
    "psycopg",
    "rest_framework.compat",
    "rich.live",
    "rich.table",
    "stamina",
    "structlog",
    "typer.main",
)
SCRIPT = """#!{python} -SE
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({path!r})
    told = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(server, [told], [0, 1, 2])
    sys.exit(int(server.recv(8)))
"""


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Start such a process, and put the script into this folder."""
    path = folder / "warm"
    script = folder / "strangler"
    script.write_text(SCRIPT.format(python=sys.executable, path=str(path)))
    script.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, __file__, str(path)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"warm\n"
    return process


def serve(path: str) -> NoReturn:
    """Run one command after the other."""
    for library in LIBRARIES:
        import_module(library)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        sys.stdout.write("warm\n")
        sys.stdout.flush()
        while True:
            client, _ = listener.accept()
            with client:
                told, streams, _, _ = socket.recv_fds(client, 65536, 3)
                child = os.fork()
                if not child:
                    _run(streams, *json.loads(told))
                for stream in streams:
                    os.close(stream)
                _, status = os.waitpid(child, 0)
                client.send(str(os.waitstatus_to_exitcode(status)).encode())


def _run(streams: list[int], words: list[str], folder: str, environ: dict[str, str]) -> NoReturn:
    code = 1
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environ)
        sys.argv = ["strangler", *words]
        sys.path[:0] = environ.get("PYTHONPATH", "").split(os.pathsep)
        code = import_module("strangler.cli").run(words)
    except Exception:  # noqa: BLE001 - whatever it is, the reader sees it
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
