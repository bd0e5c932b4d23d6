"""The sandbox over HTTP."""

from __future__ import annotations

import json
import re
import socket
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from monolith.payments.sandbox import core, magic
from monolith.payments.sandbox.books import Books
from monolith.payments.sandbox.core import Asked, Record, Refused
from monolith.payments.sandbox.faults import Fault, Faults, read

LIMIT = 64 * 1024
"""Bytes that a request may have."""
LONGEST = 60.0
"""Seconds for which a connection that is never answered stays open."""

_PATH = re.compile(r"/payments(?:/(?P<key>[^/]{1,64})(?:/(?P<action>capture|refund))?)?")


class SandboxServer(ThreadingHTTPServer):
    """A provider: its books, and what goes wrong there."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], books: Books, faults: Faults) -> None:
        super().__init__(address, _Handler)
        self.books = books
        self.faults = faults
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        """Where it is reached."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def shutdown(self) -> None:
        """Stop, and keep nobody waiting for an answer that never comes."""
        self.closing.set()
        super().shutdown()


class _Broken(Exception):
    """The connection breaks."""


class _Handler(BaseHTTPRequestHandler):
    server: SandboxServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    STATUS: ClassVar = {"declined": 402}

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def do_PUT(self) -> None:
        self._answer(self._put)

    def log_message(self, *_: Any) -> None:
        """Nothing: the books say what was done."""

    def _answer(self, act: Any) -> None:
        try:
            body = self._read()
            status, said = act(body)
        except Refused as refused:
            status, said = refused.status, {"error": refused.error, "message": str(refused)}
        except _Broken:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        content = b"" if said is None else json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _read(self) -> Any:
        said = self.headers.get("Content-Length", "0")
        if not said.isdecimal() or int(said) > LIMIT:
            self.close_connection = True
            raise Refused(413, "TooLarge", f"a request has {LIMIT} bytes at most")
        content = self.rfile.read(int(said))
        try:
            return json.loads(content) if content else None
        except ValueError as error:
            raise Refused(400, "BadJSON", str(error)) from error

    def _get(self, _: Any) -> tuple[int, Any]:
        if self.path == "/healthz":
            return 204, None
        if self.path == "/books":
            return 200, self.server.books.shown()
        if self.path == "/faults":
            return 200, self.server.faults.shown()
        key, action = self._asked_for()
        if key is None or action is not None:
            raise Refused(405, "MethodNotAllowed", "post to this path")
        return self._among_faults(self.server.faults.strike(), lambda: self._found(key))

    def _put(self, body: Any) -> tuple[int, Any]:
        if self.path != "/faults":
            raise Refused(404, "NotFound", f"there is nothing at {self.path}")
        try:
            self.server.faults.put(read(body))
        except ValueError as error:
            raise Refused(400, "BadPlan", str(error)) from error
        return 200, self.server.faults.shown()

    def _post(self, body: Any) -> tuple[int, Any]:
        key, action = self._asked_for()
        books = self.server.books
        fault = self.server.faults.strike()
        if key is None:
            key, asked = self._key(), _asked(body)
            if books.look_up(key) is None:
                fault = fault or magic.FAULTS.get(asked.method)
            return self._among_faults(
                fault, lambda: books.change(key, lambda known: core.authorise(known, key, asked))
            )
        if action == "capture":
            return self._among_faults(fault, lambda: books.change(key, core.capture))
        if action == "refund":
            return self._among_faults(
                fault, lambda: books.change(key, lambda known: core.refund(known, key))
            )
        raise Refused(405, "MethodNotAllowed", "get this path")

    def _among_faults(self, fault: Fault | None, act: Any) -> tuple[int, Any]:
        if fault is Fault.BEFORE:
            raise Refused(500, "Failed", "something went wrong")
        if fault is Fault.DROP:
            raise _Broken
        record: Record = act()
        if fault is Fault.AFTER:
            raise Refused(500, "Failed", "something went wrong")
        if fault is Fault.LOST:
            raise _Broken
        if fault is Fault.LATE:
            self.server.closing.wait(self.server.faults.seconds)
        if fault is Fault.NEVER:
            self.server.closing.wait(LONGEST)
            raise _Broken
        return self.STATUS.get(record.state, 200), record.shown()

    def _found(self, key: str) -> Record:
        found = self.server.books.look_up(key)
        if found is None:
            raise Refused(404, "UnknownPayment", "there is no payment with this key")
        return found

    def _asked_for(self) -> tuple[str | None, str | None]:
        found = _PATH.fullmatch(self.path)
        if found is None:
            raise Refused(404, "NotFound", f"there is nothing at {self.path}")
        key = found["key"]
        return None if key is None else _checked(key), found["action"]

    def _key(self) -> str:
        return _checked(self.headers.get("Idempotency-Key", ""))


def _checked(key: str) -> str:
    try:
        return str(uuid.UUID(key))
    except ValueError:
        raise Refused(400, "BadKey", f"{key!r} is no UUID") from None


def _asked(body: Any) -> Asked:
    names = ("amount", "currency", "method", "customer")
    if not isinstance(body, dict) or not all(isinstance(body.get(name), str) for name in names):
        raise Refused(400, "BadRequest", "say amount, currency, method and customer, each as text")
    return Asked(*(body[name] for name in names))
