"""``strangler`` and ``python``, at a quarter of their cost: most is the import of libraries.

A process that has imported them, and the kit, forks for each command; what is the reader's own is
imported by the child, from the folder where the command was given. A script of either name hands
over its arguments, environment, folder and streams, and passes on the signals that it gets.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import NoReturn

LIBRARIES = (
    "celery.app.defaults",
    "celery.fixups.django",
    "celery.loaders.app",
    "django.contrib.admindocs.views",
    "django.contrib.auth.apps",
    "django.contrib.auth.hashers",
    "django.contrib.auth.password_validation",
    "django.contrib.auth.tokens",
    "django.contrib.contenttypes.apps",
    "django.contrib.sites.shortcuts",
    "django.contrib.staticfiles.apps",
    "django.core.management",
    "django.db.backends.sqlite3.base",
    "django.db.migrations.executor",
    "django.db.models.sql.compiler",
    "django.test",
    "drf_spectacular.contrib.djangorestframework_camel_case",
    "drf_spectacular.utils",
    "environ",
    "httpx",
    "joserfc.jws",
    "joserfc.jwt",
    "msgspec",
    "psycopg",
    "rest_framework.authentication",
    "rest_framework.compat",
    "rest_framework.mixins",
    "rest_framework.negotiation",
    "rest_framework.permissions",
    "rest_framework.request",
    "rest_framework.utils.encoders",
    "rich.emoji",
    "rich.live",
    "rich.table",
    "stamina",
    "strangler.cli.app",
    "strangler.django.control_plane.probes",
    "strangler.django.edge.identity",
    "strangler.django.edge.proxy",
    "strangler.django.edge.spool",
    "strangler.django.edge.targets",
    "strangler.django.observing.counters",
    "strangler.django.ports.endpoint",
    "strangler.django.saga",
    "strangler.django.transfer.budget",
    "strangler.django.transfer.places",
    "strangler.events.receiving",
    "strangler.events.stores.writing",
    "strangler.events.unread",
    "strangler.ports.bind",
    "strangler.ports.face",
    "strangler.ports.serve",
    "strangler.routing.killing",
    "strangler.routing.paths",
    "strangler.shadow.rehearse",
    "strangler.shadow.report",
    "strangler.shadow.tee",
    "strangler.transfer.fence",
    "strangler.transfer.gate",
    "strangler.transfer.mover",
    "structlog",
    "typer._adapters",
)
OF_A_SERVICE = (
    "alembic.command",
    "httpx",
    "pydantic_settings",
    "sqlalchemy.dialects.sqlite",
    "sqlalchemy.orm",
    "strangler.fastapi.face",
    "strangler.fastapi.rest.asking",
    "strangler.fastapi.rest.paging",
    "strangler.fastapi.server",
    "strangler.ports.bind",
    "strangler.ports.transports.library",
    "strangler.sqlalchemy.database",
    "strangler.sqlalchemy.events.publishing",
    "strangler.sqlalchemy.schema",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
)
SCRIPT = """#!{python} -SE
import json, os, signal, socket, sys
program = os.path.basename(sys.argv[0])
if program == "python" and not (sys.argv[1] == "-m" or sys.argv[1].endswith(".py")):
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
with socket.socket(socket.AF_UNIX) as server:
    server.connect({path!r})
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: server.send(bytes([number])))
    told = json.dumps([program, sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(server, [told], [0, 1, 2])
    sys.exit(int(server.recv(8) or 1))
"""


@contextmanager
def programs(folder: Path, libraries: tuple[str, ...] = LIBRARIES) -> Iterator[Path]:
    """Start such a process; the folder that its scripts are in."""
    path = folder / "warm"
    for name in ("strangler", "python"):
        script = folder / name
        script.write_text(SCRIPT.format(python=sys.executable, path=str(path)))
        script.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, __file__, str(path), *libraries],
        env={name: value for name, value in os.environ.items() if "DJANGO" not in name},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"warm\n"
        yield folder
    finally:
        # It ends with its standard input, and would so without us.
        process.communicate()


@dataclass(slots=True)
class Warm:
    """What runs commands until its standard input ends."""

    listener: socket.socket
    woken: socket.socket
    python: str
    clients: dict[int, socket.socket] = field(default_factory=dict)
    waiting: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def serve(self) -> None:
        """Run each command that is asked for, beside the others."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # Who is told to end by Ctrl-C ends this process, too, and first what runs.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.waiting.register(sys.stdin, selectors.EVENT_READ)
        self.waiting.register(self.listener, selectors.EVENT_READ)
        self.waiting.register(self.woken, selectors.EVENT_READ)
        while True:
            for key, _ in self.waiting.select():
                if key.fileobj is sys.stdin:
                    for child in self.clients:
                        os.killpg(child, signal.SIGKILL)
                    return
                if key.fileobj is self.listener:
                    self.fork()
                elif key.fileobj is self.woken:
                    self.woken.recv(4096)
                    self.reap()
                else:
                    self.pass_on(key.data)

    def fork(self) -> None:
        """Run a command in a child, which leads a group of its own."""
        client, _ = self.listener.accept()
        told, streams, _, _ = socket.recv_fds(client, 65536, 3)
        program, words, folder, environ = json.loads(told)
        if words[:1] == ["-m"]:
            for library in OF_A_SERVICE:
                import_module(library)
        child = os.fork()
        if not child:
            os.setpgid(0, 0)
            # What it kept open would stay registered where this process closes it.
            self.waiting.close()
            for end in (self.listener, self.woken, client, *self.clients.values()):
                end.close()
            os.close(signal.set_wakeup_fd(-1))
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            sys.executable = self.python
            _run(streams, program, words, folder, environ)
        with suppress(PermissionError):
            os.setpgid(child, child)
        for stream in streams:
            os.close(stream)
        self.clients[child] = client
        self.waiting.register(client, selectors.EVENT_READ, child)

    def pass_on(self, child: int) -> None:
        """Send a child's group what its script was sent; no child outlives its script."""
        numbers = self.clients[child].recv(1)
        if not numbers:
            self.waiting.unregister(self.clients[child])
        with suppress(ProcessLookupError):
            os.killpg(child, numbers[0] if numbers else signal.SIGKILL)

    def reap(self) -> None:
        """Tell the scripts of children that have ended how they did."""
        for child, client in list(self.clients.items()):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                with suppress(KeyError):
                    self.waiting.unregister(client)
                with suppress(BrokenPipeError), self.clients.pop(child):
                    client.send(str(code if code >= 0 else 128 - code).encode())


def _run(
    streams: list[int], program: str, words: list[str], folder: str, environ: dict[str, str]
) -> NoReturn:
    code = 1
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environ)
        sys.path[:0] = environ.get("PYTHONPATH", "").split(os.pathsep)
        code = _strangler(words) if program == "strangler" else _python(words)
        for thread in threading.enumerate():
            if thread is not threading.main_thread() and not thread.daemon:
                thread.join()
    except KeyboardInterrupt:
        code = 130
    except BaseException:  # noqa: BLE001 - whatever it is, the reader sees it
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _strangler(words: list[str]) -> int:
    sys.argv = ["strangler", *words]
    code: int = import_module("strangler.cli").run(words)
    return code


def _python(words: list[str]) -> int:
    try:
        if words[0] == "-m":
            sys.argv = words[1:]
            sys.path.insert(0, str(Path.cwd()))
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = words
            sys.path.insert(0, str(Path(words[0]).resolve().parent))
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
            return 1
        return end.code or 0
    return 0


def main(path: str, *libraries: str) -> None:
    """Import what there is to import, and serve."""
    # The folder of this file is nothing that a reader imports from.
    del sys.path[0]
    for library in libraries:
        import_module(library)
    if "django" in sys.modules:
        import_module("strangler.cli.app")._built()
        assert not import_module("django.conf").settings.configured, "settings are the reader's"
    gc.freeze()
    woken, wake = socket.socketpair()
    wake.setblocking(False)  # noqa: FBT003 - the socket's own signature
    signal.set_wakeup_fd(wake.fileno())
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        sys.stdout.write("warm\n")
        sys.stdout.flush()
        Warm(listener, woken, str(Path(path).with_name("python"))).serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
