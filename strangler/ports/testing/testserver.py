"""What answers in the topology ``http``: real sockets, real tokens, one process."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from strangler.manifest.model import Breaker, Resilience
from strangler.ports import runtime
from strangler.ports.calling import remote
from strangler.ports.serve import PATH, dispatch
from strangler.ports.trust.keys import Keyring, generate
from strangler.ports.trust.tokens import Remembered

# A test shall see what happens, and not what patience makes of it.
_CANDID = Resilience(attempts=1, breaker=Breaker(failures=10_000), concurrency=10_000)


class PortServer:
    """Serves whatever is registered in this process, each answer ``latency`` seconds later."""

    def __init__(self, served: Callable[[], Any], *, party: str) -> None:
        self.latency = 0.0
        self._party = party
        self._folder = tempfile.TemporaryDirectory(prefix="strangler-keys-")
        keys = Path(self._folder.name)
        generate(keys, party)
        self._keyring = Keyring.load(keys, party)
        handler = type(
            "Handler", (_Handler,), {"port_server": self, "served": staticmethod(served)}
        )
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.01,), name="strangler-ports", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @contextlib.contextmanager
    def wired(self) -> Iterator[None]:
        """Inside the block every port call of this process comes here."""
        with runtime.configured(
            party=self._party,
            keyring=self._keyring,
            urls=lambda _capability, _arm: (self.url,),
            audience=lambda _capability, _arm: self._party,
            resilience=lambda _capability: _CANDID,
            replays=Remembered(),
            placed={"*": "remote"},
        ):
            try:
                yield
            finally:
                remote.close()

    def stop(self) -> None:
        """Close everything."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        self._folder.cleanup()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet for head and body
    disable_nagle_algorithm = True
    port_server: PortServer
    served: Callable[[], Any]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        capability, _, method = self.path.removeprefix(PATH).partition("/")
        headers = {name.lower(): value for name, value in self.headers.items()}
        time.sleep(self.port_server.latency)
        try:
            answer = dispatch(capability, method, body, headers, callers=())
        finally:
            self.served()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *args: object) -> None:
        """Say nothing: a failing test says enough."""
